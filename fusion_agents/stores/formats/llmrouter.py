"""LLMRouter's routing data (`ulab-uiuc/LLMRouter`): JSON lines, one per query and model."""

from collections.abc import Iterator, Mapping
from typing import ClassVar

from fusion_agents.errors import RowError
from fusion_agents.stores.formats.base import Format, Origin, Record, read_rows
from fusion_agents.stores.formats.fields import Fields
from fusion_agents.stores.formats.head import Head
from fusion_agents.stores.formats.records import RecordMaker, failure_class, with_choices

_FAILED = ("ERROR", "API Error")
"""How its collector begins the response of a call that failed."""


class LLMRouter(Format):
    """Reads the routing data; the choices of a question become part of its text."""

    doubtful_tasks: ClassVar[Mapping[str, str]] = {
        "gpqa": "about half of its gold answers are wrong at the source"
    }

    def detect(self, head: Head) -> bool:
        """It names a task and a model in its own words."""
        return head.has("task_name", "query", "model_name")

    def read(self, head: Head, origin: Origin) -> Iterator[Record | RowError]:
        """Stream the records."""
        maker = RecordMaker(origin)
        yield from read_rows(head, lambda row: _record(row, maker, head.split))


def _record(row: Fields, maker: RecordMaker, split: str | None) -> Record:
    query = maker.query(
        with_choices(row.required("query"), row.raw("choices")),
        row.word("task_name"),
        row.answers("ground_truth"),
        row.word("metric"),
        split,
    )
    response = row.text("response")
    failed = response is not None and response.startswith(_FAILED)
    return maker.record(
        query,
        maker.arm(row.required("model_name")),
        response=response,
        performance=row.score("performance"),
        tokens=(row.count("input_tokens"), row.count("output_tokens")),
        error=failure_class(response) if failed and response else None,
        latency=row.amount("response_time"),
    )
