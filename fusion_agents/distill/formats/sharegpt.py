"""ShareGPT's conversations of a human and a model, as LLaMA-Factory and others read them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from pydantic import JsonValue

from fusion_agents.distill.data.prompting import Role, Turn
from fusion_agents.distill.formats.base import (
    Demonstration,
    ExportFormat,
    Files,
    Material,
    json_list,
    parsed_list,
)
from fusion_agents.distill.formats.llamafactory import training_settings
from fusion_agents.distill.formats.rows import file_in, first_system, text_of
from fusion_agents.errors import RowError

FILE, DATASET = "sharegpt.json", "fusion_agents_sharegpt"
SETTINGS = "llamafactory_sharegpt.yaml"

_SPEAKERS = {"user": "human", "assistant": "gpt"}
_ROLES = {speaker: role for role, speaker in _SPEAKERS.items()}


@dataclass(kw_only=True)
class ShareGPTFormat(ExportFormat):
    """`conversations` of `human` and `gpt` in turn, and `system`.

    Beside them lie the entry of `dataset_info.json` and the settings of a training in
    LLaMA-Factory. Source: its `data/README.md`.
    """

    name = "sharegpt"

    def write(self, material: Material) -> dict[str, bytes]:
        """Write one object for each demonstration."""
        rows = [_row(one) for one in material.demonstrations]
        settings = training_settings(SETTINGS, DATASET, material.base)
        return {FILE: json_list(rows), SETTINGS: settings}

    def read(self, files: Files) -> Material:
        """Read them back."""
        rows = enumerate(parsed_list(FILE, file_in(files, FILE)), 2)
        return Material(tuple(_demonstration(line, row) for line, row in rows))

    def dataset_info(self) -> dict[str, JsonValue]:
        """Which field is which, and who is who."""
        return {
            DATASET: {
                "file_name": FILE,
                "formatting": "sharegpt",
                "columns": {"messages": "conversations", "system": "system"},
                "tags": {
                    "role_tag": "from",
                    "content_tag": "value",
                    "user_tag": "human",
                    "assistant_tag": "gpt",
                },
            }
        }


def _row(one: Demonstration) -> dict[str, Any]:
    system, turns = first_system(one.prompt, "LLaMA-Factory")
    said = [{"from": _SPEAKERS[turn["role"]], "value": turn["content"]} for turn in turns]
    return {"conversations": [*said, {"from": "gpt", "value": one.answer}], "system": system}


def _demonstration(line: int, row: Mapping[str, Any]) -> Demonstration:
    found = row.get("conversations")
    turns = [_turn(line, one) for one in found] if isinstance(found, list) else []
    if len(turns) < 2 or turns[-1]["role"] != "assistant":
        raise RowError(FILE, line, "'conversations' must be turns, the last one of 'gpt'")
    system = text_of(FILE, line, row, "system")
    begin: list[Turn] = [{"role": "system", "content": system}] if system else []
    return Demonstration((*begin, *turns[:-1]), turns[-1]["content"])


def _turn(line: int, value: object) -> Turn:
    if not isinstance(value, dict) or value.get("from") not in _ROLES:
        raise RowError(FILE, line, "a turn must be 'from' either 'human' or 'gpt'")
    role = cast(Role, _ROLES[value["from"]])
    return {"role": role, "content": text_of(FILE, line, value, "value")}
