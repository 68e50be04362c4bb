"""LLMRouterBench (`ynulihao/LLMRouterBench`): one JSON document per data set, split and model."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from fusion_agents.errors import RowError
from fusion_agents.stores.formats.base import Format, Origin, Record, read_rows
from fusion_agents.stores.formats.fields import BadValue, Fields
from fusion_agents.stores.formats.head import Head
from fusion_agents.stores.formats.records import RecordMaker
from fusion_agents.stores.formats.rows import outer_fields

_OUTER = ("model_name", "dataset_name", "split")
_STAMP = re.compile(r"\d{8}_\d{6}\.json")


class LLMRouterBench(Format):
    """Reads `results/bench/<data set>/<split>/<model>/<time>.json`.

    Model, data set and split come from the document, or else from the folders around it. A score
    that a judge gave is not marked in these files and counts as a performance.
    """

    def detect(self, head: Head) -> bool:
        """It is a document with records of prompts and predictions."""
        return head.container == "json" and head.has("records", "counts", "performance")

    def read(self, head: Head, origin: Origin) -> Iterator[Record | RowError]:
        """Stream the records."""
        maker = RecordMaker(origin)
        outer = _from_folders(head.path) | outer_fields(head, _OUTER)
        yield from read_rows(head, lambda row: _record(row, Fields(outer), maker))


def _from_folders(path: Path) -> dict[str, object]:
    folders = path.absolute().parts[-4:-1]
    stamped = path.name == "result.json" or _STAMP.search(path.name)
    if len(folders) < 3 or not stamped:
        return {}
    return dict(zip(("dataset_name", "split", "model_name"), folders, strict=True))


def _record(row: Fields, outer: Fields, maker: RecordMaker) -> Record:
    query = maker.query(
        row.word("origin_query") or row.required("prompt"),
        outer.word("dataset_name"),
        row.answers("ground_truth"),
        split=outer.word("split"),
    )
    if outer.word("model_name") is None:
        raise BadValue("neither the document nor its folders name the model")
    return maker.record(
        query,
        maker.arm(outer.required("model_name")),
        response=_response(row),
        performance=row.score("score"),
        tokens=(row.count("prompt_tokens"), row.count("completion_tokens")),
        cost=row.amount("cost"),
    )


def _response(row: Fields) -> str | None:
    """The whole output; where that is no text, its JSON; without it, what was extracted."""
    output = row.raw("raw_output")
    if output is None:
        return row.text("prediction")
    return row.text("raw_output") if isinstance(output, str) else json.dumps(output)
