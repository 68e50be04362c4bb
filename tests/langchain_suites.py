"""What LangChain's standard suites need to know and to download, for models that run offline."""

import base64

import httpx
import pytest

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
    "gg=="
)


class Able:
    """What the models are able to do."""

    supports_json_mode = True
    supports_image_inputs = True
    supports_image_urls = True
    supports_pdf_inputs = True
    supports_audio_inputs = True
    supports_anthropic_inputs = True
    supports_image_tool_message = True
    supports_pdf_tool_message = True


class Offline:
    """Downloads nothing."""

    @pytest.fixture(autouse=True)
    def _downloads_give_one_pixel(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The suite downloads its picture, its document and its sound."""
        monkeypatch.setenv("LANGCHAIN_TESTS_USER_AGENT", "tests")
        monkeypatch.setattr(httpx, "get", lambda *_, **__: httpx.Response(200, content=PIXEL))
