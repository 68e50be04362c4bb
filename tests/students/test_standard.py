"""The standard suites of LangChain, passed by a small student."""

from pathlib import Path
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests

from fusion_agents.students import StudentChatModel

pytest.importorskip("peft")


class Student:
    """The model that is tested: words alone, without tools, pictures or structured output."""

    folder: str

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _one_student(cls, student: Path) -> None:
        cls.folder = str(student)

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return StudentChatModel

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"folder": self.folder}

    @property
    def standard_chat_model_params(self) -> dict[str, Any]:
        """There is no key, and nothing that could be tried again."""
        return {"temperature": 0, "max_tokens": 16, "timeout": 60, "stop": []}

    has_tool_calling = False
    has_structured_output = False


class TestUnit(Student, ChatModelUnitTests):
    """Everything that needs no answer."""


class TestIntegration(Student, ChatModelIntegrationTests):
    """Everything that does."""

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"folder": self.folder, "max_tokens": 16}
