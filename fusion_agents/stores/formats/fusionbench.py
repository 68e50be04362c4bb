"""FusionBench (`ulab-ai/FusionBench`): the multi-LLM log of the FusionFactory paper.

One row per query and arm, as CSV, parquet or JSON lines, in the parts `train` and `partial_test`.
What its own readers got wrong is handled here: rows belong to a query by its text, not by position;
`<model>_think` is the model with the strategy `think`, and the sentence that makes it think is no
part of the query; costs are millionths of dollars; code scores are printed dicts; an empty response
is a failed call.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

from fusion_agents.errors import RowError
from fusion_agents.stores.formats.base import Format, Origin, Record, Writer, read_rows
from fusion_agents.stores.formats.fields import BadValue, Fields, in_unit
from fusion_agents.stores.formats.head import Head
from fusion_agents.stores.formats.records import RecordMaker, judgement_on
from fusion_agents.stores.formats.writing import write_csv, write_parquet
from fusion_agents.types import Arm, LogEntry, Query, Usage

JUDGE = "fusionbench"
CUE = "\nLet's think step by step."

_CUE_AT_END = re.compile(r"let['’]s think step by step\.?$", re.IGNORECASE)
_ANSWER_BOX = "**Answer:**"
_PASS_AT_1 = re.compile(r"\{\s*['\"]pass@1['\"]\s*:\s*(?:np\.float64\()?([^\s{}()]+)\)?\s*\}")
_REMEMBERED = 8192

_PUBLISHED = (
    "task_name",
    "task_id",
    "task_description",
    "task_description_embedding",
    "query",
    "query_embedding",
    "ground_truth",
    "metric",
    "llm",
    "input_price",
    "output_price",
    "input_tokens_num",
    "output_tokens_num",
    "performance",
    "cost",
    "response",
    "llm_description",
    "llm_judge",
)
_OURS = ("strategy", "split", "error", "answers", "query_id", "key", "source", "tenant")
_DETAILS = "details"
"""Column of ours that older exports lack: what has no column of its own, as JSON."""
_DETAIL_FIELDS = {
    "model_version",
    "latency",
    "finish_reason",
    "propensity",
    "sample",
    "template_ids",
    "time",
    "cost_estimated",
}
_DETAIL_TOKENS = {"cached_tokens", "reasoning_tokens"}
_UNREAD = {
    "task_id",
    "task_description",
    "task_description_embedding",
    "query_embedding",
    "llm_description",
}
_NUMBERS = {
    "input_price",
    "output_price",
    "input_tokens_num",
    "output_tokens_num",
    "performance",
    "cost",
    "llm_judge",
}


class FusionBench(Format):
    """Reads FusionBench's rows, and our exports in its shape."""

    doubtful_tasks: ClassVar[Mapping[str, str]] = {
        "gpqa": "about half of its gold answers are wrong at the source"
    }

    def detect(self, head: Head) -> bool:
        """It has a query, an `llm` and a performance."""
        return head.has("query", "llm", "performance")

    def read(self, head: Head, origin: Origin) -> Iterator[Record | RowError]:
        """Stream the records."""
        reader = _Reader(RecordMaker(origin), head.split)
        make = reader.exported if head.has(*_OURS) else reader.published
        wanted = {name for name in (*_PUBLISHED, *_OURS, _DETAILS) if name not in _UNREAD}
        yield from read_rows(head, make, only=wanted, typed=False)


class _Reader:
    def __init__(self, maker: RecordMaker, split: str | None) -> None:
        self._maker = maker
        self._split = split
        self._texts: dict[tuple[str, bool], str] = {}

    def published(self, row: Fields) -> Record:
        """Make a record out of a row as its authors publish it."""
        arm = self._arm(row.required("llm"))
        query = self._maker.query(
            self._text(row.required("query"), arm.strategy == "think"),
            row.word("task_name"),
            _ground_truth(row),
            row.word("metric"),
            row.word("split") or self._split,
        )
        return self._maker.record(
            query,
            arm,
            response=row.text("response"),
            performance=_performance(row),
            verdict=(JUDGE, row.score("llm_judge")),
            tokens=(row.count("input_tokens_num"), row.count("output_tokens_num")),
            cost=row.micro_dollars("cost"),
            input_price=row.amount("input_price"),
            output_price=row.amount("output_price"),
        )

    def exported(self, row: Fields) -> Record:
        """Make a record out of a row that `FusionBenchWriter` wrote: nothing is guessed."""
        strategy = row.strategy("strategy")
        details = json.loads(row.word(_DETAILS) or "{}")
        entry = LogEntry(
            **{name: details[name] for name in _DETAIL_FIELDS & details.keys()},
            key=row.required("key"),
            query=_exported_query(row, strategy),
            arm=Arm(model=_exported_model(row.required("llm"), strategy), strategy=strategy),
            response=row.text("response") or None,
            usage=Usage(
                input_tokens=row.count("input_tokens_num"),
                output_tokens=row.count("output_tokens_num"),
                **{name: details[name] for name in _DETAIL_TOKENS & details.keys()},
            ),
            cost=row.micro_dollars("cost"),
            input_price=row.amount("input_price"),
            output_price=row.amount("output_price"),
            error=row.word("error"),
            performance=_performance(row),
            source=row.required("source"),
            tenant=row.required("tenant"),
        )
        return Record(entry, judgement_on(entry.key, JUDGE, row.score("llm_judge")))

    def _arm(self, name: str) -> Arm:
        model = name.removesuffix("_think")
        if not model:
            raise BadValue(f"llm is {name!r}, which names no model")
        return self._maker.arm(model, "direct" if model == name else "think")

    def _text(self, given: str, thinking: bool) -> str:
        known = self._texts.get((given, thinking))
        if known is None:
            if len(self._texts) >= _REMEMBERED:
                self._texts.clear()
            known = self._texts[given, thinking] = question(given, thinking)
        return known


