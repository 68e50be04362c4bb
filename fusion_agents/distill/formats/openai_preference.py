"""For OpenAI's direct preference optimisation."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fusion_agents.distill.formats.base import (
    ExportFormat,
    Files,
    Material,
    Preference,
    json_lines,
    parsed_lines,
)
from fusion_agents.distill.formats.openai_rules import check_count, check_messages, check_size
from fusion_agents.distill.formats.rows import content_of, file_in, said, turns_in

FILE = "openai_preference.jsonl"


@dataclass(kw_only=True)
class OpenAIPreferenceFormat(ExportFormat):
    """One line for each pair: `input`, `preferred_output` and `non_preferred_output`.

    Source: OpenAI's guide to direct preference optimisation.
    """

    name = "openai-preference"
    of_pairs = True

    def write(self, material: Material) -> dict[str, bytes]:
        """Write one line for each preference."""
        rows = [_row(one) for one in material.preferences]
        check_count(FILE, len(rows))
        for line, row in enumerate(rows, 1):
            for answer in ("preferred_output", "non_preferred_output"):
                messages = [*row["input"]["messages"], *row[answer]]
                check_messages(FILE, line, messages, material.base)
        content = json_lines(rows)
        check_size(FILE, content)
        return {FILE: content}

    def read(self, files: Files) -> Material:
        """Read them back."""
        rows = enumerate(parsed_lines(FILE, file_in(files, FILE)), 1)
        return Material(preferences=tuple(_preference(line, row) for line, row in rows))


def _row(one: Preference) -> dict[str, Any]:
    return {
        "input": {"messages": list(one.prompt)},
        "preferred_output": said(one.chosen),
        "non_preferred_output": said(one.rejected),
    }


def _preference(line: int, row: Mapping[str, Any]) -> Preference:
    asked = row.get("input")
    return Preference(
        turns_in(FILE, line, asked if isinstance(asked, dict) else {}, "messages"),
        content_of(FILE, line, row, "preferred_output"),
        content_of(FILE, line, row, "non_preferred_output"),
    )
