"""For OpenAI's supervised fine-tuning of chat models."""

from dataclasses import dataclass
from typing import Any

from fusion_agents.distill.formats.base import (
    Demonstration,
    ExportFormat,
    Files,
    Material,
    json_lines,
    parsed_lines,
)
from fusion_agents.distill.formats.openai_rules import check_rows, check_size, with_weights
from fusion_agents.distill.formats.rows import file_in, turns_in
from fusion_agents.errors import RowError

FILE = "openai.jsonl"


@dataclass(kw_only=True)
class OpenAIChatFormat(ExportFormat):
    """One line of `messages` for each demonstration, checked before it is written.

    Rules and limits are those that OpenAI publishes (`openai_rules`). Answers that stand earlier
    in a conversation get the weight 0: only the last one is learned.
    """

    name = "openai-chat"

    def write(self, material: Material) -> dict[str, bytes]:
        """Write one line for each demonstration."""
        rows = [_row(one) for one in material.demonstrations]
        content = json_lines(rows)
        check_size(FILE, content)
        check_openai_chat(content, base=material.base)
        return {FILE: content}

    def read(self, files: Files) -> Material:
        """Read them back."""
        rows = enumerate(parsed_lines(FILE, file_in(files, FILE)), 1)
        return Material(tuple(_demonstration(line, row) for line, row in rows))


def check_openai_chat(content: bytes, *, name: str = FILE, base: str | None = None) -> int:
    """Check a file against OpenAI's rules for chat fine-tuning, and count its examples.

    Args:
        content: Of the file.
        name: Of the file, for messages.
        base: The model that is to be tuned: of older ones, examples must be shorter.

    Raises:
        DataError: If OpenAI would turn it down, or cut an example short; it names the line and
            says what to do.
    """
    check_size(name, content)
    rows = parsed_lines(name, content)
    check_rows(name, rows, base)
    return len(rows)


def _row(one: Demonstration) -> dict[str, Any]:
    turns = [*one.prompt, {"role": "assistant", "content": one.answer}]
    return {"messages": with_weights(turns)}


def _demonstration(line: int, row: dict[str, Any]) -> Demonstration:
    messages = row.get("messages")
    plain = [
        {name: value for name, value in one.items() if name != "weight"}
        for one in (messages if isinstance(messages, list) else [])
        if isinstance(one, dict)
    ]
    turns = turns_in(FILE, line, {"messages": plain}, "messages")
    if turns[-1]["role"] != "assistant":
        raise RowError(FILE, line, "the last message must be the assistant's")
    return Demonstration(turns[:-1], turns[-1]["content"])
