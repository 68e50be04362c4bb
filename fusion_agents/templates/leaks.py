"""What a template must not carry over from its question: the answer, numbers, names."""

import re
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from typing import NamedTuple

from fusion_agents.metrics.number import read_gold
from fusion_agents.metrics.numerals import read_number_words, read_numerals
from fusion_agents.metrics.options import read_options

_ROUND = frozenset(map(Fraction, (0, 1, 2, 10, 100)))
"""Numbers that stand in questions and in advice alike."""
_CONSTANTS = _ROUND | frozenset(
    Fraction(str(number))
    for number in (3, 4, 5, 6, 7, 8, 9, 12, 60, 180, 360, 365, 1000, 3.14, 0.5)
)
"""Numbers that a solution may take from general knowledge."""
_SMALL_WORDS = 3
"""Number words below this are ordinary words, even where they are the answer."""
_ORDINARY_WORDS = 12
"""Up to here, number words are ordinary words where they are not the answer."""
_LONG_GOLD = 9
_RUN = 6
"""So many words of a long right answer in a row give it away."""

_WORD = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|[^\W_]+"
)
_LETTER = re.compile(r"\(?([A-Za-z])\)?[.:)]?")
_COMMON = frozenset(
    ("yes", "no", "true", "false", "none", "neither", "both", "all", "correct", "incorrect",
     "right", "wrong", "valid", "invalid", "positive", "negative", "neutral", "entailment",
     "contradiction", "unknown", "never", "always")
)  # fmt: skip
"""Answers that say nothing unless they are called the answer."""
_STATED = r"\b(?:answer|option|choice|solution|result)\b[^.\n]{{0,20}}\b(?:is|be|as)\s+[\"'(*]*{}\b"

_IDENTIFIER = re.compile(r"\b(?:[A-Za-z]+(?:_[A-Za-z0-9]+)+|[a-z]+[A-Z][A-Za-z]+)\b")
_QUOTED = re.compile(r"\"([^\"\n]{4,80})\"|“([^”\n]{4,80})”|`([^`\n]{3,80})`|「([^」\n]{2,80})」")
_CAPITAL = re.compile(r"(?<![\w'’])[^\W\d_a-z][^\W\d_]{2,}")
_LOWER = re.compile(r"(?<!\w)[^\W\d_A-Z][^\W\d_]*")
_BEGIN = re.compile(r"(?:^|[.!?:;\n\"“(\[*•]|(?<!\w)[A-Z][.)]|\d[.)])\s*$")
_GERMAN = re.compile(r"(?i)\b(?:der|die|das|und|ist|ein|eine|einer|wie|nicht|mit|welche|viele)\b")
"""In German, all nouns have capitals."""
_GENERAL = frozenset(
    ("python", "java", "javascript", "sql", "html", "json", "latex", "english", "french", "german",
     "spanish", "chinese")
)  # fmt: skip
_KNOWLEDGE = re.compile(
    r"\s+(?:theorem|law|rule|method|principle|formula|equation|algorithm|inequality|"
    r"distribution|identity|lemma|function|sequence|numbers)\b",
    re.IGNORECASE,
)


class Source(NamedTuple):
    """What a template was distilled from, as far as it could leak."""

    question: str
    gold: tuple[str, ...] = ()
    """The right answer, in all its forms."""
    answers: tuple[str, ...] = ()
    """The answers that were shown."""


def find_leak(text: str, source: Source) -> str | None:
    """Say what a template gives away, in words that do not repeat it; none if nothing.

    >>> find_leak("Divide 48 by two.", Source("She sold 48 clips and half as many.", ("72",)))
    'it holds a number of the question'
    """
    return (
        _leaks_number(text, source)
        or _leaks_answer(text, source)
        or _leaks_identifier(text, source.question)
        or _leaks_name(text, source.question)
    )


