"""Turns in the rows of a file, written and read back with the line in every error."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from fusion_agents.distill.data.prompting import Turn
from fusion_agents.distill.formats.base import Files
from fusion_agents.errors import ConfigError, DataError, RowError

ROLES = ("system", "user", "assistant")


def said(answer: str) -> list[Turn]:
    """An answer as the one turn that it is.

    >>> said("4")
    [{'role': 'assistant', 'content': '4'}]
    """
    return [{"role": "assistant", "content": answer}]


def turns_in(file: str, line: int, row: Mapping[str, Any], field: str) -> tuple[Turn, ...]:
    """The turns in a field.

    Raises:
        RowError: If they are none.
    """
    found = row.get(field)
    if not isinstance(found, list) or not found or not all(map(_is_turn, found)):
        raise RowError(
            file, line, f"{field!r} must be a list of messages with a role and a content"
        )
    return tuple(cast(list[Turn], found))


def _is_turn(value: object) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() == {"role", "content"}
        and value["role"] in ROLES
        and isinstance(value["content"], str)
    )


def content_of(file: str, line: int, row: Mapping[str, Any], field: str) -> str:
    """The text of the one turn of a model in a field.

    Raises:
        RowError: If there is none, or more.
    """
    turns = turns_in(file, line, row, field)
    if [turn["role"] for turn in turns] != ["assistant"]:
        raise RowError(file, line, f"{field!r} must be one message of the assistant")
    return turns[0]["content"]


def text_of(file: str, line: int, row: Mapping[str, Any], field: str) -> str:
    """The text in a field.

    Raises:
        RowError: If there is none.
    """
    found = row.get(field)
    if not isinstance(found, str):
        raise RowError(file, line, f"{field!r} must be a text")
    return found


def file_in(files: Files, name: str) -> bytes:
    """A file's content.

    Raises:
        DataError: If it is missing.
    """
    if name not in files:
        raise DataError(f"{name!r} is missing: export the data again")
    return files[name]


def first_system(prompt: Sequence[Turn], trainer: str) -> tuple[str, Sequence[Turn]]:
    """Part a prompt into its system prompt and turns that alternate, a human's first and last.

    Raises:
        ConfigError: If it is not made like that, and the trainer could not be shown it.
    """
    has_system = prompt[0]["role"] == "system"
    system, rest = (prompt[0]["content"], prompt[1:]) if has_system else ("", prompt)
    roles = [turn["role"] for turn in rest]
    if roles != (["user", "assistant"] * len(roles))[: len(roles)] or len(roles) % 2 == 0:
        raise ConfigError(
            f"{trainer} takes a system prompt and turns that alternate, the last of a human, but "
            f"the strategy sends {', '.join(turn['role'] for turn in prompt)}: take the format trl"
        )
    return system, rest
