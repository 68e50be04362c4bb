"""The standard suites of LangChain, passed offline."""

from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests

from fusion_agents.testing.fake_chat import FakeChatModel
from tests.langchain_suites import Able, Offline


class Fake(Able):
    """The model that is tested."""

    model_override_value = "another-model"

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return FakeChatModel

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"model": "fake-model"}


class TestUnit(Fake, ChatModelUnitTests):
    """Everything that needs no call."""


class TestByToolCall(Fake, Offline, ChatModelIntegrationTests):
    """Everything, with structured output by tool call."""


class TestByJsonMode(TestByToolCall):
    """The same in JSON mode."""

    structured_output_kwargs = {"method": "json_mode"}  # noqa: RUF012


class TestByJsonSchema(TestByToolCall):
    """The same by JSON schema."""

    structured_output_kwargs = {"method": "json_schema"}  # noqa: RUF012
