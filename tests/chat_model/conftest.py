"""Two offline models behind one chat model, and what their runs look like to callbacks."""

from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.tracers.base import BaseTracer
from langchain_core.tracers.schemas import Run

from fusion_agents.answering.policy import AnswerPolicy
from fusion_agents.chain import FusionRouterChain
from fusion_agents.chat_model import ChatFusion
from fusion_agents.routers.best import BestRouter
from fusion_agents.testing.fake_chat import FakeChatModel
from fusion_agents.testing.outcomes import make_outcomes

MakeChat = Callable[..., ChatFusion]
QUICK = AnswerPolicy(deadline=20, first_backoff=0.01, max_backoff=0.01, attempts_per_arm=1)


class Runs(BaseTracer):
    """Keeps the finished root runs."""

    def __init__(self) -> None:
        super().__init__()
        self.roots: list[Run] = []

    def _persist_run(self, run: Run) -> None:
        self.roots.append(run)

    def tree(self) -> list[Any]:
        """Types of runs, nested."""
        return [_tree(root) for root in self.roots]


def _tree(run: Run) -> Any:
    return (run.run_type, [_tree(child) for child in run.child_runs])


@pytest.fixture(scope="session")
def router() -> BestRouter:
    """Knows that `model-0` is the best of two."""
    return BestRouter().fit(make_outcomes(n_queries=40, n_arms=2))


@pytest.fixture
def make_chat(router: BestRouter) -> MakeChat:
    """Makes a chat model of two models, called `model-0` (asked first) and `model-1`."""

    def make(first: FakeChatModel | None = None, second: FakeChatModel | None = None) -> ChatFusion:
        models = {
            "model-0": first or FakeChatModel(model="first"),
            "model-1": second or FakeChatModel(model="second"),
        }
        chain = FusionRouterChain.from_router(router, models=models, policy=QUICK)
        return chain.as_chat_model()

    return make


@pytest.fixture
def runs() -> Runs:
    """Traces."""
    return Runs()
