from dataclasses import replace

import numpy as np
import pytest

from fusion_agents.errors import ConfigError, ObjectiveError
from fusion_agents.outcomes import Outcomes
from fusion_agents.routers.catalogue import make_router
from fusion_agents.routers.largest import LargestRouter, model_size
from fusion_agents.testing.outcomes import make_outcomes
from fusion_agents.types import Arm


def chosen(log: Outcomes, router: LargestRouter | None = None) -> set[str]:
    routes = (router or LargestRouter()).fit(log).route(log.queries)
    return {str(route.arm) for route in routes}


def with_names(*names: str, costs: bool = True) -> Outcomes:
    log = make_outcomes(40, n_arms=len(names), costs=costs)
    return replace(log, arms=tuple(map(Arm.parse, names)))


@pytest.mark.parametrize(
    ("name", "billions"),
    [
        ("llama-3.1-70b-instruct", 70.0),
        ("meta-llama/Llama-3.2-1B", 1.0),
        ("gemma2:9b", 9.0),
        ("phi-3.8b", 3.8),
        ("mistralai/Mixtral-8x7B-Instruct-v0.1", 56.0),
        ("qwen3.5-122B-A10B", 122.0),
        ("pythia-160m", 0.16),
        ("kimi-1t", 1000.0),
        ("qwen2.5-14b-instruct-1m", 14.0),
    ],
)
def test_sizes_are_read_from_names(name: str, billions: float) -> None:
    assert model_size(name) == pytest.approx(billions)


@pytest.mark.parametrize("name", ["gpt-4-1106-preview", "claude-v2", "o3", "model-128k", "4bit"])
def test_names_without_a_size_have_none(name: str) -> None:
    assert np.isnan(model_size(name))


def test_the_largest_model_is_chosen_and_unknown_sizes_come_last() -> None:
    assert chosen(with_names("a-7b", "b-70b", "c-13b", "unknown")) == {"b-70b@direct"}


def test_of_one_models_strategies_the_cheaper_one_is_chosen() -> None:
    assert chosen(with_names("a-7b", "b-70b@direct", "b-70b@think")) == {"b-70b@direct"}


def test_sizes_can_be_given() -> None:
    router = make_router("largest:sizes=alpha=3|beta=1.5")
    assert chosen(with_names("alpha", "beta", "c-2b"), router) == {"alpha@direct"}  # type: ignore[arg-type]


def test_where_no_size_is_known_the_dearest_arm_is_chosen() -> None:
    assert chosen(with_names("small", "medium", "large")) == {"large@direct"}


def test_neither_sizes_nor_costs_is_an_error_that_says_what_to_give() -> None:
    with pytest.raises(ObjectiveError, match="sizes="):
        chosen(with_names("small", "large", costs=False))


def test_sizes_that_cannot_be_read_are_refused() -> None:
    with pytest.raises(ConfigError, match="model=billions"):
        chosen(with_names("small", "large"), LargestRouter(sizes="small=tiny"))
