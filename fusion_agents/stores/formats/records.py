"""Making records, with the queries and arms that repeat from row to row made once."""

import ast
import hashlib
import json
import warnings
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypedDict

from typing_extensions import Unpack

from fusion_agents.stores.formats.base import Origin, Record
from fusion_agents.stores.formats.fields import BadValue
from fusion_agents.types import Arm, Judgement, LogEntry, Query, Usage, content_key

_REMEMBERED = 8192
"""Queries and arms kept at hand; more would let memory grow with the file."""

QueryParts = tuple[str, str | None, str | tuple[str, ...] | None, str | None, str | None]


class Details(TypedDict, total=False):
    """What a row may say about an attempt besides the answer."""

    cost: float | None
    input_price: float | None
    output_price: float | None
    latency: float | None
    finish_reason: str | None
    model_version: str | None
    propensity: float
    sample: int
    time: datetime | None


@dataclass
class RecordMaker:
    """Makes records for one file.

    A query's id is derived from its task and text, never from a number in the file: sources use
    the same number for different questions, and other numbers for the same question.
    """

    origin: Origin
    _queries: dict[QueryParts, Query] = field(default_factory=dict)
    _arms: dict[tuple[str, str], Arm] = field(default_factory=dict)

    def query(
        self,
        text: str,
        task: str | None = None,
        ground_truth: str | tuple[str, ...] | None = None,
        metric: str | None = None,
        split: str | None = None,
    ) -> Query:
        """The query with these parts."""
        parts = (text, task, ground_truth, metric, split)
        known = self._queries.get(parts)
        if known is None:
            if len(self._queries) >= _REMEMBERED:
                self._queries.clear()
            known = self._queries[parts] = Query(
                id=content_key(task, text),
                text=text,
                task=task,
                ground_truth=ground_truth,
                metric=metric,
                split=split,
            )
        return known

    def arm(self, model: str, strategy: str = "direct") -> Arm:
        """The arm with these names."""
        known = self._arms.get((model, strategy))
        if known is None:
            if len(self._arms) >= _REMEMBERED:
                self._arms.clear()
            known = self._arms[model, strategy] = Arm(model=model, strategy=strategy)
        return known

    def record(
        self,
        query: Query,
        arm: Arm,
        *,
        response: str | None = None,
        performance: float | None = None,
        verdict: tuple[str, float | None] = ("", None),
        tokens: tuple[int | None, int | None] = (None, None),
        error: str | None = None,
        **details: Unpack[Details],
    ) -> Record:
        """Make a record whose key follows from the content, so that reading twice stores once.

        An empty response is an attempt that failed; a failed attempt keeps neither performance nor
        judgement.

        Args:
            query: What was asked.
            arm: Who answered.
            response: The answer.
            performance: The task metric's value.
            verdict: A judge's name and its score.
            tokens: Input and output tokens.
            error: Class of the failure.
            details: What else the row says.

        Raises:
            BadValue: If the row says nothing about what came of the attempt.
        """
        if error is None and response is not None and not response.strip():
            error = "empty"
        response = response or None
        judge, judged = verdict
        if error is not None:
            performance = judged = None
        elif response is None and performance is None and judged is None:
            raise BadValue("neither a response nor a score")
        source, tenant = self.origin
        key = _key(
            query.id,
            query.ground_truth,
            arm.model,
            arm.strategy,
            performance,
            error,
            tokens,
            sorted(item for item in details.items() if item[1] is not None),
            source,
            tenant,
            response=response,
        )
        entry = LogEntry(
            key=key,
            query=query,
            arm=arm,
            response=response,
            performance=performance,
            error=error,
            usage=Usage(input_tokens=tokens[0], output_tokens=tokens[1]),
            source=source,
            tenant=tenant,
            **details,
        )
        return Record(entry, judgement_on(key, judge, judged))


def _key(*parts: object, response: str | None) -> str:
    """Name an attempt by its content; several times as fast as `content_key`."""
    text = f"{parts!r} {'' if response is None else 'answered'} {response}"
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def judgement_on(key: str, judge: str, score: float | None) -> tuple[Judgement, ...]:
    """The judgement as a record holds it; nothing if there is no score."""
    return () if score is None else (Judgement(entry_key=key, score=score, judge=judge),)


def failure_class(message: str) -> str:
    """Name the class of a failure by what its message says."""
    lower = message.lower()
    if "timeout" in lower or "timed out" in lower:
        return "timeout"
    if "429" in lower or "rate limit" in lower or "rate_limit" in lower:
        return "rate_limit"
    return "failed"


def with_choices(text: str, choices: object) -> str:
    """Put the choices of a multiple-choice question, or the tests of a task in code, behind it.

    Args:
        text: The question.
        choices: A list, or an object with `text` and `label` or `labels`, or either as printed by
            JSON or Python; anything else changes nothing.
    """
    options = _parsed(choices)
    if isinstance(options, dict):
        labels, texts = options.get("labels") or options.get("label"), options.get("text")
    else:
        texts = options
        labels = list("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    if not isinstance(texts, list) or not texts or not isinstance(labels, list):
        return text
    if all(isinstance(one, str) and one.lstrip().startswith("assert") for one in texts):
        return "\n".join([text, "Your code should pass these tests:", *texts])
    lines = (f"{label}) {one}" for label, one in zip(labels, texts, strict=False))
    return "\n".join([text, *lines])


def _parsed(choices: object) -> object:
    if not isinstance(choices, str) or not choices.strip():
        return choices
    try:
        return json.loads(choices)
    except (ValueError, RecursionError):
        return python_literal(choices)


def python_literal(text: str) -> object:
    """Read what Python printed: literals only, nothing is run; none if it is something else."""
    if len(text) > 2**20:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about escapes in foreign text
            return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None
