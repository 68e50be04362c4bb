"""Whether the final number is the right one."""

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from fusion_agents.errors import DataError
from fusion_agents.metrics.base import Metric, Scored, golds
from fusion_agents.metrics.numerals import (
    Numeral,
    begins_with_number_words,
    read_number_words,
    read_numerals,
)
from fusion_agents.metrics.statements import (
    Statement,
    stated_answers,
    visible,
    without_next_questions,
)
from fusion_agents.types import Query

NO_NUMBER = "no stated number"
SEVERAL = "several answers stated"

_STOP = re.compile(r"(?<!\bno)[.!?](?=\s|$)|\s(?:because|since)\s|\n", re.I)
_EQUALS = re.compile(r"[=≈]|\\approx")
_TEXT = re.compile(r"\\(?:text|mathrm|mathbf|textbf|boxed)\s*\{([^{}]*)\}")
_MARKUP = re.compile(r"[*`$]|\\[()\[\],;!]|\\left|\\right|(?<!\d)_|_(?!\d)")
_BEGIN = re.compile(
    r"[\s:>\"'“(]*(?:(?:exactly|approximately|about|around|roughly|only|just|a total of)\s+)*"
)
_ENDS = re.compile(r"\s*(?:[^\W\d]+\s*)?(?:[,;]\s|$|(?:which|meaning|after|when|if)\b)")
_DENIED = re.compile(
    r"\W*(?:not|never)\b|.{0,80}\b(?:wrong|incorrect) answer\b"
    r"|.{0,80}\banswer(?:(?: is|:)[ *]*not\b| isn['’]t\b| (?:can|could)(?:not|n['’]t| not) be\b)",
    re.I,
)
_SUM = re.compile(r"[\s(]*[\d.,]+[\s)]*(?:[-–−+÷×/][\s(]*[\d.,]+[\s).]*)+")
_THIN = re.compile(r"(?<=\d)\\[,!](?=\d{3}(?!\d))")
_HALVES = str.maketrans({"½": " 1/2", "¼": " 1/4", "¾": " 3/4", "⅓": " 1/3", "⅔": " 2/3"})
_OR = re.compile(r"\s*(?:[^\W\d]+\s+)?(?:or|and)\s+[$€£]?$", re.I)


class _Read(NamedTuple):
    """A number that was read, as it stood there."""

    numeral: Numeral
    written: str
    sure: bool = True
    """Whether it was the only number there, or what the statement began with."""


@dataclass(kw_only=True)
class Number(Metric):
    r"""Score 1 if the final number equals the right one, exactly and not digit by digit.

    Read is the last stated answer (`#### 18`, `\boxed{18}`, "the answer is $18.00", a JSON
    field); if that is a sentence, its only number that the question did not have. Without one it
    is the last number of the last sentence with a number. Commas, currencies, units, fractions,
    powers of ten and signs are understood; 3.5 is not 35, and 18.00 is 18. A percentage equals
    both its number and its hundredth. A number that is given to more decimals than the right one
    is rounded to as many, if that has two or more.

    The ground truth is a number or a worked solution that ends in `#### 18`. Source: GSM8K
    (arXiv 2110.14168).

    >>> query = Query(text="How much is it in dollars?", ground_truth="9 * 2 = 18\n#### 18")
    >>> Number().score("She needs 9 of them, so the answer is $18.00.", query)
    Scored(score=1.0, reason=None, answer='18.00')
    """

    name = "number"

    def score(self, response: str, query: Query) -> Scored:
        """Compare the final number with every right one."""
        right = [value for gold in golds(query) if (value := read_gold(gold)) is not None]
        if not right:
            raise DataError(f"the ground truth of query {query.id!r} has no number")
        text = visible(response)
        if not text.strip():
            return Scored(0.0, "empty response")
        found = _final(without_next_questions(text, query.text), _asked(query.text))
        if isinstance(found, str):
            return Scored(0.0, found)
        matches = any(same_number(found.numeral, gold) for gold in right)
        return Scored(float(matches), None if matches else "another number", found.written.strip())


@lru_cache(maxsize=1024)
def _asked(question: str) -> frozenset[Fraction]:
    return frozenset(numeral.value for numeral in read_numerals(question))


