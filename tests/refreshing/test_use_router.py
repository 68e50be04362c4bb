from pathlib import Path

import numpy as np
import pytest

from fusion_agents.errors import ConfigError
from fusion_agents.refreshing import Refresher, Versions, refresh
from fusion_agents.routers.best import BestRouter
from tests.chain_cases import SUM, make_chain, write_log
from tests.refreshing.logs import START


def test_a_chain_uses_a_new_router_from_the_next_call_on(tmp_path: Path) -> None:
    with write_log(tmp_path / "log.db") as log:
        chain = make_chain(log, explore=0.1)
        refresher = Refresher(Versions(tmp_path / "router"), chain.steps.use_router)
        before = chain.route(SUM)
        refresh(log, tmp_path / "router", "best")
        assert refresher.look()
    assert before.router != "best"
    assert chain.route(SUM).router == "best"
    assert chain.steps.classifier.exploration.rate == 0.1


def test_a_router_that_knows_no_arm_in_use_is_refused(tmp_path: Path) -> None:
    with write_log(tmp_path / "log.db") as log:
        chain = make_chain(log)
    stranger = BestRouter().fit(START.take(np.arange(20)))
    with pytest.raises(ConfigError, match="none of the arms in use; it knows model-0@direct"):
        chain.steps.use_router(stranger)
    assert chain.invoke(SUM).content == "42"
