"""Numbers as people and models write them, read exactly."""

import re
from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

_DIGITS = 60
"""Longer numbers, and powers of ten beyond 10**60, are not read."""

_SPACE = "[\u00a0\u2009\u202f]"
_IDEOGRAPHS = "\u0e00-\u0e7f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
"""Scripts without spaces between words and numbers."""
_PLAIN = rf"(?:\d{{1,3}}(?:(?:,|\{{,\}}|\\,|{_SPACE})\d{{3}})+|\d+)(?:\.\d+)?|\.\d+"
_NUMERAL = re.compile(
    rf"""(?<![^\W{_IDEOGRAPHS}])(?<![.:/^])(?:(?P<sign>[-−–+]|(?i:minus|negative)\b)\s?)?[$€£¥₹]?\s?(?:\\\$)?(?P<sign2>[-−])?
    (?:\\[dt]?frac\s*\{{(?P<over>{_PLAIN})\}}\s*\{{(?P<under>{_PLAIN})\}}
    |(?P<whole>{_PLAIN})
      (?:\s*(?:x|×|\*|\\times|\\cdot|·)\s*10\s*(?:\^|\*\*)\s*\{{?\(?(?P<power>[-−+]?\d{{1,4}})\)?\}}?
      |[eE](?P<exponent>[-+]?\d{{1,4}})(?!\w)
      |\s?/\s?(?P<divisor>\d+(?:\.\d+)?)(?![\d/])
      |\s+(?P<top>\d+)\s?[/⁄]\s?(?P<bottom>\d+)(?![\d/])
      |\s*(?P<mixed>\\[dt]?frac\s*\{{(?P<mtop>\d+)\}}\s*\{{(?P<mbottom>\d+)\}}))?)
    (?:\s*(?P<percent>\\?%|percent\b|per\ cent\b)
      |\s*(?P<scale>thousand|million|billion|trillion)\b)?
    (?!:?\d|[eE/^]\d)""",
    re.VERBOSE,
)
_SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_SMALL = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
    "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen",
    "nineteen",
)  # fmt: skip
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_WORDS = {word: value for value, word in enumerate(_SMALL)} | {
    word: 10 * value for value, word in enumerate(_TENS, 2)
}
_PARTS = {"half": 2, "halves": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "sixth": 6,
          "eighth": 8, "tenth": 10}  # fmt: skip
_HUGE = {"hundred": 100, "dozen": 12} | _SCALES
_ANY = "|".join([*_WORDS, *_HUGE])
_NAMED = re.compile(
    rf"\b(?:(minus|negative)\s+)?((?:{'|'.join(_WORDS)})\b(?:(?:[- ]|,? and |, )(?:{_ANY})\b)*)"
    rf"(?:[- ]({'|'.join(_PARTS)})s?\b)?",
    re.I,
)


class Numeral(NamedTuple):
    """A number as it was written."""

    value: Fraction
    percent: bool
    decimals: int
    """Digits after the decimal point; 0 for fractions and whole numbers."""
    start: int
    end: int


def read_numerals(text: str) -> Iterator[Numeral]:
    r"""Read every number: signs, currencies, thousands, decimals, fractions, powers of ten.

    >>> [str(n.value) for n in read_numerals("-$1,250.50, 3 1/2, \\frac{2}{3}, 4e3, 12 million")]
    ['-2501/2', '7/2', '2/3', '4000', '12000000']
    """
    for found in _NUMERAL.finditer(text):
        numeral = _value(found)
        if numeral is not None:
            yield numeral


def read_number_words(text: str) -> list[Fraction]:
    """Read numbers that are written out.

    >>> [str(value) for value in read_number_words("twenty-one or Three, minus five thousand")]
    ['21', '3', '-5000']
    >>> [str(value) for value in read_number_words("one hundred and five; two thirds; one or two")]
    ['105', '2/3', '1', '2']
    """
    return [value for found in _NAMED.finditer(text) for value in _named(found)]


def begins_with_number_words(text: str) -> Fraction | None:
    """Read a number that is written out, where nothing but two words at most follows.

    >>> str(begins_with_number_words("Twelve red apples")), begins_with_number_words("No one")
    ('12', None)
    """
    found = _NAMED.match(text)
    values = _named(found) if found and len(text[found.end() :].split()) <= 2 else []
    return values[0] if len(values) == 1 else None


def _named(found: re.Match[str]) -> list[Fraction]:
    """Add up the words of a number; several where they are no single one ("two and three")."""
    numbers, whole, part, before = list[int](), 0, 0, 100
    for word in re.findall(r"[a-z]+", found[2].lower()):
        if word == "and":
            continue
        size = _HUGE.get(word) or _WORDS[word]
        if word in _SCALES:
            whole, part = whole + part * size, 0
        elif word in _HUGE:
            part *= size
        elif before >= 100 or (before >= 20 and 0 < size < 10):
            part += size
        else:
            numbers.append(whole + part)
            whole, part = 0, size
        before = 100 if word in _HUGE else size
    numbers.append(whole + part)
    share = Fraction(-1 if found[1] else 1, _PARTS[found[3].lower()] if found[3] else 1)
    return [number * share for number in numbers]


def _value(found: re.Match[str]) -> Numeral | None:
    if len(found[0]) > 2 * _DIGITS:
        return None
    over = found["over"]
    value = _ratio(over, found["under"]) if over else _whole(found)
    if value is None:
        return None
    signs = [sign for sign in (found["sign"], found["sign2"]) if sign and sign != "+"]
    scale = _SCALES.get(found["scale"] or "", 1)
    decimals = len((found["whole"] or "").partition(".")[2]) if value.denominator > 1 else 0
    signed = value * scale * (-1) ** len(signs)
    return Numeral(signed, bool(found["percent"]), decimals, found.start(), found.end())


def _whole(found: re.Match[str]) -> Fraction | None:
    value = _plain(found["whole"])
    power = int((found["power"] or found["exponent"] or "0").replace("−", "-"))
    if abs(power) > _DIGITS:
        return None
    if found["divisor"]:
        return _ratio(found["whole"], found["divisor"])
    top, bottom = found["top"] or found["mtop"], found["bottom"] or found["mbottom"]
    if top:
        part = _ratio(top, bottom)
        return None if part is None else value + part
    return value * Fraction(10) ** power


def _ratio(over: str, under: str) -> Fraction | None:
    divisor = _plain(under)
    return _plain(over) / divisor if divisor else None


def _plain(digits: str) -> Fraction:
    return Fraction(re.sub(rf"[,{{}}\\]|{_SPACE}", "", digits))
