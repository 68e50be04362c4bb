from collections.abc import Iterator
from pathlib import Path

import pytest

from fusion_agents.distill.data.dataset import (
    Dataset,
    prune_dataset,
    read_dataset,
    render,
    without_withdrawn,
    write_dataset,
)
from fusion_agents.distill.data.lineage import lineage_of, made_of, remaining
from fusion_agents.distill.nouns import Example, PreferencePair
from fusion_agents.distill.selecting.selection import select_training_data
from fusion_agents.errors import EmptyLogError
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.types import Arm, LogEntry, Query
from tests.distill.data.training_data import data, data_of, entries, example, pair

OF_THREE = ("e0", "e1", "e2", "g0", "g1", "g2")
"""Ends of the keys of the first three questions; of none that come later."""


@pytest.fixture
def log(tmp_path: Path) -> Iterator[RoutingLog]:
    """Twelve questions with a right and a wrong answer each, of which ann asked the first three."""
    with RoutingLog(tmp_path / "routing.db") as made:
        all_ = entries()
        made.append(
            entry.model_copy(update={"source": "ann" if entry.key[-2:] in OF_THREE else "local"})
            for entry in all_
        )
        yield made


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    examples = [example(n, sources=("ann",)) if n < 3 else example(n) for n in range(12)]
    pairs = [pair(n, sources=("ann",)) if n < 3 else pair(n) for n in range(12)]
    write_dataset(data_of(examples, pairs), tmp_path / "data")
    return read_dataset(tmp_path / "data")


def numbers(held: tuple[Example, ...] | tuple[PreferencePair, ...]) -> list[int]:
    return [int(one.query.text.split()[2]) for one in held]


def test_nothing_changes_while_nobody_withdraws(dataset: Dataset, log: RoutingLog) -> None:
    assert without_withdrawn(dataset, log) == (dataset, 0)


def test_what_a_forgotten_source_gave_goes(dataset: Dataset, log: RoutingLog) -> None:
    log.forget(sources=["ann"])
    left, n = without_withdrawn(dataset, log)
    assert n == 3
    assert numbers(left.data.examples) == numbers(left.data.pairs) == list(range(3, 12))
    assert left.data.report.n_examples == left.manifest.n_examples == 9
    assert left.manifest.report == left.data.report
    assert left.data.report.dropped[-1].n == 3
    assert "withdrawn" in left.data.report.dropped[-1].reason


def test_consent_that_is_withdrawn_counts_as_much(dataset: Dataset, log: RoutingLog) -> None:
    log.set_consent("source", "ann", False)
    assert without_withdrawn(dataset, log)[1] == 3
    log.set_consent("source", "ann", True)
    assert without_withdrawn(dataset, log)[1] == 0


def test_a_suspended_source_counts_as_much(dataset: Dataset, log: RoutingLog) -> None:
    log.set_trust("source", "ann", "suspended")
    assert without_withdrawn(dataset, log)[1] == 3


def test_a_tenant_needs_consent_still(tmp_path: Path) -> None:
    write_dataset(data_of(map(example, range(3))), tmp_path / "data")
    found = read_dataset(tmp_path / "data")
    with RoutingLog(tmp_path / "acme.db") as log:
        log.append(entries(3, tenant="acme"))
        assert without_withdrawn(found, log)[1] == 3
        log.set_consent("tenant", "acme", True)
        assert without_withdrawn(found, log)[1] == 0


def test_a_student_of_what_is_left_is_another_student(dataset: Dataset, log: RoutingLog) -> None:
    """So that a training that was finished with all of it does not count as done."""
    log.forget(sources=["ann"])
    left, _ = without_withdrawn(dataset, log)
    assert left.manifest.fingerprint != dataset.manifest.fingerprint
    assert left.manifest.files == {}
    assert b"What is 2 plus" not in render(left, "trl")["trl.jsonl"]


def test_an_answer_that_another_source_gave_too_stays_with_that_source_alone(
    tmp_path: Path, log: RoutingLog
) -> None:
    shared = example(0, entry_keys=("e0", "again"), sources=("ann", "local"))
    write_dataset(data_of([shared]), tmp_path / "data")
    found = read_dataset(tmp_path / "data")
    log.append([entries(1)[0].model_copy(update={"key": "again", "source": "local"})])
    log.forget(sources=["ann"])
    left, n = without_withdrawn(found, log)
    assert n == 0
    assert left.data.examples[0].entry_keys == ("again",)
    assert left.data.examples[0].sources == ("local",)
    assert left.data.examples[0].answer == shared.answer


