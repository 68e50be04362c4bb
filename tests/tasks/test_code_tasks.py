"""Tasks in code: what is shown, and what is kept for the tests."""

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from fusion_agents.metrics.code_problem import CodeProblem
from fusion_agents.near_duplicates import near_duplicate_groups
from fusion_agents.tasks import Part, Split, make_task
from fusion_agents.types import Query
from tests.tasks.rows import in_memory

SHARED = Path(__file__).parents[2].parent / "shared" / "data"
SPLITS: tuple[Split, ...] = ("train", "test")


def drawn(name: str, split: Split) -> list[Query]:
    return list(make_task(name).samples(split, None, 0, loader=in_memory))


def problem(query: Query) -> CodeProblem:
    return CodeProblem.model_validate_json(str(query.ground_truth))


def shared(name: str) -> list[dict[str, Any]]:
    path = SHARED / name
    if not path.exists():
        pytest.skip("the real problems are not here")
    with gzip.open(path, "rt") as lines:
        return [json.loads(line) for line in lines]


@pytest.mark.parametrize("split", SPLITS)
def test_mbpp_shows_the_tests_that_it_is_scored_by_and_no_others(split: Split) -> None:
    for query in drawn("mbpp", split):
        known = problem(query)
        assert known.kind == "mbpp"
        assert len(known.tests) == 3
        assert all(test in query.text for test in known.tests)
        assert "(77)" not in query.text  # of the challenge tests
        assert "return n +" not in query.text  # of the solution
        assert "import collections" not in query.text  # of the set-up
    assert any(problem(query).setup == "import collections" for query in drawn("mbpp", split))


@pytest.mark.parametrize("split", SPLITS)
def test_human_eval_shows_the_prompt_and_none_of_the_tests(split: Split) -> None:
    for query in drawn("human_eval", split):
        known = problem(query)
        assert known.kind == "humaneval"
        assert known.prompt.strip() in query.text
        assert known.name == known.entry_point
        assert "def check" in known.test
        assert "check" not in query.text
        assert "candidate" not in query.text
        assert "return n +" not in query.text


def test_human_eval_is_divided_by_problem_whatever_the_seeds() -> None:
    rows = shared("humaneval.jsonl.gz")
    task = make_task("human_eval")
    halves = [
        {
            problem(query).prompt
            for seed in (0, 1)
            for query in task.samples(split, None, seed, loader=lambda _: rows)
        }
        for split in SPLITS
    ]
    assert [len(half) for half in halves] == [114, 50]
    assert not halves[0] & halves[1]


def test_the_real_mbpp_is_kept_apart() -> None:
    rows = shared("mbpp.jsonl.gz")

    def loader(part: Part) -> Sequence[dict[str, Any]]:
        first, last = (601, 974) if part.split == "train" else (11, 510)
        return [row for row in rows if first <= row["task_id"] <= last]

    train, test = (
        [query.text for query in make_task("mbpp").samples(split, None, 0, loader=loader)]
        for split in SPLITS
    )
    groups = near_duplicate_groups(train + test).tolist()
    assert (len(train), len(test)) == (364, 500)  # ten of 374 are near a test problem
    assert not set(groups[: len(train)]) & set(groups[len(train) :])
