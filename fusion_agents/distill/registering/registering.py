"""A student becomes a model of the pool: a table in `models.toml`."""

import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from fusion_agents.distill.comparing.comparison import Comparison
from fusion_agents.distill.nouns import Student
from fusion_agents.distill.registering.cards import describe, fingerprint, measures
from fusion_agents.errors import ConfigError
from fusion_agents.file_lock import locked
from fusion_agents.pool.checks import check_members, check_strategies
from fusion_agents.pool.member import PoolModel, check_name
from fusion_agents.pool.models_editing import TomlValue, with_model
from fusion_agents.pool.models_file import parse_models
from fusion_agents.pool.tables import Price
from fusion_agents.stores.formats.writing import replacing
from fusion_agents.strategies.catalogue import make_strategies

MAX_TOKENS = 1024
"""Of the answers of a server, as of those on this machine."""
_FREE = Price(input=0.0, output=0.0)
"""Of what runs on the user's own machines."""
_PROVIDERS_OWN = "api.openai.com"


def register_student(
    student: Student,
    models: Path,
    *,
    name: str | None = None,
    price: Price | None = None,
    base_url: str | None = None,
    api_key_env: str | None = None,
    comparison: Comparison | None = None,
) -> PoolModel:
    """Write a student into `models.toml`, which is made if it is missing.

    Comments, order and other tables stay as they are written, and so do settings of the student's
    own table that are not written here, such as `device`. The file changes at once or not at all,
    and the same call again changes nothing. One process at a time.

    Args:
        student: What was trained.
        models: The file.
        name: In the pool and the log; the student's own without it. A student that was trained
            anew is another model and wants another name, as the log's answers are the old one's.
        price: Dollars per million tokens. Without it, what is in the file stays; else a student
            on machines of your own costs nothing, and what a provider's costs is not known.
        base_url: The OpenAI-compatible server that has a local student under its name, such as a
            vLLM (see `serving_command`), or the one that trained a provider's.
        api_key_env: Environment variable with the key of that server.
        comparison: With its base; the card says where the student helped and where it hurt.

    Returns:
        The model as a pool reads it from the file.

    Raises:
        ConfigError: If the name is another model's, the file is wrong or another process changes
            it, or the student's files are gone.
    """
    name = student.name if name is None else name
    check_name(name)
    path = models.resolve()
    with locked(path):
        before = _read(path)
        there = _members(before, models).get(name)
        values = _table(student, name, there, price, base_url, api_key_env, comparison)
        _check_owner(student, name, there, models)
        after = with_model(before, name, values, models)
        members = parse_models(after, models)
        check_members(members)
        check_strategies(members.values(), make_strategies())
        if after != before:
            _write(path, after)
    return members[name]


def needs_price(student: Student, models: Path, name: str | None = None) -> bool:
    """Whether what a student's tokens cost is neither in the file nor nothing.

    Raises:
        ConfigError: If the file is wrong.
    """
    there = _members(_read(models), models).get(name or student.name)
    return student.provider != "local" and (there is None or there.card.input_price is None)


def _members(text: str, models: Path) -> dict[str, PoolModel]:
    """Of a file that may hold nothing but comments yet."""
    return parse_models(text, models) if _has_models(text) else {}


def _table(
    student: Student,
    name: str,
    there: PoolModel | None,
    price: Price | None,
    base_url: str | None,
    api_key_env: str | None,
    comparison: Comparison | None,
) -> dict[str, TomlValue | None]:
    size, window = measures(student)
    local = student.provider == "local"
    server = base_url or (None if local else _server(student))
    kept = None if server is None or there is None else there.api_key_env
    trained = student.settings.get("api_key_env") if server is not None and not local else None
    key = api_key_env or kept or (trained if isinstance(trained, str) else None)
    values: dict[str, TomlValue | None] = {
        "model": name if local and server else student.spec,
        "base_url": server,
        "api_key_env": key,
        "strategies": [student.strategy],
        "description": describe(student, comparison),
    }
    if size is not None:
        values["size"] = size
    if window is not None:
        values["context_window"] = window
    if local and server:
        values |= _decoding(there.options if there else {})
    return values | _price(price, there, local=local)


def _decoding(options: Mapping[str, object]) -> dict[str, TomlValue | None]:
    """What a server would choose otherwise than a student on this machine."""
    wanted: dict[str, TomlValue | None] = {"temperature": 0.0, "max_tokens": MAX_TOKENS}
    return {key: value for key, value in wanted.items() if key not in options}


def _price(
    price: Price | None, there: PoolModel | None, *, local: bool
) -> dict[str, TomlValue | None]:
    if price is None and there is not None and there.card.input_price is not None:
        return {}
    if price is None and local:
        price = _FREE
    return {} if price is None else {"price": price.model_dump(exclude_none=True)}


def _server(student: Student) -> str | None:
    """Where a provider's student was trained; none for the provider's own address."""
    found = student.settings.get("server") or student.settings.get("base_url")
    if not isinstance(found, str) or urlsplit(found).hostname == _PROVIDERS_OWN:
        return None
    return found


def _check_owner(student: Student, name: str, there: PoolModel | None, models: Path) -> None:
    if there is None or there.spec == student.spec:
        return
    if there.spec == name and there.base_url and fingerprint(student) in there.card.description:
        return  # the student on a server, under the name that it has here
    raise ConfigError(
        f"{models}: {name!r} is another model, {there.what!r}: register {student.spec!r} under a "
        "name of its own (--name)"
    )


def _has_models(text: str) -> bool:
    """Whether it says more than comments do."""
    return any(line.strip() and not line.lstrip().startswith("#") for line in text.splitlines())


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {path}: {error}") from error


def _write(path: Path, text: str) -> None:
    """Replace the file; a new one is the user's alone, another keeps its permissions."""
    with replacing(path) as file:
        if path.exists() and hasattr(os, "fchmod"):
            os.fchmod(file.fileno(), path.stat().st_mode & 0o7777)
        file.write(text.encode("utf-8"))
