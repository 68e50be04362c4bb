"""Cheap features of how a query looks: its length, options, code, formulas, scripts."""

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_READ = 4_000
_COUNTS: dict[str, re.Pattern[str]] = {
    "words": re.compile(r"\w+"),
    "lines": re.compile(r"\n"),
    "numbers": re.compile(r"\d+(?:[.,]\d+)*"),
    "operators": re.compile(r"[+*/=<>^%]"),
    "brackets": re.compile(r"[\[\]{}()]"),
    "quotes": re.compile(r"[\"'`“”]"),
    "question_marks": re.compile(r"\?"),
    "colons": re.compile(r":"),
    "commas": re.compile(r","),
    "letter_options": re.compile(r"(?m)^[^\S\n]*\(?[A-J][).:]\s"),
    "latex_commands": re.compile(r"\\[a-zA-Z]+"),
    "dollars": re.compile(r"\$"),
    "capitals": re.compile(r"\b[A-Z][a-z]+"),
}
_SIGNS: dict[str, re.Pattern[str]] = {
    "code": re.compile(r"```|\bdef \w+\(|\bassert\b|\breturn\b|#include|\bclass \w+[:(]"),
    "function": re.compile(r"(?i)\b(?:function|program|python|code)\b"),
    "boxed": re.compile(r"\\boxed|\\frac|\\sqrt"),
    "which": re.compile(r"(?i)\bwhich (?:of|one|is|statement)\b"),
    "how_many": re.compile(r"(?i)\bhow (?:many|much|long|far|old)\b"),
    "wh_start": re.compile(r"(?i)^\s*(?:who|what|when|where|which|why|how|whose)\b"),
    "true_false": re.compile(r"(?i)\b(?:true|false|yes or no)\b"),
    "passage": re.compile(r"(?i)\b(?:passage|context|paragraph|article|document)\b"),
    "sentence": re.compile(r"(?i)\b(?:sentence|story|essay|poem|write)\b"),
    "blank": re.compile(r"_{2,}|\.\.\.|\[\w+\]"),
    "json": re.compile(r"[{\[]\s*[\"']"),
    "ends_open": re.compile(r"[^.?!\s]\s*$"),
}
_SHARES: dict[str, re.Pattern[str]] = {
    "digits": re.compile(r"\d"),
    "upper": re.compile(r"[A-Z]"),
    "spaces": re.compile(r"\s"),
    "latin_extended": re.compile(r"[À-ɏ]"),
    "other_scripts": re.compile(r"[Ͱ-῿\u3000-\uffff]"),
}

FEATURES: tuple[str, ...] = ("length", *_COUNTS, *_SIGNS, *_SHARES)
"""Names of the features, in order."""


def format_features(texts: Sequence[str]) -> NDArray[np.float64]:
    """Describe each text, shape (n_texts, n_features): logarithms of counts, signs, shares.

    Of a text only the first 4,000 characters are read; its length is that of the whole text.
    """
    features = np.zeros((len(texts), len(FEATURES)))
    for row, text in enumerate(texts):
        start = text[:_READ]
        length = max(len(start), 1)
        counts = (len(text), *(len(p.findall(start)) for p in _COUNTS.values()))
        signs = [float(p.search(start) is not None) for p in _SIGNS.values()]
        shares = [len(p.findall(start)) / length for p in _SHARES.values()]
        features[row] = [*np.log1p(counts), *signs, *shares]
    return features
