"""Alpaca's instruction and output, with all that LLaMA-Factory needs to train on them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue

from fusion_agents.distill.data.prompting import Turn
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
from fusion_agents.errors import ConfigError

FILE, SETTINGS, DATASET = "alpaca.json", "llamafactory.yaml", "fusion_agents_alpaca"


@dataclass(kw_only=True)
class AlpacaFormat(ExportFormat):
    """`instruction`, `input` (always empty), `output` and `system`.

    Beside them lie the entry of `dataset_info.json` and the settings of a training, so that
    `llamafactory-cli train llamafactory.yaml` runs. Source: LLaMA-Factory's `data/README.md`.
    """

    name = "alpaca"

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
        """Which field is which."""
        columns: dict[str, JsonValue] = {
            "prompt": "instruction",
            "query": "input",
            "response": "output",
            "system": "system",
        }
        return {DATASET: {"file_name": FILE, "columns": columns}}


def _row(one: Demonstration) -> dict[str, str]:
    system, turns = first_system(one.prompt, "LLaMA-Factory")
    if len(turns) > 1:
        raise ConfigError(
            "the format 'alpaca' holds one question, but the strategy sends a conversation: take "
            "the format sharegpt or trl"
        )
    text = turns[0]["content"]
    return {"instruction": text, "input": "", "output": one.answer, "system": system}


def _demonstration(line: int, row: Mapping[str, Any]) -> Demonstration:
    texts = {name: text_of(FILE, line, row, name) for name in ("instruction", "output", "system")}
    system: list[Turn] = [{"role": "system", "content": texts["system"]}]
    asked: Turn = {"role": "user", "content": texts["instruction"]}
    return Demonstration((*(system if texts["system"] else ()), asked), texts["output"])
