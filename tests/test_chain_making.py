"""What a chain is made from, what is refused then, and copies of it."""

import copy
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fusion_agents.chain import FusionRouterChain
from fusion_agents.errors import ConfigError, ObjectiveError
from fusion_agents.pool.pool import Pool
from fusion_agents.routers.artefact import save_router
from fusion_agents.routers.best import BestRouter
from fusion_agents.routers.knn import KNNRouter
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.strategies.few_shot import FewShotStrategy
from fusion_agents.testing.fake_chat import FakeChatModel
from fusion_agents.testing.openai_server import OpenAIServer
from fusion_agents.testing.outcomes import make_outcomes
from fusion_agents.types import Arm, LogEntry, Query
from tests.chain_cases import KING, SUM, make_chain, models, write_log
from tests.chat_model.conftest import Runs


@pytest.fixture
def log(tmp_path: Path) -> Iterator[RoutingLog]:
    with write_log(tmp_path / "log.db") as opened:
        yield opened


def test_a_chain_is_made_from_a_path_or_a_saved_router(log: RoutingLog, tmp_path: Path) -> None:
    log.close()
    save_router(BestRouter().fit(make_outcomes(n_queries=20, n_arms=2)), tmp_path / "router")

    by_path = FusionRouterChain.from_log(tmp_path / "log.db", models=models(), router="knn")
    pool = {"model-0": FakeChatModel(answer="0"), "model-1": FakeChatModel(answer="1")}
    by_router = FusionRouterChain.from_router(tmp_path / "router", models=pool)

    assert by_path.invoke(SUM).content == "42"
    assert by_router.invoke(SUM).content == "0"


def test_a_router_that_is_fitted_is_used_as_it_is(log: RoutingLog) -> None:
    fitted = KNNRouter(k=3).fit(log.outcomes())

    chain = make_chain(log, router=fitted)

    assert chain.route(SUM).router_version == fitted.version


def test_without_a_log_a_model_picks() -> None:
    chooser = FakeChatModel(model="chooser")
    runs = Runs()
    chain = FusionRouterChain.from_models({"small": chooser, "large": FakeChatModel(answer="yes")})

    answer = chain.invoke(SUM, {"callbacks": [runs]})

    assert chooser.calls >= 1
    assert answer.response_metadata["fusion"]["router"] == "llm"
    assert chain.coverage is None
    assert len(runs.roots) == 1
    assert len(runs.roots[0].child_runs) >= 2


def test_arms_that_only_one_side_has_are_named(
    log: RoutingLog, caplog: pytest.LogCaptureFixture
) -> None:
    pool = {"calculator": FakeChatModel(answer="42"), "newcomer": FakeChatModel(answer="new")}

    chain = make_chain(log, models=pool)

    assert "historian@direct" in caplog.text
    assert "newcomer@direct" in caplog.text
    assert chain.coverage is not None
    assert chain.coverage.learned == (Arm(model="calculator"),)
    assert chain.invoke(KING).content == "42"
    fusion = chain.invoke(KING).response_metadata["fusion"]
    assert [row["arm"] for row in fusion["forecast"]] == ["calculator@direct", "newcomer@direct"]


def test_examples_are_shown_to_a_model_of_the_pool_that_asks_for_them(log: RoutingLog) -> None:
    shown = FakeChatModel(model="historian-1", answer="Henry")
    asked = {"model": shown, "strategies": ["direct", "few-shot"]}

    chain = make_chain(log, models=models(historian=asked))
    chain.invoke(f"{KING} and why", {"configurable": {"arm": "historian@few-shot"}})

    assert chain.coverage is not None
    assert chain.coverage.unlearned == (Arm(model="historian", strategy="few-shot"),)
    assert len(shown.received[-1].messages) > 1


def test_examples_of_the_users_own_are_kept(log: RoutingLog) -> None:
    own = FewShotStrategy.from_log(log.scan(), k=1)
    asked = {"model": FakeChatModel(), "strategies": ["direct", "few-shot"]}
    pool = Pool(models(historian=asked), strategies={"few-shot": own})

    assert make_chain(log, models=pool).pool.strategy("few-shot") is own


def test_a_log_without_examples_leaves_out_that_strategy_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with RoutingLog(tmp_path / "wordless.db") as log:
        log.append(
            LogEntry(
                query=Query(text=f"{KING} {number}"),
                arm=Arm(model="historian", strategy=strategy),
                performance=0.5,
            )
            for number in range(12)
            for strategy in ("direct", "few-shot")
        )
        chain = make_chain(log)

    assert Arm(model="historian") in chain.steps.arms
    assert Arm(model="historian", strategy="few-shot") not in chain.steps.arms
    assert "nothing is prompted as 'few-shot'" in caplog.text


def test_an_objective_that_the_log_cannot_serve_is_refused_at_once(log: RoutingLog) -> None:
    fitted = KNNRouter().fit(log.outcomes())

    with pytest.raises(ObjectiveError, match="weighs judge, which this log does not have"):
        make_chain(log, objective="judge")
    with pytest.raises(ObjectiveError, match="weighs judge"):
        FusionRouterChain.from_router(fitted, models=models(), objective="judge")

    newcomer = {**models(), "newcomer": FakeChatModel(answer="new")}
    named = make_chain(log, models=newcomer, objective="performance=1,arms=newcomer")
    assert named.invoke(SUM).content == "new"


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda chain: pickle.loads(pickle.dumps(chain))])
def test_a_chain_that_has_answered_can_be_copied(
    log: RoutingLog, copied: Callable[[Any], Any]
) -> None:
    with OpenAIServer() as server:
        pool = {name: {"model": name, "base_url": server.base_url} for name in models()}
        chain = make_chain(log, models=pool)
        first = chain.invoke(SUM)

        again = copied(chain.as_chat_model()).invoke(SUM)

    assert again.response_metadata["fusion"]["arm"] == first.response_metadata["fusion"]["arm"]
    assert server.hits == 2


def test_nothing_in_common_is_refused(log: RoutingLog) -> None:
    with pytest.raises(ConfigError, match="no arm in common"):
        make_chain(log, models={"other": FakeChatModel()})
