"""What a folder's training is: it goes on with that alone, and only one process at a time."""

import json
import os
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from pydantic import Field, JsonValue, ValidationError

from fusion_agents.errors import ConfigError, DataError
from fusion_agents.file_lock import locked
from fusion_agents.stores.formats.writing import replacing
from fusion_agents.students.files import NOTE
from fusion_agents.types import Noun, content_key

_RUN, _HOLDER = "run.json", "holder.json"
_IN_WORDS = {
    "data": "the data are others",
    "examples": "the examples that are left are others",
    "base_fingerprint": "the base's files have changed",
    "chat_template": "the chat template is another",
}


class Run(Noun):
    """What decides the student of a folder."""

    name: str
    data: str
    """Fingerprint of the data."""
    examples: str
    """Names the examples of these that are used: some may have been withdrawn since."""
    n_examples: int = Field(ge=0)
    base: str
    base_fingerprint: str
    """Of the base's files; empty where they are not known."""
    task: str | None = None
    """That alone is learned; none for all."""
    options: dict[str, JsonValue]

    def differences(self, other: "Run") -> list[str]:
        """Say in words where another run differs from this one."""
        ours, theirs = (_flat(run) for run in (self, other))
        changed = [name for name in ours | theirs if ours.get(name) != theirs.get(name)]
        return [
            _IN_WORDS.get(name)
            or f"{name} was {_shown(ours.get(name))} and is {_shown(theirs.get(name))}"
            for name in changed
        ]


def _flat(run: Run) -> dict[str, JsonValue]:
    fields = run.model_dump(mode="json", exclude={"options"})
    return {**fields, **run.options}


def _shown(value: JsonValue) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."


def examples_key(keys: Iterable[str]) -> str:
    """Name a set of examples.

    >>> examples_key(["a", "b"]) == examples_key(["b", "a"])
    True
    """
    return content_key(*sorted(keys))


@contextmanager
def sole(out: Path) -> Iterator[None]:
    """Hold a folder, made with mode 700 if it is missing.

    Raises:
        ConfigError: If another process trains in it (the message names it), it is somebody else's,
            or it cannot be written.
    """
    _own(out)
    holder = out / _HOLDER
    try:
        with locked(out / _RUN):
            _write(holder, {"pid": os.getpid(), "host": socket.gethostname(), "since": _now()})
            try:
                yield
            finally:
                holder.unlink(missing_ok=True)
    except ConfigError as error:
        if "another process is writing" not in str(error) or not holder.exists():
            raise
        raise ConfigError(f"{str(out)!r} is in use: {_named(holder)} trains there") from error


def _own(out: Path) -> None:
    try:
        out.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot make the folder {str(out)!r}: {error.strerror}") from error
    if hasattr(os, "getuid") and out.stat().st_uid != os.getuid():
        raise ConfigError(
            f"the folder {str(out)!r} belongs to another user: what it holds may not be loaded; "
            "give another output"
        )


def _named(holder: Path) -> str:
    try:
        note = json.loads(holder.read_text("utf-8"))
        return f"process {note['pid']} on {note['host']}, since {note['since']},"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"


def has_begun(out: Path) -> bool:
    """Whether anything was learned in a folder that it would be a pity to lose."""
    return any(any(out.rglob(name)) for name in ("sealed.json", NOTE, "job.json"))


def agree(out: Path, run: Run) -> None:
    """Note what a folder's training is, or compare it with what was noted.

    As long as nothing was learned, another training may take the place of the first.

    Raises:
        ConfigError: If the folder holds another training, or files that are none.
        DataError: If its note cannot be read.
    """
    path = out / _RUN
    if not path.exists() or not has_begun(out):
        strange = sorted(one.name for one in out.iterdir() if not one.name.startswith("."))
        if not path.exists() and (strange := [one for one in strange if one != _HOLDER]):
            raise ConfigError(
                f"the folder {str(out)!r} is not empty ({', '.join(strange[:3])}) and holds no "
                "training: give another output"
            )
        _write(path, run.model_dump(mode="json"))
        return
    try:
        before = Run.model_validate_json(path.read_text("utf-8"))
    except (ValidationError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not a note of a training; give another output") from error
    if differences := before.differences(run):
        raise ConfigError(
            f"the folder {str(out)!r} holds another training: {'; '.join(differences)}; "
            "give another output, or remove the folder"
        )


def _write(path: Path, content: JsonValue) -> None:
    with replacing(path) as file:
        file.write(f"{json.dumps(content, ensure_ascii=False, indent=1)}\n".encode())


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
