"""The real `datasets` library, without a network."""

import sys
from pathlib import Path

import pytest

from fusion_agents.errors import DataError, MissingExtraError
from fusion_agents.tasks import HubLoader, Part, make_task, task_classes
from tests.tasks.rows import in_memory


@pytest.mark.parametrize("name", task_classes())
def test_every_task_reads_copies_of_the_hubs_repositories(hub: HubLoader, name: str) -> None:
    task = make_task(name)
    for split in ("train", "test"):
        loaded = list(task.samples(split, None, 1, loader=hub))
        assert loaded == list(task.samples(split, None, 1, loader=in_memory))
        assert loaded


def test_only_the_columns_that_are_read_are_taken(hub: HubLoader) -> None:
    part = make_task("trivia_qa").splits.train[0]
    rows = hub(part)
    assert len(rows) == len(in_memory(part))
    assert set(rows[3]) == {"question", "answer"}


def test_a_missing_column_is_named_with_those_that_are_there(hub: HubLoader) -> None:
    part = Part("openai/gsm8k", "main", "train", ("question", "solution"))
    with pytest.raises(DataError, match=r"gsm8k \(main, train\) has no column 'solution', only"):
        hub(part)


@pytest.mark.parametrize(
    "part",
    [
        Part("openai/gsm8k", "socratic", "train", ("question",)),
        Part("openai/gsm8k", "main", "validation", ("question",)),
        Part("openai/none", "main", "train", ("question",)),
    ],
)
def test_what_is_not_there_is_refused_by_name(hub: HubLoader, part: Part) -> None:
    with pytest.raises(DataError, match=part.dataset):
        hub(part)


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtraError, match=r"fusion-agents\[tasks\]"):
        next(make_task("gsm8k").samples("test", 1, 0))


def test_a_damaged_copy_is_refused_by_name(tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    (tmp_path / "openai/gsm8k/main").mkdir(parents=True)
    (tmp_path / "openai/gsm8k/main/test-0.parquet").write_bytes(b"PAR1 not really")
    loader = HubLoader(folder=tmp_path, cache=tmp_path / "cache")
    with pytest.raises(DataError, match="openai/gsm8k"):
        next(make_task("gsm8k").samples("test", 1, 0, loader=loader))
