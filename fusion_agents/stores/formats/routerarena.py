"""RouterArena (`RouteWorks/RouterArena`): a router's predictions with what its models answered."""

from collections.abc import Iterator
from typing import Any

from fusion_agents.errors import RowError
from fusion_agents.stores.formats.base import Format, Origin, Record, read_rows
from fusion_agents.stores.formats.fields import BadValue, Fields
from fusion_agents.stores.formats.head import Head
from fusion_agents.stores.formats.records import RecordMaker, failure_class


class RouterArena(Format):
    """Reads a prediction file whose models have been called; scores are there if it was evaluated.

    The task is the data set that the `global index` names. Entries that were added to judge the
    router's choice (`for_optimality`) are answers like any other.
    """

    def detect(self, head: Head) -> bool:
        """It predicts a model and holds what was generated."""
        return head.has("prompt", "prediction", "generated_result")

    def read(self, head: Head, origin: Origin) -> Iterator[Record | RowError]:
        """Stream the records."""
        maker = RecordMaker(origin)
        yield from read_rows(head, lambda row: _record(row, maker, head.split))


def _record(row: Fields, maker: RecordMaker, split: str | None) -> Record:
    result = row.raw("generated_result")
    if result is None:
        raise BadValue("a routing decision without an answer")
    answer = _object("generated_result", result)
    usage = _object("token_usage", answer.raw("token_usage") or {})
    index = row.word("global index") or row.word("global_index") or ""
    query = maker.query(row.required("prompt"), index.rpartition("_")[0] or None, split=split)
    response = answer.text("generated_answer")
    error = answer.word("error") if isinstance(answer.raw("error"), str) else None
    return maker.record(
        query,
        maker.arm(row.required("prediction")),
        response=response,
        performance=row.score("accuracy"),
        tokens=(usage.count("input_tokens"), usage.count("output_tokens")),
        error=failure_class(error or "") if answer.raw("success") is False else None,
        cost=row.amount("cost"),
    )


def _object(name: str, value: Any) -> Fields:
    if not isinstance(value, dict):
        raise BadValue(f"{name} is no object")
    return Fields(value, typed=True)
