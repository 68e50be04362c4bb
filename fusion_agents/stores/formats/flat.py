"""Flat rows, the plainest log: one row per answer with a query, a model and what came of it.

JSON lines, CSV or parquet. Only `query` and `model` are needed, and a response or a score.
"""

from collections.abc import Iterator
from datetime import UTC, datetime

from fusion_agents.errors import RowError
from fusion_agents.stores.formats.base import Format, Origin, Record, read_rows
from fusion_agents.stores.formats.fields import BadValue, Fields
from fusion_agents.stores.formats.head import Head
from fusion_agents.stores.formats.records import Details, RecordMaker

UNNAMED_JUDGE = "unnamed"


class Flat(Format):
    """Reads rows with the columns that `docs/log.md` lists."""

    def detect(self, head: Head) -> bool:
        """It has a query as text and a model."""
        return head.has("query", "model") and not isinstance(head.first.get("query"), dict)

    def read(self, head: Head, origin: Origin) -> Iterator[Record | RowError]:
        """Stream the records."""
        maker = RecordMaker(origin)
        yield from read_rows(head, lambda row: _record(row, maker, head.split))


def _record(row: Fields, maker: RecordMaker, split: str | None) -> Record:
    metric = row.word("metric")
    judged = metric is not None and "judge" in metric.lower()
    score = row.score("score" if row.raw("score") is not None else "performance")
    verdict = row.score("judge_score")
    query = maker.query(
        row.required("query"),
        row.word("task"),
        row.answers("ground_truth"),
        None if judged else metric,
        row.word("split") or split,
    )
    return maker.record(
        query,
        maker.arm(row.required("model"), row.strategy("strategy")),
        response=_response(row),
        performance=None if judged else score,
        verdict=(
            row.word("judge") or (metric if judged and metric else UNNAMED_JUDGE),
            score if judged and verdict is None else verdict,
        ),
        tokens=(row.count("input_tokens"), row.count("output_tokens")),
        error=row.word("error"),
        **_details(row),
    )


def _response(row: Fields) -> str | None:
    """CSV cannot tell an empty response from an unknown one; unknown is the safer reading."""
    return row.text("response") if row.typed else row.text("response") or None


def _details(row: Fields) -> Details:
    propensity = row.number("propensity")
    return {
        "cost": row.amount("cost_usd" if row.raw("cost_usd") is not None else "cost"),
        "input_price": row.amount("input_price"),
        "output_price": row.amount("output_price"),
        "latency": row.amount("latency"),
        "finish_reason": row.word("finish_reason"),
        "model_version": row.word("model_version"),
        "propensity": 1.0 if propensity is None else propensity,
        "sample": row.count("sample") or 0,
        "time": _time(row),
    }


def _time(row: Fields) -> datetime | None:
    """ISO 8601; without a zone, UTC."""
    given = row.raw("time")
    if given is None or given == "":
        return None
    try:
        time = given if isinstance(given, datetime) else datetime.fromisoformat(str(given))
    except ValueError:
        raise BadValue(f"time is {given!r}, not a time in ISO 8601") from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)
