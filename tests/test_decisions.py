from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, HumanMessage

from fusion_agents.classifiers.learned import LearnedClassifier
from fusion_agents.decisions import AVAILABLE, FusionDecisionModel, chance_of_best
from fusion_agents.errors import ConfigError, DataError
from fusion_agents.routers.artefact import save_router
from fusion_agents.routers.best import BestRouter
from fusion_agents.routers.knn import KNNRouter
from fusion_agents.testing.fake_chat import FakeChatModel
from fusion_agents.testing.outcomes import make_outcomes
from fusion_agents.types import Arm

decisions: Any = import_module("langchain_core.decisions") if AVAILABLE else None

LOG = make_outcomes(120)
ROUTER = KNNRouter(k=20).fit(LOG)
CODE = "python function loop recursion list"

needs_decisions = pytest.mark.skipif(not AVAILABLE, reason="langchain-core is older than 1.8")


def model(**options: Any) -> FusionDecisionModel:
    return FusionDecisionModel(
        **{"classifier": LearnedClassifier(ROUTER), "arms": ROUTER.fitted.arm_nouns, **options}
    )


def question(*labels: str) -> Any:
    return decisions.Choice(
        instructions="Which model should take this?", criteria=dict.fromkeys(labels)
    )


def answer(made: FusionDecisionModel, state: Any, *labels: str) -> Any:
    asked = {"state": state, "questions": {"route": question(*labels)}}
    return made.invoke(asked).choices["route"]


@pytest.mark.skipif(AVAILABLE, reason="langchain-core has decision models")
def test_an_older_core_is_named_when_a_decision_model_is_made() -> None:
    with pytest.raises(ConfigError, match=r"langchain-core >= 1\.8"):
        model()


@needs_decisions
def test_the_choice_is_the_label_of_the_arm_that_the_router_chooses() -> None:
    found = answer(model(), CODE, "model-0", "model-1", "model-2")
    assert found.choice == "model-1"
    assert sum(found.probabilities.values()) == pytest.approx(1.0)
    assert found.confidence == found.probabilities["model-1"] == max(found.probabilities.values())


@needs_decisions
async def test_it_answers_in_an_event_loop() -> None:
    asked = {"state": CODE, "questions": {"route": question("model-0", "model-1")}}
    assert (await model().ainvoke(asked)).choices["route"].choice == "model-1"


@needs_decisions
@pytest.mark.parametrize(
    "state",
    [
        HumanMessage(CODE),
        [HumanMessage("king empire treaty"), AIMessage("Yes."), HumanMessage(CODE)],
        {"messages": [HumanMessage(CODE)]},
    ],
)
def test_messages_are_read_by_their_last_question(state: Any) -> None:
    assert answer(model(), state, "model-0", "model-1").choice == "model-1"


@needs_decisions
def test_only_the_labels_of_the_question_may_be_chosen() -> None:
    assert answer(model(), CODE, "model-0", "model-2").choice != "model-1"


@needs_decisions
def test_labels_may_be_given_a_meaning() -> None:
    made = model(labels={"fast": "model-0", "powerful": "model-1@direct"})
    assert answer(made, CODE, "fast", "powerful").choice == "powerful"


@needs_decisions
def test_the_objective_decides() -> None:
    assert answer(model(objective="cost=1"), CODE, "model-0", "model-1").choice == "model-0"


@needs_decisions
def test_without_standard_errors_the_choice_is_certain() -> None:
    router = BestRouter().fit(LOG)
    made = model(classifier=LearnedClassifier(router), objective="cost=1")
    assert answer(made, CODE, "model-0", "model-1").probabilities == {"model-0": 1, "model-1": 0}


@needs_decisions
def test_without_known_arms_a_label_names_itself() -> None:
    assert answer(model(arms=()), CODE, "model-0", "model-1").choice == "model-1"


@needs_decisions
def test_a_label_that_names_no_arm_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"'other' stands for no arm of .*model-0@direct"):
        answer(model(), CODE, "model-0", "other")


@needs_decisions
def test_labels_that_mean_the_same_arm_are_refused() -> None:
    with pytest.raises(ConfigError, match="both mean model-0@direct"):
        answer(model(), CODE, "model-0", "model-0@direct")


@needs_decisions
def test_a_question_of_another_kind_is_refused() -> None:
    with pytest.raises(ConfigError, match="is a noul"):
        model().invoke({"state": CODE, "questions": {"hard": decisions.Noul(instructions="Hard?")}})


@needs_decisions
def test_a_state_without_a_question_is_refused() -> None:
    with pytest.raises(DataError):
        answer(model(), {"temperature": 20}, "model-0", "model-1")


@needs_decisions
def test_a_saved_router_answers_under_its_version(tmp_path: Path) -> None:
    save_router(ROUTER, tmp_path / "router")
    made = FusionDecisionModel.from_router(tmp_path / "router", labels={"fast": "model-0"})
    asked = {"state": CODE, "questions": {"route": question("fast", "model-1")}}
    response = made.invoke(asked)
    assert response.model == ROUTER.version
    assert response.choices["route"].choice == "model-1"


@needs_decisions
@pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")
def test_langchains_own_router_middleware_asks_it() -> None:
    middleware = pytest.importorskip("langchain.agents.middleware")
    if not hasattr(middleware, "ModelRouterMiddleware"):
        pytest.skip("langchain is older than 1.5")
    names = ("model-0", "model-1", "model-2")
    choices = {
        name: middleware.ModelChoice(FakeChatModel(model=name, answer=name), "") for name in names
    }
    router = middleware.ModelRouterMiddleware(
        choices=choices, instructions="Which model?", classifier=model()
    )
    agent = create_agent(FakeChatModel(answer="nobody"), middleware=[router])
    asked: Any = {"messages": [HumanMessage(CODE)]}
    assert agent.invoke(asked)["messages"][-1].content == "model-1"


def test_the_chance_of_being_best_is_that_of_drawing_many_times() -> None:
    means, stds = np.array([0.5, 0.4, 0.45]), np.array([0.05, 0.2, 0.1])
    drawn = np.random.default_rng(0).normal(means, stds, (200_000, 3)).argmax(axis=1)
    assert chance_of_best(means, stds) == pytest.approx(np.bincount(drawn) / 200_000, abs=0.005)


@pytest.mark.parametrize("stds", [[0.0, 0.0], [1e-9, 0.3], [0.3, 1e-9]])
def test_equal_arms_have_equal_chances_however_sure_the_forecasts_are(stds: list[float]) -> None:
    found = chance_of_best(np.array([0.5, 0.5]), np.array(stds))
    assert found == pytest.approx([0.5, 0.5], abs=0.01)


def test_a_sure_forecast_is_sure() -> None:
    found = chance_of_best(np.array([0.5, 0.4]), np.zeros(2))
    assert found == pytest.approx([1.0, 0.0], abs=1e-9)


def test_arms_are_read_from_their_names() -> None:
    if AVAILABLE:
        assert model(arms=("a", "b@think")).arms == (Arm.parse("a"), Arm.parse("b@think"))
