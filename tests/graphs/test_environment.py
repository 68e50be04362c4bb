from collections.abc import Mapping
from pathlib import Path

import pytest

from fusion_agents.classifiers.learned import LearnedClassifier
from fusion_agents.classifiers.llm import LLMClassifier
from fusion_agents.errors import ConfigError
from fusion_agents.graphs.environment import steps_from_environment
from fusion_agents.routers import make_router
from fusion_agents.routers.artefact import save_router
from fusion_agents.routers.exploration import Exploration
from fusion_agents.simulation import simulate_log
from fusion_agents.stores.routing_log import RoutingLog


@pytest.fixture
def given(tmp_path: Path) -> dict[str, str]:
    """Settings for the models and the log of a small simulation."""
    log = tmp_path / "routing.db"
    with RoutingLog(log) as opened:
        opened.append(simulate_log(60))
        names = dict.fromkeys(entry.arm.model for entry in opened.scan())
    models = tmp_path / "models.toml"
    tables = [f'[models."{name}"]\nmodel = "ollama:model-{i}"\n' for i, name in enumerate(names)]
    models.write_text("".join(tables))
    return {"FUSION_AGENTS_MODELS": str(models), "FUSION_AGENTS_LOG": str(log)}


def without(given: Mapping[str, str], name: str, **others: str) -> dict[str, str]:
    return {key: value for key, value in given.items() if key != name} | others


def test_nothing_set_is_an_error_that_says_what_to_set() -> None:
    with pytest.raises(ConfigError, match="set FUSION_AGENTS_MODELS to the path of a models"):
        steps_from_environment({})


def test_a_log_is_learned_from_and_recorded_to(given: dict[str, str]) -> None:
    steps = steps_from_environment(given | {"FUSION_AGENTS_ROUTER": "knn"})
    assert isinstance(steps.classifier, LearnedClassifier)
    assert steps.classifier.router.name == "knn"
    assert str(steps.recorder.log.path) == given["FUSION_AGENTS_LOG"]  # type: ignore[union-attr]


def test_a_saved_router_needs_no_log(given: dict[str, str], tmp_path: Path) -> None:
    with RoutingLog(given["FUSION_AGENTS_LOG"]) as log:
        save_router(make_router("knn").fit(log.outcomes()), tmp_path / "router")
    alone = without(given, "FUSION_AGENTS_LOG", FUSION_AGENTS_ROUTER=str(tmp_path / "router"))
    steps = steps_from_environment(alone | {"FUSION_AGENTS_OBJECTIVE": "balance"})
    assert isinstance(steps.classifier, LearnedClassifier)
    assert (steps.recorder.log, steps.objective.name) == (None, "balance")
    recording = steps_from_environment(given | {"FUSION_AGENTS_ROUTER": str(tmp_path / "router")})
    assert recording.recorder.log is not None


def test_without_a_log_the_first_model_chooses_by_the_cards(given: dict[str, str]) -> None:
    steps = steps_from_environment(without(given, "FUSION_AGENTS_LOG"))
    assert isinstance(steps.classifier, LLMClassifier)
    assert steps.classifier.cards.keys() == steps.pool.models.keys()
    assert "model-0" in steps.classifier.version


def test_so_it_does_while_the_log_has_no_scores(given: dict[str, str], tmp_path: Path) -> None:
    fresh = given | {"FUSION_AGENTS_LOG": str(tmp_path / "fresh.db")}
    steps = steps_from_environment(fresh)
    assert isinstance(steps.classifier, LLMClassifier)
    assert steps.recorder.log is not None


def test_the_choosing_model_can_be_named(given: dict[str, str]) -> None:
    *_, last = steps_from_environment(without(given, "FUSION_AGENTS_LOG")).pool.models
    steps = steps_from_environment(given | {"FUSION_AGENTS_ROUTER": f"llm:{last}"})
    assert isinstance(steps.classifier, LLMClassifier)
    assert "model-0" not in steps.classifier.version
    with pytest.raises(ConfigError, match="nonsense"):
        steps_from_environment(given | {"FUSION_AGENTS_ROUTER": "llm:nonsense"})


def test_a_router_that_is_nowhere_is_an_error_that_names_the_variable(
    given: dict[str, str],
) -> None:
    alone = without(given, "FUSION_AGENTS_LOG", FUSION_AGENTS_ROUTER="no/such/folder")
    with pytest.raises(ConfigError, match="FUSION_AGENTS_ROUTER is 'no/such/folder'"):
        steps_from_environment(alone)
    with pytest.raises(ConfigError, match="no/such/folder"):
        steps_from_environment(given | {"FUSION_AGENTS_ROUTER": "no/such/folder"})


def test_a_judge_and_exploration_can_be_set(given: dict[str, str]) -> None:
    more = {"FUSION_AGENTS_JUDGE": "metric", "FUSION_AGENTS_EXPLORE": "0.1"}
    steps = steps_from_environment(given | more | {"FUSION_AGENTS_ROUTER": "knn"})
    assert steps.judging is not None
    assert steps.judging.judge.name == "metric"
    assert isinstance(steps.classifier, LearnedClassifier)
    assert steps.classifier.exploration == Exploration(rate=0.1)


def test_a_model_that_chooses_by_the_cards_explores_nothing(given: dict[str, str]) -> None:
    alone = without(given, "FUSION_AGENTS_LOG", FUSION_AGENTS_EXPLORE="0.1")
    with pytest.raises(ConfigError, match="FUSION_AGENTS_EXPLORE needs a router"):
        steps_from_environment(alone)
