"""A key that must be seen nowhere."""

import pytest

from tests.pool.planted import KEY


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> str:
    """Put the key where OpenAI's package looks for it."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    return KEY


@pytest.fixture(autouse=True)
def no_other_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_ADMIN_KEY", "OPENAI_BASE_URL", "OPENAI_API_BASE"):
        monkeypatch.delenv(name, raising=False)
