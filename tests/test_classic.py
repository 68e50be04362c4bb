import subprocess
import sys
from typing import Any

import pytest
from langchain_classic.chains.router.base import MultiRouteChain
from langchain_classic.chains.transform import TransformChain
from langchain_core.messages import HumanMessage
from pydantic import ValidationError

from fusion_agents.classic import ClassicRouterChain
from fusion_agents.classifiers.learned import LearnedClassifier
from fusion_agents.errors import DataError, RouteError
from fusion_agents.routers.knn import KNNRouter
from fusion_agents.testing.outcomes import make_outcomes

LOG = make_outcomes(120)
CLASSIFIER = LearnedClassifier(KNNRouter(k=20).fit(LOG))
ARMS = ("model-0", "model-1", "model-2")
CODE = "python function loop recursion list"
SUMS = "sum product remainder digits fraction"


def router(**options: Any) -> ClassicRouterChain:
    return ClassicRouterChain(**{"classifier": CLASSIFIER, "arms": ARMS, **options})


def test_the_destination_is_the_model_that_the_router_chooses() -> None:
    assert router().invoke({"input": CODE}) == {
        "input": CODE,
        "destination": "model-1",
        "next_inputs": {"input": CODE},
    }
    assert router().route({"input": SUMS}).destination == "model-0"


async def test_it_routes_in_an_event_loop() -> None:
    assert (await router().aroute({"input": CODE})).destination == "model-1"


def test_the_destination_may_be_the_arm() -> None:
    assert router(by="arm").route({"input": CODE}).destination == "model-1@direct"


def test_messages_are_routed_by_their_last_question() -> None:
    asked = [HumanMessage(SUMS), HumanMessage(CODE)]
    assert router(input_key="messages").route({"messages": asked}).destination == "model-1"


def test_only_the_given_arms_are_destinations() -> None:
    assert router(arms=ARMS[:1]).route({"input": CODE}).destination == "model-0"


def test_the_objective_decides() -> None:
    assert router(objective="cost=1").route({"input": CODE}).destination == "model-0"


def test_an_objective_that_leaves_no_arm_is_an_error() -> None:
    with pytest.raises(RouteError):
        router(objective="performance-first,max_cost=1e-12").route({"input": CODE})


def test_an_input_without_a_question_is_an_error() -> None:
    with pytest.raises(DataError):
        router().route({"input": []})


@pytest.mark.parametrize("arms", [(), ("model-0", "model-0@direct")])
def test_arms_must_be_there_and_be_named_once(arms: tuple[str, ...]) -> None:
    with pytest.raises(ValidationError):
        router(arms=arms)


def test_a_multi_route_chain_runs_the_chain_of_the_chosen_model() -> None:
    chain = MultiRouteChain(
        router_chain=router(),
        destination_chains={name: _named(name) for name in ARMS},
        default_chain=_named("default"),
    )
    assert chain.invoke({"input": CODE})["output"] == "model-1"


def test_without_langchain_classic_making_one_says_what_to_install() -> None:
    program = (
        "import sys; sys.modules['langchain_classic'] = None\n"
        "from fusion_agents.classic import ClassicRouterChain\n"
        "from fusion_agents.errors import ConfigError\n"
        "try: ClassicRouterChain(classifier=None, arms=())\n"
        "except ConfigError as error: print(error)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert "pip install langchain-classic" in run.stdout


def _named(name: str) -> TransformChain:
    return TransformChain(
        input_variables=["input"], output_variables=["output"], transform=lambda _: {"output": name}
    )
