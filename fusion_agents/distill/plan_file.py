"""A plan as a TOML file."""

import tomllib
from pathlib import Path

from pydantic import ValidationError

from fusion_agents.distill.plan import Plan
from fusion_agents.errors import ConfigError


def read_plan(path: str | Path) -> Plan:
    """Read a plan.

    ```toml
    log = "routing.db"
    base = "Qwen/Qwen3-0.6B"
    out = "distilled"
    models = "models.toml"

    [selection]
    criterion = "hybrid"
    k = 3
    balance = "sqrt"

    [training]
    epochs = 2
    ```

    Raises:
        ConfigError: If the file cannot be read, or something in it is wrong; it names the key.
    """
    try:
        given = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is not valid TOML: {error}") from error
    try:
        return Plan.model_validate(given)
    except ValidationError as error:
        raise ConfigError(f"{path}: {wrong_in(error)}") from None


def wrong_in(error: ValidationError) -> str:
    """Which key of a plan is wrong, and how."""
    first = error.errors(include_url=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg'][:1].lower()}{first['msg'][1:]}"
