"""Answers are judged as they come, and never at the answer's expense."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, ToolCall
from langchain_core.runnables import RunnableConfig

from fusion_agents.chain import FusionRouterChain
from fusion_agents.errors import AnswerError, ConfigError
from fusion_agents.judges.base import Case, Verdict
from fusion_agents.steps.judging import JudgePolicy
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.testing.fake_chat import FakeChatModel
from fusion_agents.testing.scripted_judge import scripted_judge
from fusion_agents.types import Judgement, LogEntry
from tests.chain_cases import KING, SUM, make_chain, models, write_log
from tests.judge_cases import WordJudge


@pytest.fixture
def log(tmp_path: Path) -> Iterator[RoutingLog]:
    with write_log(tmp_path / "log.db") as opened:
        yield opened


def new(log: RoutingLog) -> list[LogEntry]:
    return [entry for entry in log.scan() if entry.source == "fusion"]


def scores(log: RoutingLog) -> list[tuple[str, float | None]]:
    return [(judgement.judge, judgement.score) for judgement in log.judgements()]


async def ask(chain: FusionRouterChain, how: str, query: str) -> dict[str, Any]:
    """The evidence of an answer, however it was asked for."""
    message: Any
    if how == "invoke":
        message = chain.invoke(query)
    elif how == "ainvoke":
        message = await chain.ainvoke(query)
    elif how == "batch":
        (message,) = chain.batch([query])
    elif how == "stream":
        message = list(chain.stream(query))[-1]
    elif how == "astream":
        message = [chunk async for chunk in chain.astream(query)][-1]
    else:
        message = chain.as_chat_model().invoke(query)
    found: dict[str, Any] = message.response_metadata["fusion"]
    return found


@pytest.mark.parametrize("how", ["invoke", "ainvoke", "batch", "stream", "astream", "chat model"])
async def test_the_verdict_is_in_the_metadata_and_in_the_log(log: RoutingLog, how: str) -> None:
    judge = WordJudge()
    found = await ask(make_chain(log, record=True, judge=judge), how, SUM)
    assert found["judgement"] == {
        "score": 1.0,
        "reason": "it looked",
        "judge": "words",
        "judge_version": "1-42",
        "cost": 0.001,
    }
    (entry,), (judgement,) = new(log), list(log.judgements())
    assert (judgement.entry_key, judgement.score, judgement.source) == (entry.key, 1.0, "fusion")
    assert (judgement.judge, judgement.judge_version) == ("words", "1-42")
    (case,) = judge.cases
    assert (case.query.text, case.response, str(case.arm)) == (SUM, "42", "calculator@direct")
    assert (case.entry_key, case.model_version) == (entry.key, "calculator-1")


def test_a_judge_may_be_named_and_its_model_is_one_of_the_pool(log: RoutingLog) -> None:
    judging = scripted_judge(lambda seen: 0.9 if "42" in seen.texts["answer"] else 0.2)
    pool = models(judging=judging)
    chain = make_chain(log, models=pool, record=True, judge="rubric:judging")
    assert chain.invoke(SUM).response_metadata["fusion"]["judgement"]["score"] == 0.9
    assert chain.invoke(KING).response_metadata["fusion"]["judgement"]["score"] == 0.2
    assert scores(log) == [("rubric", 0.9), ("rubric", 0.2)]


def test_a_model_that_is_there_to_judge_answers_nobody(log: RoutingLog) -> None:
    pool = models(judging=scripted_judge(0.5))
    chain = make_chain(log, models=pool, judge="rubric:judging")
    assert "judging" not in {arm.model for arm in chain.steps.arms}
    alone = FusionRouterChain.from_models(pool, judge="panel:rubric:judging+metric")
    assert "judging" not in {arm.model for arm in alone.steps.arms}
    only = FusionRouterChain.from_models({"judging": scripted_judge(0.5)}, judge="rubric:judging")
    assert [arm.model for arm in only.steps.arms] == ["judging"]


@pytest.mark.parametrize("how", ["invoke", "ainvoke", "stream", "astream"])
async def test_a_judge_that_breaks_costs_the_score_and_not_the_answer(
    log: RoutingLog, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    judge = WordJudge(error=RuntimeError("bad key sk-proj-abcdef123456"))
    found = await ask(make_chain(log, record=True, judge=judge), how, SUM)
    assert found["answered_by"] == "calculator@direct"
    (judgement,) = log.judgements()
    assert found["judgement"]["score"] is judgement.score is None
    assert judgement.reason == "the judge failed: RuntimeError: bad key [redacted]"
    assert "abcdef" not in caplog.text
    assert new(log)[0].response == "42"


def test_a_judging_model_that_fails_leaves_the_answer_unscored(log: RoutingLog) -> None:
    pool = models(judging=FakeChatModel(error=ConnectionError("gone")))
    chain = make_chain(log, models=pool, record=True, judge="rubric:judging")
    assert chain.invoke(SUM).content == "42"
    assert scores(log) == [("rubric", None)]


def test_without_a_log_an_answer_is_judged_too(log: RoutingLog) -> None:
    chain = make_chain(log, judge=WordJudge())
    assert chain.invoke(KING).response_metadata["fusion"]["judgement"]["score"] == 0.0
    assert list(log.judgements()) == []


def test_only_the_answer_is_judged_and_no_failed_attempt(log: RoutingLog) -> None:
    judge = WordJudge()
    failing = FakeChatModel(error=ConnectionError("gone"))
    make_chain(log, models=models(calculator=failing), record=True, judge=judge).invoke(SUM)
    failed, answered = new(log)
    assert [case.entry_key for case in judge.cases] == [answered.key]
    assert failed.error == "connection"


def test_a_turn_that_nobody_answers_is_not_judged(log: RoutingLog) -> None:
    judge = WordJudge()
    failing = FakeChatModel(error=ConnectionError("gone"))
    chain = make_chain(log, models={"calculator": failing, "historian": failing}, judge=judge)
    with pytest.raises(AnswerError):
        chain.invoke(SUM)
    assert judge.cases == []


def test_an_answer_without_text_is_not_judged(log: RoutingLog) -> None:
    judge = WordJudge()
    call: Any = {"name": "search", "args": {}, "id": "1"}
    calling = FakeChatModel(
        model="caller", answer=lambda _: AIMessage("", tool_calls=[ToolCall(**call)])
    )
    chain = make_chain(log, models=models(calculator=calling), record=True, judge=judge)
    assert "judgement" not in chain.invoke(SUM).response_metadata["fusion"]
    assert judge.cases == []


def test_the_same_share_of_turns_is_judged_whenever_it_is_repeated(log: RoutingLog) -> None:
    policy = JudgePolicy(WordJudge(), rate=0.25)
    steps = make_chain(log).steps
    turns = [steps.turn(SUM) for _ in range(400)]
    due = [policy.is_due(turn) for turn in turns]
    assert 70 < sum(due) < 130
    assert due == [policy.is_due(turn) for turn in turns]
    assert not any(JudgePolicy(WordJudge(), rate=0).is_due(turn) for turn in turns)
    assert all(JudgePolicy(WordJudge()).is_due(turn) for turn in turns)


def test_a_deferred_judge_is_not_asked_while_answers_wait(log: RoutingLog) -> None:
    judge = WordJudge()
    chain = make_chain(log, record=True, judge=JudgePolicy(judge, "deferred"))
    assert "judgement" not in chain.invoke(SUM).response_metadata["fusion"]
    assert (judge.cases, len(new(log))) == ([], 1)


@pytest.mark.parametrize("wrong", [{"when": "later"}, {"rate": 1.1}, {"rate": float("nan")}])
def test_a_policy_that_means_nothing_is_refused(wrong: Any) -> None:
    with pytest.raises(ConfigError, match="must"):
        JudgePolicy(WordJudge(), **wrong)


def test_a_judge_that_does_not_exist_is_refused_when_the_chain_is_made(log: RoutingLog) -> None:
    with pytest.raises(ConfigError, match="there is no judge 'oracle'"):
        make_chain(log, judge="oracle")


def test_a_verdict_is_stored_once_an_answer_even_if_it_was_given_twice(log: RoutingLog) -> None:
    chain = make_chain(log, judge=WordJudge(), record=True)
    steps = chain.steps
    turn = steps.turn(SUM)
    route = steps.classify([turn])[0]
    answer = steps.answer(turn, route)
    first = steps.judge(turn, answer)
    assert first is not None
    again = first.model_copy(update={"score": 0.0})
    for judgement in (first, first, again):
        steps.recorder.record(turn, route, answer, judgement)
    assert scores(log) == [("words", 1.0)]
    assert isinstance(next(iter(log.judgements())), Judgement)


def test_a_log_that_cannot_be_written_costs_no_answer_its_verdict(
    tmp_path: Path, log: RoutingLog, caplog: pytest.LogCaptureFixture
) -> None:
    other = RoutingLog(tmp_path / "other.db")
    chain = make_chain(log, record=other, judge=WordJudge())
    other.close()
    assert chain.invoke(SUM).response_metadata["fusion"]["judgement"]["score"] == 1.0
    assert "the judgement of entry" in caplog.text


@pytest.mark.parametrize(
    ("given", "reason"),
    [(Verdict(score=7.0), "said 7.0"), (None, "gave no verdict, but NoneType")],
)
async def test_a_verdict_that_is_none_costs_no_answer(
    log: RoutingLog, given: Any, reason: str
) -> None:
    chain = make_chain(log, record=True, judge=Careless(given=given))
    for message in (chain.invoke(SUM), await chain.ainvoke(KING)):
        judgement = message.response_metadata["fusion"]["judgement"]
        assert judgement["score"] is None
        assert reason in judgement["reason"]


@pytest.mark.parametrize("how", ["invoke", "ainvoke", "stream"])
async def test_a_judge_that_cannot_say_its_version_costs_no_answer(
    log: RoutingLog, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    found = await ask(make_chain(log, record=True, judge=Nameless()), how, SUM)
    assert found["answered_by"] == "calculator@direct"
    assert "judgement" not in found
    assert new(log)[0].response == "42"
    assert "an answer was not judged: RuntimeError" in caplog.text


@pytest.mark.parametrize("judge", [5, None, "metric"])
def test_a_policy_takes_a_judge_and_nothing_else(judge: Any) -> None:
    with pytest.raises(ConfigError, match="a policy takes a judge"):
        JudgePolicy(judge)


@dataclass(kw_only=True)
class Careless(WordJudge):
    given: Any

    def judge(self, case: Case, config: RunnableConfig | None = None) -> Any:
        return self.given


@dataclass(kw_only=True)
class Nameless(WordJudge):
    @property
    def version(self) -> str:
        raise RuntimeError("no weights")