@pytest.mark.parametrize("side", ["e", "wrong"])
def test_a_pair_goes_with_either_of_its_answers(tmp_path: Path, side: str) -> None:
    write_dataset(data_of([example(1)], [pair(0)]), tmp_path / "data")
    with RoutingLog(tmp_path / "log.db") as log:
        log.append(entry for entry in entries(2) if entry.key != f"{side}0")
        left, n = without_withdrawn(read_dataset(tmp_path / "data"), log)
    assert n == 0
    assert left.data.pairs == ()
    assert len(left.data.examples) == 1


def test_without_lineage_nothing_is_known_to_be_allowed(tmp_path: Path, log: RoutingLog) -> None:
    write_dataset(data_of([example(5, entry_keys=())]), tmp_path / "data")
    assert without_withdrawn(read_dataset(tmp_path / "data"), log)[1] == 1


def test_pruning_takes_it_out_of_the_folder(
    tmp_path: Path, dataset: Dataset, log: RoutingLog
) -> None:
    log.forget(sources=["ann"])
    folder = tmp_path / "data"
    manifest, n = prune_dataset(folder, log)
    assert n == 3
    assert read_dataset(folder).manifest == manifest
    assert manifest.formats == dataset.manifest.formats
    assert manifest.fingerprint == without_withdrawn(dataset, log)[0].manifest.fingerprint
    assert all(b"ann" not in path.read_bytes() for path in folder.iterdir())
    assert prune_dataset(folder, log) == (manifest, 0)


def test_pruning_that_leaves_nothing_says_so(
    tmp_path: Path, dataset: Dataset, log: RoutingLog
) -> None:
    log.forget(sources=["ann", "local"])
    with pytest.raises(EmptyLogError, match=r"no example to learn from.*withdrawn"):
        prune_dataset(tmp_path / "data", log)


def test_lineage_counts_by_source_tenant_teacher_and_task(dataset: Dataset) -> None:
    found = lineage_of(dataset.data)
    assert found.by_source == {"ann": 6, "local": 18}
    assert found.by_tenant == {"default": 24}
    assert found.by_teacher == {"large": 8, "small": 4}
    assert found.by_task == {"more sums": 6, "sums": 6}
    assert (found.n_examples, found.n_pairs, found.n_entries) == (12, 12, 24)


def test_what_is_made_of_someones_entries_is_found(dataset: Dataset) -> None:
    found = made_of(dataset.data, sources=["ann"])
    assert numbers(found.examples) == numbers(found.pairs) == [0, 1, 2]
    assert numbers(made_of(dataset.data, entry_keys=["wrong4"]).pairs) == [4]
    assert made_of(dataset.data, entry_keys=["wrong4"]).examples == ()
    assert len(made_of(dataset.data, tenants=["default"]).examples) == 12
    assert made_of(dataset.data, sources=["bob"], tenants=["acme"]).examples == ()


def test_a_large_log_is_asked_for_the_datas_questions_alone(tmp_path: Path) -> None:
    """More questions than one condition may name."""
    n = 10_050
    many = [example(number, teacher="t") for number in range(n)]
    with RoutingLog(tmp_path / "log.db") as log:
        log.append(entry for entry in entries(n) if not entry.key.startswith("wrong"))
        held = data_of(many)
        manifest = write_dataset(data(3), tmp_path / "small")
        assert without_withdrawn(Dataset(held, manifest), log)[1] == 0


def test_an_answer_to_another_wording_of_the_question_is_not_taken_for_withdrawn(
    tmp_path: Path,
) -> None:
    twin = [
        Query(text="How much is two and two?", id="a"),
        Query(text="How much is two and two?\n", id="b"),
    ]
    with RoutingLog(tmp_path / "twins.db") as log:
        log.append(
            LogEntry(query=query, arm=Arm(model="large"), response="4", performance=score)
            for query, score in zip(twin, (0.0, 1.0), strict=True)
        )
        log.append(
            LogEntry(query=query, arm=Arm(model="small"), response="It is 4.", performance=1.0)
            for query in twin
        )
        selected = select_training_data(log)
        assert selected.examples
        assert remaining(selected, log) == selected
