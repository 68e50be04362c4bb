"""Words to compare: free of case, accents, articles, punctuation and spacing."""

import re
import unicodedata

_ARTICLE = re.compile(r"\b(?:a|an|the)\b")
_ACCENT = re.compile("[\u0300-\u036f]")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_DOTTED = re.compile(r"(?<=\b[a-z])\.(?:\s?(?=[a-z]\.)|(?=[a-z]\b))")
_JOINING = re.compile("['’ʼ`´\u200c\u200d]")
_VOWELS = (
    "\u0900-\u0963\u0966-\u0dff\u0e31-\u0e3a\u0e47-\u0e4e\u0eb1-\u0ebc\u0ec8-\u0ecd"
    "\u0f18-\u0fbc\u102b-\u103e\u1056-\u1059\u17b4-\u17d3"
)
"""Letters that are written as marks on others, in scripts of India and its neighbours."""
_MINUS = re.compile(r"(?<![\w.)])[-−–](?=[.]?\d)")
_APART = re.compile(rf"[^\w\s.\x00{_VOWELS}]|_|(?<!\d)(?<!\x00)\.|\.(?!\d)")
_IDEOGRAPH = re.compile("([\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff])")


def normalised(text: str, *, articles: bool = False) -> str:
    """Reduce a text to its words, joined by single spaces; empty where nothing is left.

    Punctuation separates words, save in numbers (`1,000` is `1000`, `3.5` stays one word),
    initials (`U.S.` is `us`) and at apostrophes; a sign before a number stays. Ideographs are
    words of their own. Articles (`a`, `an`, `the`) are left out unless `articles`.

    >>> [normalised(text) for text in ("The U.S. (Ameríca)!", "1,000.5", "-2", "The")]
    ['us america', '1000.5', '-2', '']
    """
    if not text.isascii():
        text = unicodedata.normalize("NFKC", _ACCENT.sub("", unicodedata.normalize("NFKD", text)))
        text = _IDEOGRAPH.sub(r" \1 ", text)
    text = _JOINING.sub("", text.casefold().replace("\0", " "))
    text = _MINUS.sub("\0", _DOTTED.sub("", _THOUSANDS.sub("", text)))
    text = _APART.sub(" ", text).replace("\0", "-")
    if not articles:
        text = _ARTICLE.sub(" ", text)
    return " ".join(text.split())
