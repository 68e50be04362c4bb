"""Bare queries: what is to be asked, before anything has answered."""

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from fusion_agents.errors import ConfigError, RowError, UnknownFormatError
from fusion_agents.metrics.catalogue import metric_name
from fusion_agents.stores.formats.fields import Fields, reason
from fusion_agents.stores.formats.head import Head, look
from fusion_agents.stores.formats.records import with_choices
from fusion_agents.stores.formats.rows import rows
from fusion_agents.types import Query

_IN_WORDS = frozenset({"contains", "exact-match", "f1"})
_TEXTS = ("query", "text", "prompt", "question")


def read_queries(path: str | Path, *, split: str | None = None) -> Iterator[Query | RowError]:
    """Stream the queries of a file; ids are derived from task and text.

    Args:
        path: JSON lines, CSV or parquet (gzip where it is text) with a column `query`, `text`,
            `prompt` or `question`, and where they are known `task` or `task_name`, `ground_truth`,
            `metric`, `choices`, `split`; or plain text with one query a line. A metric under a
            published name (`em_mc`, `GSM8K`) gets its own one, an unknown one keeps its name.
        split: The split of queries that name none.

    Raises:
        DataError: If there is no such file, or it is damaged.
        UnknownFormatError: If it has columns and none of them holds queries.
    """
    head = look(Path(path))
    column = next((name for name in _TEXTS if head.has(name)), None)
    if head.container == "text":
        head = replace(head, container="text" if column is None else "csv")
    elif column is None and head.container == "csv":
        head = replace(head, container="text")
    elif column is None:
        names = ", ".join(map(repr, head.columns[:12]))
        raise UnknownFormatError(f"{path}: no column holds queries; it has {names}")
    return _queries(head, column or "text", split)


def _queries(head: Head, column: str, split: str | None) -> Iterator[Query | RowError]:
    for row in rows(head):
        if isinstance(row, RowError):
            yield row
            continue
        fields = Fields(row.values, typed=head.container not in {"csv", "text"})
        try:
            query = _query(fields, column, split or head.split)
        except ValueError as error:
            yield RowError(str(head.path), row.number, reason(error))
        else:
            yield query


def _query(row: Fields, column: str, split: str | None) -> Query:
    text = with_choices(row.required(column), row.raw("choices"))
    metric = _own_name(row.word("metric"))
    truth = row.answers("ground_truth")
    return Query.model_validate(
        {
            "text": text,
            "task": row.word("task") or row.word("task_name"),
            "ground_truth": truth if row.typed else _listed(truth, metric),
            "metric": metric,
            "split": row.word("split") or split,
        }
    )


def _listed(
    truth: str | tuple[str, ...] | None, metric: str | None
) -> str | tuple[str, ...] | None:
    """Read a list of right answers in words, printed as JSON where a container has no lists."""
    if metric not in _IN_WORDS or not isinstance(truth, str) or not truth.startswith("["):
        return truth
    try:
        found = json.loads(truth)
    except ValueError:
        return truth
    is_list = isinstance(found, list) and found and all(isinstance(one, str) for one in found)
    return tuple(found) if is_list else truth


@lru_cache(maxsize=128)
def _own_name(metric: str | None) -> str | None:
    """Name a metric as it is called here; one that is not known here keeps its name."""
    try:
        return metric and metric_name(metric)
    except ConfigError:
        return metric
