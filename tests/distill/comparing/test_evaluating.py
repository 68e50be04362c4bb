"""Base against student: what is asked, what is counted, what is said."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fusion_agents.distill.comparing.comparison import Comparison
from fusion_agents.distill.comparing.evaluating import COMPARISON, EVALUATION, evaluate_student
from fusion_agents.errors import ConfigError, EmptyLogError
from fusion_agents.judges.rubric import RubricJudge
from fusion_agents.pool.pool import Pool
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.testing.fake_chat import FakeChatModel
from fusion_agents.testing.scripted_judge import scripted_judge
from fusion_agents.types import Arm, LogEntry, Query
from tests.distill.comparing.evaluating_world import (
    HASTY,
    is_of,
    model,
    models,
    number_of,
    pupil,
    questions,
    trained_on,
)

ASKED = questions()


@pytest.fixture
def log(tmp_path: Path) -> Iterator[RoutingLog]:
    with RoutingLog(tmp_path / "routing.db") as opened:
        yield opened


def evaluated(
    folder: Path, log: RoutingLog, pool: Pool, queries: list[Query] = ASKED, **options: Any
) -> Comparison:
    return asyncio.run(
        evaluate_student(
            pupil(folder / "out"), log, queries,
            models=pool, policy=HASTY, n_bootstrap=500, **options,
        )
    )  # fmt: skip


def test_each_task_gets_its_own_finding(tmp_path: Path, log: RoutingLog) -> None:
    found = evaluated(
        tmp_path, log, models(model(ASKED, is_of("rests")), model(ASKED, is_of("sums")))
    )
    assert [(row.task, row.finding) for row in found.tasks] == [
        ("rests", "hurt"),
        ("sums", "helped"),
    ]
    assert found.overall.finding == "no certain difference"
    assert (found.overall.n, found.overall.delta) == (40, 0.0)
    assert (found.n_regressions, found.n_gains) == (20, 20)
    assert all(one.base == 1 and one.task == "rests" for one in found.regressions)
    assert found.complete


def test_base_and_student_are_asked_the_same_messages(tmp_path: Path, log: RoutingLog) -> None:
    base, student = model(ASKED, is_of("rests")), model(ASKED, is_of("sums"))
    evaluated(tmp_path, log, models(base, student))
    sent = [sorted(repr(call.messages) for call in one.received) for one in (base, student)]
    assert sent[0] == sent[1]
    assert len(sent[0]) == len(ASKED)


@pytest.mark.parametrize(
    ("setting", "value"), [("temperature", 0.95), ("max_tokens", 7), ("stop", ["\n"])]
)
def test_other_decoding_is_refused_before_anything_is_asked(
    tmp_path: Path, log: RoutingLog, setting: str, value: object
) -> None:
    base, student = model(ASKED, is_of("rests")), model(ASKED, is_of("sums"), **{setting: value})
    with pytest.raises(ConfigError, match=f"{setting} is None for the base"):
        evaluated(tmp_path, log, models(base, student))
    assert base.calls == student.calls == 0


def test_models_that_draw_their_words_are_refused(tmp_path: Path, log: RoutingLog) -> None:
    drawing = [model(ASKED, is_of(task), temperature=0.7) for task in ("rests", "sums")]
    with pytest.raises(ConfigError, match="greedily"):
        evaluated(tmp_path, log, models(*drawing))


def test_the_same_evaluation_asks_nothing_twice(tmp_path: Path, log: RoutingLog) -> None:
    base, student = model(ASKED, is_of("rests")), model(ASKED, is_of("sums"))
    first = evaluated(tmp_path, log, models(base, student))
    again = evaluated(tmp_path, log, models(base, student))
    assert again == first
    assert (base.calls, student.calls) == (40, 40)
    assert Comparison.model_validate_json((tmp_path / "out" / COMPARISON).read_bytes()) == first
    for name in (COMPARISON, EVALUATION):
        assert (tmp_path / "out" / name).stat().st_mode & 0o777 == 0o600


def test_more_queries_ask_only_the_new_ones(tmp_path: Path, log: RoutingLog) -> None:
    base, student = model(ASKED, is_of("rests")), model(ASKED, is_of("sums"))
    evaluated(tmp_path, log, models(base, student), ASKED[:30])
    found = evaluated(tmp_path, log, models(base, student))
    assert (base.calls, student.calls, found.n_queries) == (40, 40, 40)


def test_a_student_that_was_trained_anew_is_asked_anew(tmp_path: Path, log: RoutingLog) -> None:
    base, student = model(ASKED, is_of("rests")), model(ASKED, is_of("sums"))
    for data in ("0" * 64, "1" * 64):
        asyncio.run(
            evaluate_student(
                pupil(tmp_path / "out", data), log, ASKED,
                models=models(base, student), policy=HASTY, n_bootstrap=100,
            )
        )  # fmt: skip
    assert (base.calls, student.calls) == (40, 80)


def test_a_fault_is_no_wrong_answer(tmp_path: Path, log: RoutingLog) -> None:
    right = model(ASKED, lambda _: True)

    def falters(messages: list[Any]) -> str:
        if "sums" in messages[-1].text and "apple" in messages[-1].text:
            raise ConnectionError("gone")
        return str(right.invoke(messages).text)

    student = FakeChatModel(answer=falters)
    found = evaluated(tmp_path, log, models(model(ASKED, lambda _: True), student))
    sums = next(row for row in found.tasks if row.task == "sums")
    assert (sums.n_asked, sums.n, sums.student.failed) == (20, 18, 2)
    assert sums.student.performance == sums.base.performance == 1.0
    assert found.errors == {"student": {"connection": 2}}
    assert any("2 of 40 queries are in no mean" in note for note in found.notes)

    calls = student.calls
    evaluated(tmp_path, log, models(model(ASKED, lambda _: True), student))
    assert student.calls == calls + 2 * HASTY.max_attempts  # these alone are tried again


def test_a_reply_without_a_word_is_a_wrong_answer(tmp_path: Path, log: RoutingLog) -> None:
    right = model(ASKED, lambda _: True)

    def silent(messages: list[Any]) -> str:
        return "" if "sums" in messages[-1].text else str(right.invoke(messages).text)

    student = FakeChatModel(answer=silent)
    found = evaluated(tmp_path, log, models(model(ASKED, lambda _: True), student))
    sums = next(row for row in found.tasks if row.task == "sums")
    assert (sums.n, sums.student.performance, sums.finding) == (20, 0.0, "hurt")
    assert (sums.student.empty, sums.student.no_answer, sums.student.failed) == (20, 20, 0)
    assert found.errors == {}
    calls = student.calls
    evaluated(tmp_path, log, models(model(ASKED, lambda _: True), student))
    assert student.calls == calls


def test_answers_without_an_answer_are_wrong_and_counted(tmp_path: Path, log: RoutingLog) -> None:
    rambling = FakeChatModel(answer="Let me think about that for a while.")
    found = evaluated(tmp_path, log, models(model(ASKED, lambda _: True), rambling))
    assert found.overall.student.performance == 0.0
    assert (found.overall.student.no_answer, found.overall.student.empty) == (40, 0)
    assert found.overall.base.no_answer == 0


def test_what_the_student_learned_from_is_not_asked(tmp_path: Path, log: RoutingLog) -> None:
    same_id, same_text, like = ASKED[0], ASKED[1], ASKED[2]
    learned = [
        same_id.model_copy(update={"text": "Another wording altogether, of one id."}),
        same_text.model_copy(update={"id": "another"}),
        like.model_copy(update={"id": "alike", "text": like.text.upper()}),
    ]
    base, student = model(ASKED, is_of("rests")), model(ASKED, is_of("sums"))
    found = evaluated(tmp_path, log, models(base, student), data=trained_on(learned))
    assert (found.left_out.trained, found.left_out.near_duplicates) == (2, 1)
    assert found.n_queries == 37
    assert base.calls == student.calls == 37
    assert not any("not known what" in note for note in found.notes)


def test_nothing_left_to_ask_is_an_error(tmp_path: Path, log: RoutingLog) -> None:
    pool = models(model(ASKED, is_of("rests")), model(ASKED, is_of("sums")))
    with pytest.raises(EmptyLogError, match="40 were learned from"):
        evaluated(tmp_path, log, pool, data=trained_on(ASKED))


def test_few_queries_give_no_finding(tmp_path: Path, log: RoutingLog) -> None:
    pool = models(model(ASKED, is_of("rests")), model(ASKED, is_of("sums")))
    found = evaluated(tmp_path, log, pool, ASKED[:16])
    assert {row.finding for row in found.tasks} == {"too few"}
    assert all(row.low is None and row.p is None for row in found.tasks)


def test_near_duplicates_count_once(tmp_path: Path, log: RoutingLog) -> None:
    repeated = [
        query.model_copy(update={"id": f"{query.id}-{i}", "text": f"{query.text}{'!' * i}"})
        for query in questions(4)
        for i in range(5)
    ]
    pool = models(model(repeated, is_of("rests")), model(repeated, is_of("sums")))
    found = evaluated(tmp_path, log, pool, repeated)
    assert (found.n_queries, found.n_groups) == (40, 8)
    assert found.overall.finding == "too few"


def test_queries_that_no_metric_scores_are_left_to_a_judge(tmp_path: Path, log: RoutingLog) -> None:
    open_ones = [query.model_copy(update={"metric": None}) for query in questions(10)]
    pool = models(model(open_ones, is_of("rests")), model(open_ones, is_of("sums")))
    with pytest.raises(EmptyLogError, match="20 have no ground truth or no metric"):
        evaluated(tmp_path, log, pool, open_ones)
    judge = RubricJudge(
        scripted_judge(lambda seen: 0.2 if "is 1." in seen.texts["answer"] else 0.9)
    )
    found = evaluated(tmp_path, log, pool, open_ones, judge=judge)
    assert (found.overall.n, found.overall.judged) == (20, 20)
    assert [row.finding for row in found.tasks] == ["hurt", "helped"]
    assert any("scored by a judge" in note for note in found.notes)


def test_others_of_the_log_stand_beside_on_the_same_queries(
    tmp_path: Path, log: RoutingLog
) -> None:
    log.append(
        LogEntry(query=query, arm=Arm(model=name), performance=score, cost=0.01)
        for name, score, some in (("large", 0.9, ASKED[:30]), ("rare", 1.0, ASKED[:5]))
        for query in some
    )
    pool = models(model(ASKED, is_of("rests")), model(ASKED, lambda q: number_of(q) < 15))
    found = evaluated(
        tmp_path, log, pool, data=trained_on([Query(text="What does the fox say at night?")])
    )
    [large] = found.references
    assert (large.arm, large.n, large.teacher) == ("large@direct", 30, True)
    assert large.performance == pytest.approx(0.9)
    assert (large.base, large.student) == (0.5, 1.0)


def test_a_pool_with_another_model_under_the_students_name_is_refused(
    tmp_path: Path, log: RoutingLog
) -> None:
    pool = Pool({"pupil": "student:/somewhere/else", "base": FakeChatModel()})
    with pytest.raises(ConfigError, match="register the student under a name of its own"):
        evaluated(tmp_path, log, pool)


def test_means_are_those_of_the_pairs_alone(tmp_path: Path, log: RoutingLog) -> None:
    """An easy query that the student could not be asked raises the base's mean no more."""
    right = model(ASKED, lambda _: True)

    def falters(messages: list[Any]) -> str:
        if "sums" in messages[-1].text:
            raise ConnectionError("gone")
        return str(right.invoke(messages).text)

    found = evaluated(
        tmp_path, log, models(model(ASKED, is_of("sums")), FakeChatModel(answer=falters))
    )
    assert found.overall.n == 20
    assert (found.overall.base.performance, found.overall.student.performance) == (0.0, 1.0)
    sums = next(row for row in found.tasks if row.task == "sums")
    assert (sums.n, sums.delta, sums.finding) == (0, None, "too few")
    assert not np.isnan(found.overall.delta or 0.0)
