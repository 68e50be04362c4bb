"""What TRL itself says of the files for it."""

from pathlib import Path
from typing import Any

import pytest

datasets = pytest.importorskip("datasets")
pytest.importorskip("trl")
data_utils = pytest.importorskip("trl.data_utils")

from fusion_agents.distill.formats.dpo import DPOFormat  # noqa: E402
from fusion_agents.distill.formats.trl import TRLFormat  # noqa: E402
from fusion_agents.testing.export_format_contract import TEXTS  # noqa: E402
from tests.distill.formats.test_contract import demonstrations, preferences  # noqa: E402

TEMPLATE = (
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}</{{ m.role }}>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    tokenizers = pytest.importorskip("tokenizers")
    transformers = pytest.importorskip("transformers")
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel({"?": 0}, unk_token="?"))
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=made, unk_token="?")
    fast.chat_template = TEMPLATE
    return fast


def loaded(path: Path, content: bytes, cache: Path) -> Any:
    path.write_bytes(content)
    found = datasets.load_dataset("json", data_files=str(path), split="train", cache_dir=str(cache))
    return list(found)


def test_prompt_completion_is_loaded_unchanged_and_taken_as_a_conversation(
    tmp_path: Path, tokenizer: Any
) -> None:
    files = TRLFormat().write(demonstrations(TEXTS))
    rows = loaded(tmp_path / "trl.jsonl", files["trl.jsonl"], tmp_path / "cache")
    for row, one in zip(rows, demonstrations(TEXTS).demonstrations, strict=True):
        assert row["prompt"] == list(one.prompt)
        assert row["completion"] == [{"role": "assistant", "content": one.answer}]
        assert data_utils.is_conversational(row)
        flat = data_utils.apply_chat_template(row, tokenizer)
        assert flat["prompt"].endswith(f"<user>{one.prompt[-1]['content']}</user><assistant>")
        assert flat["completion"] == f"{one.answer}</assistant>"


def test_preferences_are_loaded_unchanged_and_taken_as_conversations(
    tmp_path: Path, tokenizer: Any
) -> None:
    files = DPOFormat().write(preferences(TEXTS))
    rows = loaded(tmp_path / "dpo.jsonl", files["dpo.jsonl"], tmp_path / "cache")
    for row, one in zip(rows, preferences(TEXTS).preferences, strict=True):
        assert row["prompt"] == list(one.prompt)
        assert data_utils.is_conversational(row)
        flat = data_utils.maybe_apply_chat_template(row, tokenizer)
        assert flat["chosen"] == f"{one.chosen}</assistant>"
        assert flat["rejected"] == f"{one.rejected}</assistant>"
