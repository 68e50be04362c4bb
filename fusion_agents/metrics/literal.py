"""Whether the answer is the right value, as Python writes it."""

import ast
import warnings
from dataclasses import dataclass
from functools import lru_cache

from fusion_agents.metrics.base import Metric, Scored, golds
from fusion_agents.metrics.statements import stated_answers, visible
from fusion_agents.types import Query

LONGEST = 10_000
"""An answer of more characters is compared as it stands."""


@dataclass(kw_only=True)
class Literal(Metric):
    r"""Score 1 if the stated value equals the right one: `[1, "a"]` is `[1,'a']`, `1` is no `"1"`.

    Lists, tuples, dictionaries, sets, numbers, strings, booleans and none, written as Python
    literals; spaces and case inside strings count. A right answer that is a string may be given
    without quotes. For predicting what a program returns. Source: CRUXEval (arXiv 2401.03065).

    >>> query = Query(text="assert f(2) == ??", ground_truth="['a', 2]")
    >>> Literal().score('{"answer": "[\\"a\\", 2]"}', query).score
    1.0
    """

    name = "literal"

    def score(self, response: str, query: Query) -> Scored:
        """Compare the stated value with every right one."""
        right = golds(query)
        text = visible(response)
        if not text.strip():
            return Scored(0.0, "empty response")
        said = _stated(text)
        matches = any(_same(said, gold) for gold in right)
        return Scored(float(matches), None if matches else "another value", said[:200])


def _stated(text: str) -> str:
    statements = sorted(stated_answers(text), key=lambda s: (s.kind == "field", s.start))
    for statement in reversed(statements):
        said = statement.text
        if statement.kind == "phrase":
            said = said.strip().strip("`").removesuffix(".").strip("*` ")
            said = said.rpartition("==")[2].strip() if said.startswith("assert ") else said
        if said.strip() or statement.kind == "field":
            return said
    return text.strip().strip("`")


def _same(said: str, gold: str) -> bool:
    wanted, is_literal = _value(gold)
    if said == gold or (is_literal and isinstance(wanted, str) and said == wanted):
        return True
    value, is_value = _value(said)
    return is_literal and is_value and repr(value) == repr(wanted)


@lru_cache(maxsize=4096)
def _value(text: str) -> tuple[object, bool]:
    """Read a literal; the text itself and `False` where it is none."""
    text = text.strip()
    if len(text) > LONGEST:
        return text, False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            value = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text, False
    return (sorted(value, key=repr) if isinstance(value, set) else value), True
