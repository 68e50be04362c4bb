"""The standard suites of LangChain, passed by a routed chat model over two offline models."""

from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests

from fusion_agents.chain import FusionRouterChain
from fusion_agents.chat_model import ChatFusion
from fusion_agents.routers.base import Router
from fusion_agents.routers.knn import KNNRouter
from fusion_agents.testing.fake_chat import FakeChatModel
from fusion_agents.testing.outcomes import make_outcomes
from tests.langchain_suites import Able, Offline


class Routed(Able):
    """The model that is tested."""

    model_override_value = "model-1"

    router: Router

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _one_fit(cls) -> None:
        cls.router = KNNRouter().fit(make_outcomes(n_queries=60, n_arms=2))

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatFusion

    @property
    def chat_model_params(self) -> dict[str, Any]:
        models = {name: FakeChatModel(model=name) for name in ("model-0", "model-1")}
        return {"chain": FusionRouterChain.from_router(self.router, models=models)}

    @property
    def standard_chat_model_params(self) -> dict[str, Any]:
        """Retries and timeouts are the chain's, keys are the models'."""
        return {"temperature": 0, "max_tokens": 100, "stop": []}


class TestUnit(Routed, ChatModelUnitTests):
    """Everything that needs no call."""


class TestByDefault(Routed, Offline, ChatModelIntegrationTests):
    """Everything, with structured output by whatever the chosen model prefers."""


class TestByJsonMode(TestByDefault):
    """The same in JSON mode."""

    structured_output_kwargs = {"method": "json_mode"}  # noqa: RUF012


class TestByJsonSchema(TestByDefault):
    """The same by JSON schema."""

    structured_output_kwargs = {"method": "json_schema"}  # noqa: RUF012
