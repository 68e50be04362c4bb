r"""Examples made of the ground truth, in the form that the question asks for.

A ground truth is what a metric compares with, and not always an answer: of a program it is the
tests, of a sentence the words that it must hold. What a student would learn from it is settled by
the metric itself: a label that does not score 1 as a response is none. Worked solutions are cut
down to what they end in, so that labels of all tasks are answers and nothing else.

Source: FusionFactory (arXiv 2507.10540), its label-only baseline; there, tests are labels of
programs, solutions of mathematics stand beside single words, and each label is repeated.
"""

import json
import re
from collections.abc import Iterator
from typing import NamedTuple

from fusion_agents.collecting.scoring import scored
from fusion_agents.errors import ConfigError
from fusion_agents.metrics.base import golds
from fusion_agents.metrics.catalogue import metric_name
from fusion_agents.metrics.statements import stated_answers
from fusion_agents.types import Arm, LogEntry, Query

_NO_ANSWERS = frozenset(("code", "coverage"))
"""Metrics whose ground truth is no answer: tests, and words to use."""
_TESTS = re.compile(
    r"^\s*(?:assert\b|def check\(|\{\s*\"kind\")|[\[(]\s*['\"]assert ", re.MULTILINE
)
_ASKS_LINE = re.compile(r"[\"'“`]?\banswer:\s*[\[<(]?(?:X|\.\.\.|your)", re.IGNORECASE)
_ASKS_BOX = re.compile(r"\\boxed")
_ASKS_FIELD = re.compile(r"\bJSON\b", re.IGNORECASE)
_ASKS_PARENTHESES = re.compile(r"\bin parentheses\b|\([A-Z]\) format|\"?\([XA]\)\"? ?(?:form|as)")
_WORKED = frozenset(("number", "math"))


class Label(NamedTuple):
    """What becomes of a ground truth."""

    text: str | None
    """The right answer in the form that the question asks for; none if there is none."""
    reason: str | None = None
    """Why there is none."""
    is_answer: bool = True
    """Whether the ground truth is an answer at all; an answer of the log may stand for it."""


def label_of(query: Query) -> Label:
    """Put the right answer in the form that the question asks for.

    There is none without ground truth, without a metric that is known here, or where no form of
    it gets a score of 1 from that metric.

    >>> asked = "How much is 2 + 2? End with the line 'Answer: X', X being a number."
    >>> label_of(Query(text=asked, ground_truth="2 + 2 is 4 #### 4", metric="number")).text
    'Answer: 4'
    """
    if not query.ground_truth:
        return Label(None, "has no ground truth")
    name = _metric_of(query)
    gold = golds(query)[0].strip()
    if name in _NO_ANSWERS or _TESTS.search(gold):
        return Label(None, "its ground truth is no answer, and no answer is right", is_answer=False)
    if name is None:
        return Label(None, "has no metric to check a label with")
    for label in dict.fromkeys(_forms(query.text, _bare(gold) if name in _WORKED else gold)):
        if label.strip() and _scores_one(label, query):
            return Label(label)
    return Label(None, "its metric does not accept its label")


def _metric_of(query: Query) -> str | None:
    try:
        return metric_name(query.metric or "")
    except ConfigError:
        return None


def _bare(gold: str) -> str:
    """What a worked solution ends in."""
    ends = [one.text for one in stated_answers(gold) if one.kind in ("boxed", "hashes")]
    return ends[-1].strip() if ends else gold


def _forms(question: str, gold: str) -> Iterator[str]:
    """The label as it is asked for, then in other forms that metrics read."""
    line, box, alone = f"Answer: {gold}", f"\\boxed{{{gold}}}", gold
    if _ASKS_BOX.search(question):
        yield box
    if _ASKS_LINE.search(question):
        yield line
    if _ASKS_PARENTHESES.search(question):
        yield f"({gold})"
    if _ASKS_FIELD.search(question) and re.search(r"[\"']answer[\"']", question):
        yield json.dumps({"answer": gold}, ensure_ascii=False)
    yield from (alone, line, box)


def _scores_one(label: str, query: Query) -> bool:
    entry = LogEntry(key="label", query=query, arm=Arm(model="label"), response=label)
    return scored(entry).score == 1.0
