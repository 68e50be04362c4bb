"""RouterBench (`withmartian/routerbench`): a wide table with three columns per model.

Its long form, one row per query and model, is read too. It is published as pickles, which are never
loaded; see `docs/log.md` for how to convert one.
"""

from collections.abc import Iterator

from fusion_agents.errors import RowError
from fusion_agents.stores.formats.base import Format, Origin, Record, read_rows
from fusion_agents.stores.formats.fields import Fields, reason
from fusion_agents.stores.formats.head import Head
from fusion_agents.stores.formats.records import RecordMaker, python_literal
from fusion_agents.stores.formats.rows import rows
from fusion_agents.types import Query

_RESPONSE, _COST = "|model_response", "|total_cost"


class RouterBench(Format):
    """Reads the wide table (`<model>`, `<model>|model_response`, `<model>|total_cost`) or rows."""

    def detect(self, head: Head) -> bool:
        """It has a prompt, and columns of models or a model per row."""
        return head.has("prompt") and (
            bool(_models(head)) or head.has("eval_name", "model_name", "performance")
        )

    def read(self, head: Head, origin: Origin) -> Iterator[Record | RowError]:
        """Stream the records; a bad cell of the wide table does not touch its neighbours."""
        maker = RecordMaker(origin)
        models = _models(head)
        if not models:
            yield from read_rows(head, lambda row: _long(row, maker))
            return
        for row in rows(head):
            if isinstance(row, RowError):
                yield row
            else:
                fields = Fields(row.values, typed=head.container != "csv")
                yield from _wide(fields, models, maker, str(head.path), row.number)


def _wide(
    row: Fields, models: list[str], maker: RecordMaker, file: str, number: int
) -> Iterator[Record | RowError]:
    try:
        query = _query(row, maker)
    except ValueError as error:
        yield RowError(file, number, reason(error))
        return
    for model in models:
        try:
            record = _cell(row, model, query, maker)
        except ValueError as error:
            yield RowError(file, number, reason(error))
        else:
            if record is not None:
                yield record._replace(row=number)


def _models(head: Head) -> list[str]:
    """The models in the order of their columns."""
    found = dict.fromkeys(
        name.removesuffix(ending)
        for name in head.columns
        for ending in (_RESPONSE, _COST)
        if name.endswith(ending)
    )
    return [name for name in head.columns if name in found] + [
        name for name in found if name not in head.columns
    ]


def _query(row: Fields, maker: RecordMaker) -> Query:
    return maker.query(_joined(row.required("prompt")), row.word("eval_name"))


def _cell(row: Fields, model: str, query: Query, maker: RecordMaker) -> Record | None:
    response, score = row.text(model + _RESPONSE), row.score(model)
    if response in (None, "") and score is None:
        return None
    return maker.record(
        query,
        maker.arm(model),
        response=None if response is None else _joined(response),
        performance=score,
        cost=row.amount(model + _COST),
    )


def _long(row: Fields, maker: RecordMaker) -> Record:
    response = row.text("model_response")
    return maker.record(
        _query(row, maker),
        maker.arm(row.required("model_name")),
        response=None if response is None else _joined(response),
        performance=row.score("performance"),
        cost=row.amount("cost"),
    )


def _joined(text: str) -> str:
    """Prompts and responses are printed lists of messages: take the messages."""
    if text.startswith("[") and text.rstrip().endswith("]"):
        messages = python_literal(text)
        if isinstance(messages, list) and all(isinstance(one, str) for one in messages):
            return "\n\n".join(messages)
    return text
