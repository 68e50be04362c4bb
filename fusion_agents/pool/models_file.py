"""`models.toml`: a file of `[models.NAME]` tables."""

import tomllib
from pathlib import Path
from typing import Any

from fusion_agents.errors import ConfigError
from fusion_agents.pool.member import PoolModel
from fusion_agents.pool.student_spec import is_student, rooted
from fusion_agents.pool.tables import read_member


def read_models(path: str | Path) -> dict[str, PoolModel]:
    """Read the models of a file, in its order.

    ```toml
    [models.small]
    model = "openai:gpt-5-mini"
    price = { input = 0.25, output = 2.0, cached_input = 0.025 }
    strategies = ["direct", "think"]

    [models.local]
    model = "llama-3.1-8b"
    base_url = "http://127.0.0.1:8000/v1"
    context_window = 131072
    temperature = 0.0

    [models.arithmetic]
    model = "student:students/arithmetic"
    ```

    A student's folder that is not absolute is meant from the folder of the file.

    Raises:
        ConfigError: If the file cannot be read or something in it is wrong; names the file, the
            table and the key.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8: byte {error.start}") from None
    return parse_models(text, path)


def parse_models(text: str, path: Path) -> dict[str, PoolModel]:
    """Read the models of a file's text.

    Args:
        text: What is in it, or will be.
        path: Of the file; it is not opened.

    Raises:
        ConfigError: If something in it is wrong; names the file, the table and the key.
    """
    return {
        name: read_member(name, _rooted(table, path.parent), f"{path}: [models.{_quoted(name)}]")
        for name, table in _tables(text, path).items()
    }


def _rooted(table: Any, folder: Path) -> Any:
    spec = table.get("model") if isinstance(table, dict) else table
    if not isinstance(spec, str) or not is_student(spec):
        return table
    meant = rooted(spec, folder)
    return {**table, "model": meant} if isinstance(table, dict) else meant


def _tables(text: str, path: Path) -> dict[str, Any]:
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: is not valid TOML: {error}") from error
    except (RecursionError, ValueError) as error:  # of the parser, for brackets and digits
        kind = "nested too deeply" if isinstance(error, RecursionError) else "a number is too long"
        raise ConfigError(f"{path}: cannot be read: {kind}") from None
    for name in content:
        if name != "models":
            raise ConfigError(f"{path}: {name!r}: unknown; models go into [models.NAME] tables")
    tables = content.get("models")
    if not isinstance(tables, dict) or not tables:
        raise ConfigError(f"{path}: names no model: add a [models.NAME] table")
    return tables


def _quoted(name: str) -> str:
    return name if name.replace("-", "").replace("_", "").isalnum() else f'"{name}"'
