"""For TRL's `DPOTrainer` and its like: a prompt, a right answer and a wrong one."""

from dataclasses import dataclass

from fusion_agents.distill.formats.base import (
    ExportFormat,
    Files,
    Material,
    Preference,
    json_lines,
    parsed_lines,
)
from fusion_agents.distill.formats.rows import content_of, file_in, said, turns_in

FILE = "dpo.jsonl"


@dataclass(kw_only=True)
class DPOFormat(ExportFormat):
    """TRL's preference data with an explicit prompt, conversational.

    `datasets.load_dataset("json", data_files="dpo.jsonl")` reads it; the trainers for DPO and
    reward models take it as it is.
    """

    name = "dpo"
    of_pairs = True

    def write(self, material: Material) -> dict[str, bytes]:
        """Write one line for each preference."""
        rows = [
            {
                "prompt": list(one.prompt),
                "chosen": said(one.chosen),
                "rejected": said(one.rejected),
            }
            for one in material.preferences
        ]
        return {FILE: json_lines(rows)}

    def read(self, files: Files) -> Material:
        """Read them back."""
        rows = enumerate(parsed_lines(FILE, file_in(files, FILE)), 1)
        found = tuple(
            Preference(
                turns_in(FILE, number, row, "prompt"),
                content_of(FILE, number, row, "chosen"),
                content_of(FILE, number, row, "rejected"),
            )
            for number, row in rows
        )
        return Material(preferences=found)
