import json

import pytest
import yaml

from fusion_agents.distill.data.prompting import Turn
from fusion_agents.distill.formats.alpaca import AlpacaFormat
from fusion_agents.distill.formats.base import Demonstration, Material
from fusion_agents.distill.formats.sharegpt import ShareGPTFormat
from fusion_agents.errors import ConfigError
from tests.distill.formats.test_contract import asked

ONE = Material((Demonstration(asked("2 + 2?"), "4"),))
TALK: tuple[Turn, ...] = (
    {"role": "user", "content": "a"},
    {"role": "assistant", "content": "b"},
    {"role": "user", "content": "c"},
)


@pytest.mark.parametrize(
    ("format_", "name"),
    [(AlpacaFormat(), "llamafactory.yaml"), (ShareGPTFormat(), "llamafactory_sharegpt.yaml")],
)
def test_the_settings_are_the_neutral_defaults(
    format_: AlpacaFormat | ShareGPTFormat, name: str
) -> None:
    base = 'org/model: "x" # y'
    text = format_.write(ONE._replace(base=base))[name].decode()
    settings = yaml.safe_load(text)
    assert settings["model_name_or_path"] == base
    assert [settings["dataset"]] == list(format_.dataset_info())
    wanted = {
        "stage": "sft",
        "do_train": True,
        "finetuning_type": "lora",
        "lora_rank": 8,
        "lora_target": "all",
        "dataset_dir": ".",
        "cutoff_len": 2048,
        "learning_rate": 1e-4,
        "num_train_epochs": 3.0,
        "lr_scheduler_type": "cosine",
        "warmup_ratio": 0.1,
        "bf16": True,
        "per_device_train_batch_size": 1,
        "gradient_accumulation_steps": 8,
        "trust_remote_code": False,
    }
    assert wanted.items() <= settings.items()
    assert "template" not in settings
    assert "own chat template" in text
    assert f"llamafactory-cli train {name}" in text


def test_without_a_base_its_place_is_left_open_and_said() -> None:
    text = AlpacaFormat().write(ONE)["llamafactory.yaml"].decode()
    assert yaml.safe_load(text)["model_name_or_path"] == "BASE"
    assert "put the model here" in text


def test_alpaca_has_the_columns_that_its_entry_names() -> None:
    entry = AlpacaFormat().dataset_info()["fusion_agents_alpaca"]
    rows = json.loads(AlpacaFormat().write(ONE)["alpaca.json"])
    assert rows == [{"instruction": "2 + 2?", "input": "", "output": "4", "system": ""}]
    assert isinstance(entry, dict)
    assert isinstance(entry["columns"], dict)
    assert set(entry["columns"].values()) == rows[0].keys()


def test_sharegpt_has_the_columns_and_tags_that_its_entry_names() -> None:
    rows = json.loads(ShareGPTFormat().write(ONE)["sharegpt.json"])
    said = [{"from": "human", "value": "2 + 2?"}, {"from": "gpt", "value": "4"}]
    assert rows == [{"conversations": said, "system": ""}]
    entry = ShareGPTFormat().dataset_info()["fusion_agents_sharegpt"]
    assert entry == {
        "file_name": "sharegpt.json",
        "formatting": "sharegpt",
        "columns": {"messages": "conversations", "system": "system"},
        "tags": {
            "role_tag": "from",
            "content_tag": "value",
            "user_tag": "human",
            "assistant_tag": "gpt",
        },
    }


def test_a_conversation_is_for_sharegpt_and_not_for_alpaca() -> None:
    made = Material((Demonstration(TALK, "d"),))
    files = ShareGPTFormat().write(made)
    assert ShareGPTFormat().read(files) == made
    assert yaml.safe_load(files["llamafactory_sharegpt.yaml"])["mask_history"] is True
    with pytest.raises(ConfigError, match="take the format sharegpt or trl"):
        AlpacaFormat().write(made)


@pytest.mark.parametrize(
    "prompt", [(*TALK, *TALK), TALK[:2], TALK[1:], (TALK[0], {"role": "system", "content": "s"})]
)
def test_turns_that_do_not_alternate_are_refused(prompt: tuple[Turn, ...]) -> None:
    with pytest.raises(ConfigError, match="turns that alternate"):
        ShareGPTFormat().write(Material((Demonstration(prompt, "d"),)))
