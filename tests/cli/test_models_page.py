"""What the page on `models.toml` shows and lists is what can be used."""

import re
from pathlib import Path

import pytest

from fusion_agents.pool.pool import Pool
from fusion_agents.pool.tables import ModelTable, Price

PAGE = (Path(__file__).parents[2] / "docs" / "models.md").read_text(encoding="utf-8")
TABLES = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("table", TABLES)
def test_each_file_that_is_shown_makes_chat_models(
    table: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_API_KEY_OF_THE_TEAM", "GATEWAY_KEY"):
        monkeypatch.setenv(name, "test-key")
    (tmp_path / "models.toml").write_text(table)
    pool = Pool.from_toml(tmp_path / "models.toml")
    assert [pool.chat_model(name) for name in pool.models]


def test_every_key_is_described() -> None:
    described = set(re.findall(r"`(\w+)`", PAGE))
    assert len(TABLES) == 4
    assert {*ModelTable.model_fields, *Price.model_fields} <= described
