"""What is asked, and what is learned from."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fusion_agents.errors import ConfigError
from fusion_agents.near_duplicates import near_duplicate_groups
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.studying.questions import divide
from fusion_agents.types import Arm, LogEntry, Query
from tests.studying.world import question, questions


def logged(log: RoutingLog, queries: list[Query]) -> None:
    log.append(LogEntry(query=query, arm=Arm(model="middle"), response="1") for query in queries)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[RoutingLog]:
    with RoutingLog(tmp_path / "log.db") as opened:
        yield opened


def unsplit(n: int = 40) -> list[Query]:
    return [question("sums", i).model_copy(update={"split": None}) for i in range(n)]


def test_the_log_s_test_questions_are_asked(log: RoutingLog) -> None:
    logged(log, [*questions("train"), *questions("test")])
    found = divide(log)
    assert {query.id for query in found.asked} == {query.id for query in questions("test")}
    assert found.learned is None


def test_so_many_of_each_task_are_asked_and_always_the_same(log: RoutingLog) -> None:
    logged(log, [*questions("train"), *questions("test")])
    found = divide(log, per_task=3)
    assert sorted(query.task or "" for query in found.asked) == ["rests"] * 3 + ["sums"] * 3
    assert divide(log, per_task=3) == found
    assert divide(log, per_task=3, seed=1).asked != found.asked
    assert {query.task for query in divide(log, tasks=["sums"]).asked} == {"sums"}


def test_a_log_without_splits_holds_some_out(log: RoutingLog) -> None:
    logged(log, unsplit())
    found = divide(log)
    assert 4 <= len(found.asked) <= 20
    assert found.learned is not None
    learned = set(found.learned.query_ids or ())
    assert learned
    assert not learned & {query.id for query in found.asked}
    logged(log, list(found.asked))
    assert divide(log) == found


def test_near_duplicates_of_what_is_asked_are_not_learned_from(log: RoutingLog) -> None:
    logged(log, questions("train"))
    taught = questions("train")[0]
    alike = Query(
        text=f"{taught.text} ", task="sums", ground_truth="1", metric="number", id="alike"
    )
    assert len(set(near_duplicate_groups([taught.text, alike.text]).tolist())) == 1
    found = divide(log, [alike])
    assert found.asked[0].split == "test"
    assert found.learned is not None
    assert taught.id not in (found.learned.query_ids or ())
    assert len(found.learned.query_ids or ()) == len(questions("train")) - 1


def test_questions_that_cannot_be_scored_are_left_out_and_counted(log: RoutingLog) -> None:
    logged(log, questions("train"))
    asked = [question("sums", 90), Query(text="Who knows?", task="sums")]
    found = divide(log, asked)
    assert [query.id for query in found.asked] == ["sums-90"]
    assert found.unscorable == 1


@pytest.mark.parametrize(
    ("given", "tasks", "message"),
    [
        ([Query(text="Who knows?")], (), "a ground truth and a metric"),
        ([question("sums", 90)], ("maths",), "no question is of the tasks maths"),
        (None, (), "the log holds no questions out"),
    ],
)
def test_a_study_of_nothing_is_refused(
    log: RoutingLog, given: list[Query] | None, tasks: tuple[str, ...], message: str
) -> None:
    logged(log, questions("train"))
    with pytest.raises(ConfigError, match=message):
        divide(log, given, tasks=tasks)