def question(prompt: str, thinking: bool) -> str:
    r"""What a prompt asks, the same for the direct and the think prompt of one query.

    Args:
        prompt: As it was sent.
        thinking: Whether the sentence that makes the model think is to be taken off the end.

    >>> question("What is 2 + 2?\nLet's think step by step.", True)
    'What is 2 + 2?'
    """
    text = prompt.strip()
    if thinking:
        box = _ANSWER_BOX if text.endswith(_ANSWER_BOX) else ""
        text = text.removesuffix(box).rstrip()
        cue = _CUE_AT_END.search(text[-len(CUE) - 1 :])
        if cue:
            text = text[: -len(cue.group())].rstrip()
        text = f"{text}\n\n{box}" if box else text
    if "## Context:" in text and "## Question:" in text:
        # the two prompts are indented differently
        text = "\n".join(line.strip() for line in text.split("\n"))
    return text


def _ground_truth(row: Fields) -> str | None:
    """Its ground truths are one text each; a list holds the tests of a task in code."""
    value = row.raw("ground_truth")
    return str(value) if isinstance(value, list) else row.word("ground_truth")


def _performance(row: Fields) -> float | None:
    value = row.raw("performance")
    if isinstance(value, Mapping):
        return Fields(value).score("pass@1")
    found = _PASS_AT_1.fullmatch(value.strip()) if isinstance(value, str) else None
    if found:
        return in_unit("performance", Fields({"pass@1": found.group(1)}).number("pass@1"))
    return row.score("performance")


def _exported_query(row: Fields, strategy: str) -> Query:
    text = row.text("query") or ""
    answers = row.word("answers")
    return Query(
        id=row.required("query_id"),
        text=text.removesuffix(CUE) if strategy == "think" else text,
        task=row.text("task_name") or None,
        ground_truth=json.loads(answers) if answers else row.text("ground_truth") or None,
        metric=row.text("metric") or None,
        split=row.text("split") or None,
    )


def _exported_model(llm: str, strategy: str) -> str:
    return llm if strategy == "direct" else llm.removesuffix(f"_{strategy}")


class FusionBenchWriter(Writer):
    """Writes FusionBench's columns, and ours behind them so that reading gives the same log back.

    A file name that ends in `.parquet` makes a parquet file, any other a CSV. Descriptions and
    embeddings stay empty. What FusionBench has no column for (latency, finish reason, time, ...)
    is in our last one, as JSON. All judgements but one are lost.
    """

    extensions: ClassVar[tuple[str, ...]] = (".csv",)

    def write(self, records: Iterable[Record], path: Path) -> int:
        """Write the table."""
        table = map(_table_row, records)
        columns = (*_PUBLISHED, *_OURS, _DETAILS)
        if path.suffix == ".parquet":
            return write_parquet(path, {name: _type(name) for name in columns}, map(_typed, table))
        return write_csv(path, columns, table)


def _type(name: str) -> str:
    return "float64" if name in _NUMBERS else "string"


def _typed(row: dict[str, Any]) -> dict[str, Any]:
    return {
        name: float(value) if name in _NUMBERS and value is not None else value
        for name, value in row.items()
    }


def _table_row(record: Record) -> dict[str, Any]:
    entry = record.entry
    query, arm = entry.query, entry.arm
    truth = query.ground_truth
    several = isinstance(truth, tuple)
    values: dict[str, Any] = dict.fromkeys(_PUBLISHED)
    values |= {
        "task_name": query.task,
        "query": query.text + (CUE if arm.strategy == "think" else ""),
        "ground_truth": next(iter(truth), None) if isinstance(truth, tuple) else truth,
        "metric": query.metric,
        "llm": arm.model if arm.strategy == "direct" else f"{arm.model}_{arm.strategy}",
        "input_price": entry.input_price,
        "output_price": entry.output_price,
        "input_tokens_num": entry.usage.input_tokens,
        "output_tokens_num": entry.usage.output_tokens,
        "performance": entry.performance,
        "cost": None if entry.cost is None else f"{Decimal(repr(entry.cost)).scaleb(6):f}",
        "response": entry.response,
        "llm_judge": _judged(record),
    }
    return values | {
        "strategy": arm.strategy,
        "split": query.split,
        "error": entry.error,
        "answers": json.dumps(truth, ensure_ascii=False) if several else None,
        "query_id": query.id,
        "key": entry.key,
        "source": entry.source,
        "tenant": entry.tenant,
        _DETAILS: _details(entry),
    }


def _details(entry: LogEntry) -> str | None:
    values = entry.model_dump(mode="json", include=_DETAIL_FIELDS, exclude_defaults=True)
    values |= entry.usage.model_dump(include=_DETAIL_TOKENS, exclude_none=True)
    return json.dumps(values, ensure_ascii=False, sort_keys=True) if values else None


def _judged(record: Record) -> float | None:
    """The score of FusionBench's own judge, otherwise the last one."""
    scores = {judgement.judge: judgement.score for judgement in record.judgements}
    return scores.get(JUDGE, next(reversed(scores.values()), None))
