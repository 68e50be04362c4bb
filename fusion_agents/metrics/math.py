"""Whether the final answer is mathematically the right one."""

import re
from dataclasses import dataclass

from fusion_agents.errors import MissingExtraError
from fusion_agents.metrics.base import Metric, Scored, golds
from fusion_agents.metrics.latex import as_number, as_words, is_prose, stated_formula, tidy
from fusion_agents.metrics.math_workers import Verdict, WorkerLostError, compare
from fusion_agents.metrics.normalising import normalised
from fusion_agents.metrics.number import last_number, same_number, stated_number
from fusion_agents.metrics.statements import stated_answers, visible, without_next_questions
from fusion_agents.types import Query

LONGEST = 1000
"""An answer of more characters is none."""
_REASONS: dict[Verdict, str | None] = {
    "same": None,
    "another": "another answer",
    "unreadable": "the answer cannot be read",
    "too costly": "the answer takes too long to compare",
}
_BASE = re.compile(r"^\d+_\{?(\d+)\}?$")
_DENIED = re.compile(r"\W*(?:not|never)\b", re.I)
_MATHEMATICS = re.compile(r"[\d\\^=<>√π∞]|^\W*[a-zA-Z]\W*$|[a-zA-Z]\s*[+*/-]\s*[a-zA-Z]")


@dataclass(kw_only=True)
class Math(Metric):
    r"""Score 1 if the final answer equals the right one: symbolically, not letter by letter.

    Read is the last stated answer (`\boxed{...}`, "the answer is $...$", a JSON field), or a
    response that is one line and nothing else. Numbers and words are compared directly, all else
    (expressions, equations, sets, intervals, matrices) by math-verify, which comes with the extra
    `tasks` and runs in a process with limits; without it such an answer is not scored. An
    answer that takes more than three seconds of processor time to compare scores 0.

    The ground truth is an answer in LaTeX, or a worked solution with one in a `\boxed{}`.

    >>> query = Query(text="Half of 1?", ground_truth=r"It is $\boxed{\frac{1}{2}}$.")
    >>> Math().score("The answer is $0.5$.", query)
    Scored(score=1.0, reason=None, answer='0.5')
    """

    name = "math"

    def score(self, response: str, query: Query) -> Scored:
        """Compare the final answer with every right one."""
        right = tuple(_gold(gold) for gold in golds(query))
        text = visible(response)
        if not text.strip():
            return Scored(0.0, "empty response")
        text = without_next_questions(text, query.text)
        in_words = any(as_words(gold) for gold in right)
        numeric = all(as_number(tidy(gold)) for gold in right)
        said = _final(text, in_words=in_words, numeric=numeric)
        if said is None and numeric:
            said = last_number(text)
        if said is None:
            return Scored(0.0, "no stated answer")
        if len(said) > LONGEST:
            return Scored(0.0, "too long for a mathematical answer", said[:200])
        return _compared(said, right)


def _gold(gold: str) -> str:
    """Read the right answer out of a worked solution."""
    boxed = [s.text for s in stated_answers(gold) if s.kind in ("boxed", "hashes")]
    return boxed[-1] if boxed else gold


def _final(text: str, *, in_words: bool, numeric: bool) -> str | None:
    """Read the final answer; a phrase without mathematics in it counts if words are sought."""
    for statement in reversed(stated_answers(text)):
        said = stated_formula(statement)
        if not said and statement.kind in ("field", "tag"):
            return None
        if "\\boxed" in said or (not in_words and _DENIED.match(said)):
            continue  # the box itself comes next
        if numeric and (is_prose(said) or statement.kind == "phrase"):
            said = stated_number(statement) or said
        if said and (statement.kind != "phrase" or in_words or _MATHEMATICS.search(said)):
            return said
    only = text.strip().strip("*`$. ")
    return only if "\n" not in only and len(only) <= 100 else None


def _compared(said: str, right: tuple[str, ...]) -> Scored:
    answer = tidy(said)
    if any(_is_same(answer, tidy(gold)) for gold in right):
        return Scored(1.0, None, said)
    others = tuple(tidy(gold) for gold in right if not _is_other(answer, tidy(gold)))
    if not others:
        return Scored(0.0, "another answer", said)
    if is_prose(answer):
        return Scored(0.0, "the answer is not mathematics", said[:200])
    try:
        verdict = compare(answer, others)
    except (WorkerLostError, MissingExtraError) as error:
        return Scored(None, str(error), said)
    return Scored(float(verdict == "same"), _REASONS[verdict], said)


def _is_same(said: str, right: str) -> bool:
    """Whether two answers are the same at a glance."""
    if not right:
        return False
    if said.replace(" ", "") == right.replace(" ", ""):
        return True
    words = as_words(right)
    if words and normalised(words, articles=True):
        return normalised(as_words(said) or said, articles=True) == normalised(words, articles=True)
    number, wanted = as_number(said), as_number(right)
    return number is not None and wanted is not None and same_number(number, wanted)


def _is_other(said: str, right: str) -> bool:
    """Whether two answers are different at a glance."""
    if as_words(right) or not right:
        return True
    base, wanted = _BASE.search(said), _BASE.search(right)
    if base and wanted and base[1] != wanted[1]:
        return True
    return as_number(said) is not None and as_number(right) is not None
