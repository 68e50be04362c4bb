"""Tests of choosing the queries that a student is tested with."""

import pytest

from fusion_agents.distill.selecting.holding_out import held_out_queries
from fusion_agents.errors import ConfigError
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.types import Arm, LogEntry, Query

ARM = Arm(model="small")


def log_of(tmp_path, queries, name="routing.db"):
    log = RoutingLog(tmp_path / name)
    log.append([LogEntry(query=query, arm=ARM, response="4", performance=1.0) for query in queries])
    return log


def test_a_split_is_held_out_with_what_nearly_equals_it(tmp_path):
    tested = Query(text="Which river flows through the old town of Prague?", split="test")
    twin = Query(text="which river flows through the old town of prague", split="train")
    other = Query(text="How many moons has the planet Mars?", split="train")
    log = log_of(tmp_path, [tested, twin, other])
    assert {query.id for query in held_out_queries(log)} == {tested.id, twin.id}


def test_without_a_split_a_share_is_drawn_that_does_not_depend_on_the_order(tmp_path):
    queries = [Query(text=f"{word} {i}?") for i in range(40) for word in ("Is", "Why", "Who", "So")]
    forth, back = log_of(tmp_path, queries), log_of(tmp_path, queries[::-1], "back.db")
    chosen = held_out_queries(forth, share=0.3)
    assert chosen == held_out_queries(back, share=0.3)
    assert 0.15 * len(queries) < len(chosen) < 0.45 * len(queries)
    assert chosen != held_out_queries(forth, share=0.3, seed=1)


def test_near_duplicates_are_drawn_together(tmp_path):
    pairs = [
        (
            Query(text=f"Please tell me all about the number {word} of the beast and its history"),
            Query(text=f"please tell me all about the number {word} of the beast and its history!"),
        )
        for word in ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
    ]
    log = log_of(tmp_path, [query for pair in pairs for query in pair])
    chosen = {query.id for query in held_out_queries(log, share=0.5)}
    assert all((one.id in chosen) == (two.id in chosen) for one, two in pairs)


def test_only_the_tasks_that_are_asked_for_are_given(tmp_path):
    queries = [Query(text=f"{task} {i}", task=task, split="test") for task in "ab" for i in "12"]
    chosen = held_out_queries(log_of(tmp_path, queries), tasks=["a"])
    assert [query.task for query in chosen] == ["a", "a"]


def test_an_empty_log_has_nothing_to_hold_out(tmp_path):
    assert held_out_queries(RoutingLog(tmp_path / "empty.db")) == []


@pytest.mark.parametrize("share", [0.0, 1.0, -1.0])
def test_a_share_that_is_none_is_refused(tmp_path, share):
    with pytest.raises(ConfigError, match="between 0 and 1"):
        held_out_queries(RoutingLog(tmp_path / "empty.db"), share=share)