def _leaks_number(text: str, source: Source) -> str | None:
    said = {numeral.value for numeral in read_numerals(text)}
    named = {value for value in read_number_words(text) if value >= _SMALL_WORDS}
    gold = {value for one in _golds(source) if (value := _gold_number(one)) is not None}
    if (said | named) & gold:
        return "it holds the right answer"
    asked = {abs(numeral.value) for numeral in read_numerals(source.question)} - _ROUND
    if {abs(one) for one in said | {one for one in named if one > _ORDINARY_WORDS}} & asked:
        return "it holds a number of the question"
    worked = {numeral.value for one in source.answers for numeral in read_numerals(one)}
    return "it holds a number of a solution" if said & (worked - _CONSTANTS) else None


def _gold_number(gold: str) -> Fraction | None:
    if "assert" in gold or "def " in gold:
        return None
    numeral = read_gold(gold)
    return None if numeral is None else numeral.value


def _leaks_answer(text: str, source: Source) -> str | None:
    said = words_of(text)
    leaks = any(_gives_away(text, said, gold) for gold in _golds(source))
    return "it holds the right answer" if leaks else None


def _gives_away(text: str, said: list[str], gold: str) -> bool:
    words = words_of(gold)
    if not words or (len(words) == 1 and _gold_number(gold) is not None):
        return False
    if _LETTER.fullmatch(gold.strip()) or " ".join(words) in _COMMON:
        stated = _STATED.format(re.escape(" ".join(words)))
        return re.search(stated, text, re.IGNORECASE) is not None
    if len(words) < _LONG_GOLD:
        return contains(said, words)
    return any(contains(said, words[i : i + _RUN]) for i in range(len(words) - _RUN + 1))


def _golds(source: Source) -> Iterator[str]:
    """The right answer, and the option that it names."""
    options = read_options(source.question)
    for gold in source.gold:
        yield gold
        letter = _LETTER.fullmatch(gold.strip())
        if letter and (option := options.get(letter[1].upper())):
            yield option


def _leaks_identifier(text: str, question: str) -> str | None:
    names = {found[0] for found in _IDENTIFIER.finditer(question)}
    if names & {found[0] for found in _IDENTIFIER.finditer(text)}:
        return "it holds an identifier of the question"
    said = words_of(text)
    quotations = (next(filter(None, found.groups())) for found in _QUOTED.finditer(question))
    for quotation in quotations:
        words = words_of(quotation)
        if (len(words) > 1 or f'"{quotation}"' in text) and contains(said, words):
            return "it holds a quotation of the question"
    return None


def _leaks_name(text: str, question: str) -> str | None:
    if len(_GERMAN.findall(question)) > 1:
        return None
    ordinary = _GENERAL | set(_LOWER.findall(question)) | set(_LOWER.findall(text))
    inside, beginning = _capitalised(question)
    names = {name for name in inside if name.lower() not in ordinary}
    first = {name for name in beginning if name.lower() not in ordinary}
    said, at_beginning = _capitalised(text)
    if names & set(at_beginning) or (names | first) & set(said):
        return "it holds a name of the question"
    return None


def _capitalised(text: str) -> tuple[list[str], list[str]]:
    """Words with a capital inside of sentences, and at their beginning; no famous theorems."""
    inside: list[str] = []
    beginning: list[str] = []
    for found in _CAPITAL.finditer(text):
        if not _KNOWLEDGE.match(text, found.end()):
            before = text[max(0, found.start() - 8) : found.start()]
            (beginning if _BEGIN.search(before) or not before else inside).append(found[0])
    return inside, beginning


def words_of(text: str) -> list[str]:
    """Words without case; single characters where a script has no spaces."""
    return _WORD.findall(text.casefold())


def contains(words: Sequence[str], part: Sequence[str]) -> bool:
    """Whether some words follow each other in others."""
    return any(
        list(words[i : i + len(part)]) == list(part) for i in range(len(words) - len(part) + 1)
    )


def runs_of(words: Sequence[str], length: int) -> set[tuple[str, ...]]:
    """All runs of so many words."""
    return {tuple(words[i : i + length]) for i in range(len(words) - length + 1)}


def all_runs(texts: Iterable[str], length: int) -> set[tuple[str, ...]]:
    """All runs of so many words of several texts."""
    return set().union(*(runs_of(words_of(text), length) for text in texts))
