"""What every export format is: files of the same demonstrations, for one kind of trainer."""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from pydantic import JsonValue

from fusion_agents.distill.data.prompting import Turn
from fusion_agents.errors import RowError

Files = Mapping[str, bytes]
"""Contents by file name."""


class Demonstration(NamedTuple):
    """What a student is sent, and what it shall answer."""

    prompt: tuple[Turn, ...]
    answer: str


class Preference(NamedTuple):
    """What a student is sent, and which of two answers is the better one."""

    prompt: tuple[Turn, ...]
    chosen: str
    rejected: str


class Material(NamedTuple):
    """What a format writes, and what it reads back."""

    demonstrations: tuple[Demonstration, ...] = ()
    preferences: tuple[Preference, ...] = ()
    base: str | None = None
    """The model that the student shall be made of; not read back."""


@dataclass(kw_only=True)
class ExportFormat(ABC):
    """Writes what a student learns as files that a trainer reads.

    Texts go in and out unchanged, whatever they hold. The same material gives the same bytes. Its
    module's name, with hyphens, is its name.
    """

    name: ClassVar[str]
    of_pairs: ClassVar[bool] = False
    """Whether it holds preferences, rather than demonstrations."""

    @abstractmethod
    def write(self, material: Material) -> dict[str, bytes]:
        """Make the files.

        Raises:
            ConfigError: If the format cannot hold what the strategy sends.
            DataError: If the trainer would turn the material down; it names the line, where it is
                one, and says what to do.
        """

    @abstractmethod
    def read(self, files: Files) -> Material:
        """Read what `write` made; other files are ignored.

        Raises:
            RowError: If a line is damaged; it names file and line.
            DataError: If a file is missing.
        """

    def dataset_info(self) -> dict[str, JsonValue]:
        """Entries of LLaMA-Factory's `dataset_info.json`; none for other trainers."""
        return {}


def json_lines(rows: Iterable[Mapping[str, Any]]) -> bytes:
    r"""One JSON object a line, in UTF-8; lines end in a line feed, whatever the texts hold.

    >>> json_lines([{"a": "é"}])
    b'{"a": "\xc3\xa9"}\n'
    """
    return "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows).encode()


def parsed_lines(name: str, content: bytes) -> list[dict[str, Any]]:
    """Read what `json_lines` made.

    Raises:
        RowError: If a line is no JSON object.
    """
    lines = content.split(b"\n")
    if lines[-1:] == [b""]:
        lines.pop()
    return [_parsed(name, number, line) for number, line in enumerate(lines, 1)]


def _parsed(name: str, number: int, line: bytes) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise RowError(name, number, f"no JSON ({error}): export the data again") from error
    if not isinstance(row, dict):
        raise RowError(name, number, "no JSON object: export the data again")
    return row


def json_list(rows: Sequence[Mapping[str, Any]]) -> bytes:
    r"""A JSON list with one row a line.

    >>> json_list([{"a": 1}])
    b'[\n{"a": 1}\n]\n'
    """
    lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    return f"[\n{lines}\n]\n".encode()


def parsed_list(name: str, content: bytes) -> list[dict[str, Any]]:
    """Read what `json_list` made.

    Raises:
        RowError: If it is no list of JSON objects; the line is that of the first wrong one.
    """
    try:
        rows = json.loads(content)
    except json.JSONDecodeError as error:
        raise RowError(name, error.lineno, f"no JSON ({error.msg}): export again") from error
    except ValueError as error:
        raise RowError(name, 1, f"no JSON ({error}): export the data again") from error
    if not isinstance(rows, list):
        raise RowError(name, 1, "no list: export the data again")
    for number, row in enumerate(rows, 2):
        if not isinstance(row, dict):
            raise RowError(name, number, "no JSON object: export the data again")
    return rows
