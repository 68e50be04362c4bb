"""The standard suites of LangChain, passed offline."""

import base64
from typing import Any

import httpx
import pytest
from langchain_core.language_models import BaseChatModel
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests

from fusion_agents.testing.fake_chat import FakeChatModel

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
    "gg=="
)


class Able:
    """What the model is able to do."""

    supports_json_mode = True
    supports_image_inputs = True
    supports_image_urls = True
    supports_pdf_inputs = True
    supports_audio_inputs = True
    supports_anthropic_inputs = True
    supports_image_tool_message = True
    supports_pdf_tool_message = True
    model_override_value = "another-model"

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return FakeChatModel

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"model": "fake-model"}


class TestUnit(Able, ChatModelUnitTests):
    """Everything that needs no call."""


class TestByToolCall(Able, ChatModelIntegrationTests):
    """Everything, with structured output by tool call."""

    @pytest.fixture(autouse=True)
    def _downloads_give_one_pixel(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The suite downloads its picture, its document and its sound."""
        monkeypatch.setenv("LANGCHAIN_TESTS_USER_AGENT", "tests")
        monkeypatch.setattr(httpx, "get", lambda *_, **__: httpx.Response(200, content=PIXEL))


class TestByJsonMode(TestByToolCall):
    """The same in JSON mode."""

    structured_output_kwargs = {"method": "json_mode"}  # noqa: RUF012


class TestByJsonSchema(TestByToolCall):
    """The same by JSON schema."""

    structured_output_kwargs = {"method": "json_schema"}  # noqa: RUF012
