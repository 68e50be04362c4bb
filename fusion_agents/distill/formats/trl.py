"""For TRL's `SFTTrainer`: prompt and completion, which train on the completion alone."""

from dataclasses import dataclass

from fusion_agents.distill.formats.base import (
    Demonstration,
    ExportFormat,
    Files,
    Material,
    json_lines,
    parsed_lines,
)
from fusion_agents.distill.formats.rows import content_of, file_in, said, turns_in

FILE = "trl.jsonl"


@dataclass(kw_only=True)
class TRLFormat(ExportFormat):
    """Conversational prompt-completion, which TRL puts through the model's own chat template.

    `datasets.load_dataset("json", data_files="trl.jsonl")` reads it; `SFTTrainer` takes it as it
    is and counts the loss of the completion only.
    """

    name = "trl"

    def write(self, material: Material) -> dict[str, bytes]:
        """Write one line for each demonstration."""
        rows = [
            {"prompt": list(one.prompt), "completion": said(one.answer)}
            for one in material.demonstrations
        ]
        return {FILE: json_lines(rows)}

    def read(self, files: Files) -> Material:
        """Read them back."""
        rows = parsed_lines(FILE, file_in(files, FILE))
        return Material(
            tuple(
                Demonstration(
                    turns_in(FILE, number, row, "prompt"),
                    content_of(FILE, number, row, "completion"),
                )
                for number, row in enumerate(rows, 1)
            )
        )
