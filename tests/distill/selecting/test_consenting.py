"""Whose questions may be asked of students, and what comparisons leave for them to learn."""

from pathlib import Path

from fusion_agents.distill.nouns import COMPARISON_SOURCE
from fusion_agents.distill.selecting.holding_out import askable, consenting_tenants
from fusion_agents.stores.routing_log import RoutingLog
from tests.distill.selecting.selecting_world import adds_up, answer, dropped, question, select

MINE, THEIRS, SHARED, NOBODYS = (question(i) for i in range(4))


def test_questions_of_those_who_did_not_consent_are_asked_of_nobody(tmp_path: Path) -> None:
    with RoutingLog(tmp_path / "log.db") as log:
        log.append(
            [
                answer(MINE, "4"),
                answer(THEIRS, "5", tenant="acme"),
                answer(SHARED, "6"),
                answer(SHARED, "7", tenant="acme"),
            ]
        )
        every = (MINE, THEIRS, SHARED, NOBODYS)
        assert askable(log, every) == [MINE, SHARED, NOBODYS]
        log.set_consent("tenant", "acme", allowed=True)
        assert askable(log, every) == list(every)
        assert consenting_tenants(log) == {
            MINE.id: {"default"},
            THEIRS.id: {"acme"},
            SHARED.id: {"acme", "default"},
        }
        log.set_consent("source", "local", allowed=False)
        assert askable(log, every) == [NOBODYS]


def test_no_student_learns_what_a_comparison_of_students_found(tmp_path: Path) -> None:
    entries = [answer(MINE, "4"), answer(THEIRS, "5", source=COMPARISON_SOURCE)]
    data = select(tmp_path, entries)
    assert [one.query.id for one in data.examples] == [MINE.id]
    assert dropped(data)["an answer of a comparison of students"] == 1
    assert adds_up(data)
