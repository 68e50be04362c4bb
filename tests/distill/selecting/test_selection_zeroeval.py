"""Selection from a published log with responses; skipped where it is not at hand."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from fusion_agents.distill.nouns import TrainingData
from fusion_agents.distill.selecting.options import SelectionOptions
from fusion_agents.distill.selecting.selection import select_training_data
from fusion_agents.metrics.catalogue import score
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.types import Arm, LogEntry, Query
from tests.distill.selecting.selecting_world import adds_up

SHARED = Path(__file__).parents[3].parent / "shared" / "data"
METRICS = {"gsm8k": "number", "cruxeval_o": "literal"}
N_QUERIES = 60


def rows() -> Iterator[LogEntry]:
    """The answers to some queries of each task, with metrics that are ours."""
    path = SHARED / "zeroeval.jsonl.gz"
    if not path.exists():
        pytest.skip(f"needs {path}")
    seen: dict[str, set[str]] = {task: set() for task in METRICS}
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            queries = seen.get(row["task"])
            if queries is None or (len(queries) == N_QUERIES and row["query_id"] not in queries):
                continue
            queries.add(row["query_id"])
            query = Query(
                text=row["query"],
                task=row["task"],
                ground_truth=row["ground_truth"],
                metric=METRICS[row["task"]],
            )
            yield LogEntry(
                query=query,
                arm=Arm(model=row["model"], strategy=row["strategy"]),
                response=row["response"],
                performance=row["score"] if row["response"] else None,
                error=None if row["response"] else "empty",
            )


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RoutingLog]:
    with RoutingLog(tmp_path_factory.mktemp("zeroeval") / "log.db") as opened:
        opened.append(rows())
        yield opened


@pytest.fixture(scope="module")
def held_out(log: RoutingLog) -> list[Query]:
    """Every fifth query, and others in other words."""
    queries = sorted(log.queries(), key=lambda query: query.id)
    planted = [Query(text=f"Solve this, please. {query.text.upper()}") for query in queries[1::7]]
    return [*queries[::5], *planted]


@pytest.fixture(scope="module")
def data(log: RoutingLog, held_out: list[Query]) -> TrainingData:
    return select_training_data(log, SelectionOptions(balance="even"), held_out=held_out)


def test_every_example_is_right_and_most_are_by_their_metric_too(data: TrainingData) -> None:
    assert len(data.examples) > 100
    assert all(example.performance == 1.0 for example in data.examples)
    rescored = [score(example.answer, example.query).score == 1.0 for example in data.examples]
    assert sum(rescored) >= 0.97 * len(rescored)


def test_no_held_out_query_and_no_planted_one_leaks(
    data: TrainingData, log: RoutingLog, held_out: list[Query]
) -> None:
    queries = sorted(log.queries(), key=lambda query: query.id)
    kept_out = {query.id for query in (*queries[::5], *queries[1::7])}
    assert len(held_out) >= len(kept_out)
    assert kept_out.isdisjoint(example.query.id for example in data.examples)
    assert kept_out.isdisjoint(pair.query.id for pair in data.pairs)


def test_tasks_are_balanced_as_asked_and_the_account_adds_up(data: TrainingData) -> None:
    assert len(set(data.report.by_task.values())) == 1
    assert set(data.report.by_task) == set(METRICS)
    assert adds_up(data)


def test_every_example_is_what_its_entries_say(data: TrainingData, log: RoutingLog) -> None:
    entries = {entry.key: entry for entry in log.scan()}
    for example in data.examples:
        said = {(entries[key].response or "").strip() for key in example.entry_keys}
        assert said == {example.answer}
        assert {entries[key].query.id for key in example.entry_keys} == {example.query.id}
    for pair in data.pairs:
        assert (entries[pair.rejected_keys[0]].response or "").strip() == pair.rejected
        assert entries[pair.rejected_keys[0]].performance == 0.0


def test_every_label_is_accepted_by_its_metric(log: RoutingLog) -> None:
    labels = select_training_data(log, SelectionOptions(criterion="label")).examples
    assert len(labels) >= 0.9 * N_QUERIES * len(METRICS)
    assert all(score(example.answer, example.query).score == 1.0 for example in labels)
    assert len({example.query.id for example in labels}) == len(labels)
