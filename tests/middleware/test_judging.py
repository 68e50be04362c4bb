"""An agent's answers are judged where their text is an answer."""

from pathlib import Path

from fusion_agents.middleware import FusionRouterMiddleware
from fusion_agents.steps.feedback import feedback_from
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.testing.fake_chat import FakeChatModel
from tests.chain_cases import QUICK
from tests.judge_cases import WordJudge
from tests.middleware.agents import WordClassifier, agent, ask, calls_weather, says, weather


async def test_the_last_words_are_judged_and_calls_of_tools_are_not(tmp_path: Path) -> None:
    judge = WordJudge(word="sunny")
    with RoutingLog(tmp_path / "log.db") as log:
        for number in range(2):
            model = FakeChatModel(model="m", answer=says(calls_weather(), "It is sunny."))
            router = FusionRouterMiddleware.from_models(
                {"m": model}, classifier=WordClassifier(), policy=QUICK, record=log, judge=judge
            )
            made = agent(router, tools=[weather])
            question = ask("What is the weather like in Rome?")
            state = made.invoke(question) if number else await made.ainvoke(question)
            evidence = state["messages"][-1].response_metadata["fusion"]
            assert evidence["judgement"]["score"] == 1.0
            assert state["fusion_route"]["judgement"] == evidence["judgement"]
            assert "judgement" not in state["messages"][1].response_metadata["fusion"]
        assert [judgement.score for judgement in log.judgements()] == [1.0, 1.0]
        assert len(judge.cases) == 2

        said = feedback_from(state["messages"][-1], "down")
        assert router.steps.recorder.feedback(said).score == 0.0