@lru_cache(maxsize=4096)
def read_gold(gold: str) -> Numeral | None:
    """Read the right number: what is stated in a worked solution, or the last number."""
    found = _final(gold)
    return None if isinstance(found, str) else found.numeral


def same_number(said: Numeral, right: Numeral) -> bool:
    """Compare two numbers, percentages with their number and their hundredth."""
    values = {said.value, said.value / 100} if said.percent else {said.value}
    wanted = {right.value, right.value / 100} if right.percent else {right.value}
    if values & wanted:
        return True
    if right.decimals < 2 or said.percent != right.percent:
        return False
    return abs(said.value - right.value) <= Fraction(1, 2 * 10**right.decimals)


def stated_number(statement: Statement) -> str | None:
    """Cut the number out of a statement that is sure of it."""
    found = _stated(statement)
    return found.written.strip() if isinstance(found, _Read) and found.sure else None


def _final(text: str, asked: frozenset[Fraction] = frozenset()) -> _Read | str:
    """Read the final number, or why there is none."""
    told = [_stated(statement, asked) for statement in reversed(stated_answers(text))]
    found = [read for read in told if read is not None]
    if found:
        return next((read for read in found if isinstance(read, str) or read.sure), found[0])
    for line in reversed(text.rstrip()[-5000:].split("\n")):
        for sentence in reversed(re.split(r"(?<=[.!?])\s", line)):
            plain = _plain(sentence)
            if _DENIED.match(plain):
                continue
            if numerals := list(read_numerals(plain)):
                return _Read(numerals[-1], plain[numerals[-1].start : numerals[-1].end])
    alone = text.strip().strip("*. !")
    words = begins_with_number_words(alone) if len(alone) <= 60 else None
    return NO_NUMBER if words is None else _Read(Numeral(words, False, 0, 0, 0), alone)


def last_number(text: str) -> str | None:
    """Cut the last number out of the last sentence that has one."""
    found = _final(text)
    return None if isinstance(found, str) else found.written.strip()


def _stated(statement: Statement, asked: frozenset[Fraction] = frozenset()) -> _Read | str | None:
    """Read the number of a statement; none if it states something else.

    Of several, the one that it begins with counts, or the only one that was not in the question
    (`It takes 3 men 18 days`), or the last one.
    """
    said = _plain(statement.text[:2000])
    if _DENIED.match(said):
        return None
    if statement.kind == "phrase":
        said = _STOP.split(said.strip(), maxsplit=1)[0]
    if sure := _first(said):
        return sure
    said = _EQUALS.split(said)[-1] if not said.rstrip().endswith("=") else said
    numerals = list(read_numerals(said))
    if not numerals:
        return _in_words(said) or (NO_NUMBER if statement.kind in ("field", "tag") else None)
    first, last = numerals[0], numerals[-1]
    if len(numerals) > 1 and (
        _SUM.fullmatch(said) or (statement.kind == "field" and said.lstrip().startswith("["))
    ):
        return SEVERAL
    if len(numerals) > 1 and _OR.search(said[first.end : numerals[1].start]):
        return None if first.value == numerals[1].value else SEVERAL
    begins = _BEGIN.match(said)
    is_first = len(numerals) == 1 or (begins is not None and begins.end() >= first.start)
    new = [numeral for numeral in numerals if numeral.value not in asked]
    chosen = first if is_first else new[0] if len(new) == 1 else last
    return _Read(chosen, said[chosen.start : chosen.end], is_first)


def _first(said: str) -> _Read | None:
    """Read the number that a statement begins with, where what follows is no part of it."""
    begin, first = _BEGIN.match(said), next(read_numerals(said), None)
    if first is None or begin is None or begin.end() < first.start:
        return None
    return _Read(first, said[first.start : first.end]) if _ENDS.match(said, first.end) else None


def _in_words(said: str) -> _Read | None:
    values = read_number_words(said)
    if len(values) != 1:
        return None
    return _Read(Numeral(values[0], False, 0, 0, 0), said)


def _plain(text: str) -> str:
    text = _THIN.sub(",", text.translate(_HALVES).replace("\\$", "$")).replace("$", " ")
    return _MARKUP.sub(" ", _TEXT.sub(r" \1 ", text))
