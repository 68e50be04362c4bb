"""Changing one table in the text of `models.toml`; all else stays as it was written."""

import json
import math
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fusion_agents.errors import ConfigError

TomlValue = str | bool | int | float | Sequence["TomlValue"] | Mapping[str, "TomlValue"]

_BARE = re.compile(r"[A-Za-z0-9_-]+")


class _Table(NamedTuple):
    path: tuple[str, ...]
    start: int
    """Line of the header."""
    end: int
    """Line of the next header, or the number of lines."""


def with_model(text: str, name: str, values: Mapping[str, TomlValue | None], file: Path) -> str:
    r"""Write settings into the table of a model, which is added if it is missing.

    Settings that are right already are left as they are written, and so is everything else:
    comments, order, other settings of the table. No file is read or written.

    Args:
        text: Of the file.
        name: The model's.
        values: Its settings; none for those that must not be there.
        file: Named in messages.

    Raises:
        ConfigError: If the text is no TOML, or has the model in a form that is not changed here.

    >>> print(with_model("# mine\n", "a", {"model": "openai:gpt-5"}, Path("models.toml")), end="")
    # mine
    <BLANKLINE>
    [models.a]
    model = "openai:gpt-5"
    """
    before = _parsed(text, file)
    lines = text.replace("\r\n", "\n").split("\n")
    main = _find(_tables(lines), before, name, values, file)
    if main is None:
        after = _appended("\n".join(lines), name, values)
    else:
        body = "\n".join(lines[main.start + 1 : main.end])
        lines[main.start + 1 : main.end] = _changed(body, values).split("\n")
        after = "\n".join(lines)
    if "\r\n" in text:
        after = after.replace("\n", "\r\n")
    _check(before, _parsed(after, file), name, file)
    return after


def written(value: TomlValue) -> str:
    r"""A value as TOML.

    >>> written({"input": 0.25, "names": ["a\nb"]})
    '{ input = 0.25, names = ["a\\nb"] }'
    """
    if isinstance(value, str):
        text = json.dumps(value.encode("utf-8", "replace").decode(), ensure_ascii=False)
        return text.replace("\x7f", "\\u007f")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        if not math.isfinite(value):
            raise ConfigError(f"{value} is no setting of a model")
        return repr(value)
    if isinstance(value, Mapping):
        parts = (f"{_key(key)} = {written(inner)}" for key, inner in value.items())
        return f"{{ {', '.join(parts)} }}"
    return f"[{', '.join(map(written, value))}]"


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else written(name)


def _parsed(text: str, file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{file}: is not valid TOML: {error}") from error


def _tables(lines: Sequence[str]) -> list[_Table]:
    """The tables of a valid text: a line is a header if what is above it is complete."""
    found: list[tuple[int, tuple[str, ...]]] = []
    for number, line in enumerate(lines):
        if line.lstrip().startswith("[") and _is_toml("\n".join(lines[:number])):
            found.append((number, _path(line)))
    ends = [*(number for number, _ in found), len(lines)][1:]
    return [_Table(path, number, end) for (number, path), end in zip(found, ends, strict=True)]


def _find(
    tables: Sequence[_Table],
    content: dict[str, Any],
    name: str,
    values: Mapping[str, TomlValue | None],
    file: Path,
) -> _Table | None:
    """The model's table; none if the file does not have the model."""
    own = [table for table in tables if table.path[:2] == ("models", name)]
    main = next((table for table in own if len(table.path) == 2), None)
    if main is None and (own or name in content.get("models", {})):
        raise ConfigError(
            f"{file}: {name!r} is not written as a [models.{_key(name)}] table: change it by hand"
        )
    for table in own:
        if len(table.path) > 2 and table.path[2] in values:
            raise ConfigError(
                f"{file}: {name!r}: {table.path[2]} is a table of its own: write it as "
                f"{table.path[2]} = {{ ... }}"
            )
    return main


def _path(header: str) -> tuple[str, ...]:
    """The names in a header; those of `[[...]]` are marked, so that they name no model."""
    names: list[str] = []
    inner: Any = tomllib.loads(header)
    while inner:
        if isinstance(inner, list):
            names.append("[]")
            inner = inner[0]
        else:
            (name,) = inner
            names.append(name)
            inner = inner[name]
    return tuple(names)


def _is_toml(text: str) -> bool:
    try:
        tomllib.loads(text)
    except ValueError:
        return False
    return True


def _appended(text: str, name: str, values: Mapping[str, TomlValue | None]) -> str:
    if text and not text.endswith("\n"):
        text += "\n"
    gap = "\n" if text else ""
    table = "\n".join([f"[models.{_key(name)}]", *_settings(values)])
    return f"{text}{gap}{table}\n"


def _changed(body: str, values: Mapping[str, TomlValue | None]) -> str:
    """The lines below a header with other values; what they do not name stays."""
    there = tomllib.loads(body)
    missing = {key: value for key, value in values.items() if value is not None}
    kept: list[str] = []
    last = 0
    """How many pieces there are up to the last setting; comments below belong to what follows."""
    for key, piece in _pieces(body):
        if key not in values or there[key] == _plain(values[key]):
            missing.pop(key, None)
            kept.append(piece)
        elif key in missing:
            kept += _settings({key: missing.pop(key)})
        last = len(kept) if key else last
    kept[last:last] = _settings(missing)
    return "\n".join(kept)


def _settings(values: Mapping[str, TomlValue | None]) -> list[str]:
    return [f"{_key(key)} = {written(value)}" for key, value in values.items() if value is not None]


def _pieces(body: str) -> Iterator[tuple[str, str]]:
    """Each setting with its name, however many lines it has; without one, comments and blanks."""
    lines: list[str] = []
    for line in body.split("\n"):
        lines.append(line)
        piece = "\n".join(lines)
        if _is_toml(piece):
            yield next(iter(tomllib.loads(piece)), ""), piece
            lines = []


def _plain(value: Any) -> Any:
    """As the parser would give it."""
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value


def _check(before: dict[str, Any], after: dict[str, Any], name: str, file: Path) -> None:
    others = [{**content, "models": dict(content.get("models", {}))} for content in (before, after)]
    for content in others:
        content["models"].pop(name, None)
    if others[0] != others[1]:
        raise ConfigError(f"{file}: [models.{_key(name)}] cannot be written: change it by hand")
