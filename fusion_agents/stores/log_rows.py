"""Nouns as rows of the log's tables, and rows as nouns."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from fusion_agents.types import Arm, Calibration, Judgement, LogEntry, Query, Usage

Value = str | int | float | None
Row = Sequence[Any]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

QUERY_COLUMNS = ("query_id", "text", "task", "ground_truth", "metric", "split")
ENTRY_COLUMNS = (
    "key",
    "query",
    "model",
    "strategy",
    "performance",
    "cost",
    "latency",
    "propensity",
    "error",
    "time",
    "source",
    "tenant",
    "sample",
    "model_version",
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "reasoning_tokens",
    "input_price",
    "output_price",
    "finish_reason",
    "template_ids",
    "response",
    "cost_estimated",
)
JUDGEMENT_COLUMNS = (
    "key",
    "entry",
    "judge",
    "judge_version",
    "score",
    "time",
    "reason",
    "correctness",
    "reasoning",
    "usefulness",
    "cost",
    "source",
)
CALIBRATION_COLUMNS = ("judge", "judge_version", "scores", "performances", "n", "time")


class StoredQuery(NamedTuple):
    """A query and the number of its row."""

    row: int
    query: Query


def microseconds(time: datetime) -> int:
    """Microseconds since 1970, as the log stores times."""
    return (time.astimezone(UTC) - _EPOCH) // _MICROSECOND


def query_values(query: Query) -> tuple[Value, ...]:
    """The values of `QUERY_COLUMNS`."""
    truth = None if query.ground_truth is None else json.dumps(query.ground_truth)
    return (query.id, query.text, query.task, truth, query.metric, query.split)


def query_from(row: Row) -> Query:
    """Read `QUERY_COLUMNS`."""
    query_id, text, task, truth, metric, split = row
    return Query(
        id=query_id,
        text=text,
        task=task,
        ground_truth=None if truth is None else json.loads(truth),
        metric=metric,
        split=split,
    )


def entry_values(entry: LogEntry, query_row: int) -> tuple[Value, ...]:
    """The values of `ENTRY_COLUMNS`."""
    usage = entry.usage
    return (
        entry.key,
        query_row,
        entry.arm.model,
        entry.arm.strategy,
        entry.performance,
        entry.cost,
        entry.latency,
        entry.propensity,
        entry.error,
        None if entry.time is None else microseconds(entry.time),
        entry.source,
        entry.tenant,
        entry.sample,
        entry.model_version,
        usage.input_tokens,
        usage.output_tokens,
        usage.cached_tokens,
        usage.reasoning_tokens,
        entry.input_price,
        entry.output_price,
        entry.finish_reason,
        json.dumps(entry.template_ids) if entry.template_ids else None,
        entry.response,
        int(entry.cost_estimated),
    )


def entry_from(row: Row, query: Query) -> LogEntry:
    """Read `ENTRY_COLUMNS`."""
    value = dict(zip(ENTRY_COLUMNS, row, strict=True))
    return LogEntry(
        key=value["key"],
        query=query,
        arm=Arm(model=value["model"], strategy=value["strategy"]),
        model_version=value["model_version"],
        response=value["response"],
        usage=Usage(
            input_tokens=value["input_tokens"],
            output_tokens=value["output_tokens"],
            cached_tokens=value["cached_tokens"],
            reasoning_tokens=value["reasoning_tokens"],
        ),
        cost=value["cost"],
        cost_estimated=bool(value["cost_estimated"]),
        input_price=value["input_price"],
        output_price=value["output_price"],
        latency=value["latency"],
        finish_reason=value["finish_reason"],
        error=value["error"],
        performance=value["performance"],
        propensity=value["propensity"],
        sample=value["sample"],
        template_ids=json.loads(value["template_ids"] or "[]"),
        source=value["source"],
        tenant=value["tenant"],
        time=time_from(value["time"]),
    )


def judgement_values(judgement: Judgement, entry_row: int) -> tuple[Value, ...]:
    """The values of `JUDGEMENT_COLUMNS`."""
    return (
        judgement.key,
        entry_row,
        judgement.judge,
        judgement.judge_version,
        judgement.score,
        None if judgement.time is None else microseconds(judgement.time),
        judgement.reason,
        judgement.correctness,
        judgement.reasoning,
        judgement.usefulness,
        judgement.cost,
        judgement.source,
    )


def judgement_from(row: Row) -> Judgement:
    """Read `JUDGEMENT_COLUMNS`, with the entry's key in place of its number."""
    value = dict(zip(JUDGEMENT_COLUMNS, row, strict=True))
    return Judgement(entry_key=value.pop("entry"), time=time_from(value.pop("time")), **value)


def calibration_values(calibration: Calibration) -> tuple[Value, ...]:
    """The values of `CALIBRATION_COLUMNS`."""
    return (
        calibration.judge,
        calibration.judge_version,
        json.dumps(calibration.scores),
        json.dumps(calibration.performances),
        calibration.n,
        None if calibration.time is None else microseconds(calibration.time),
    )


def calibration_from(row: Row) -> Calibration:
    """Read `CALIBRATION_COLUMNS`."""
    judge, judge_version, scores, performances, n, time = row
    return Calibration(
        judge=judge,
        judge_version=judge_version,
        scores=json.loads(scores),
        performances=json.loads(performances),
        n=n,
        time=time_from(time),
    )


def time_from(stored: int | None) -> datetime | None:
    """Read a time, in UTC."""
    return None if stored is None else _EPOCH + stored * _MICROSECOND
