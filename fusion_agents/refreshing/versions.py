"""Every fitted router kept as a version of its own; one of them is current."""

import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, ValidationError

from fusion_agents.encoders.base import Encoder
from fusion_agents.errors import ArtefactError, ConfigError
from fusion_agents.file_lock import locked
from fusion_agents.refreshing.comparison import Comparison
from fusion_agents.routers.artefact import foreign_files, load_router, own_files, save_router
from fusion_agents.routers.base import Router
from fusion_agents.routers.files import read_file, write_file
from fusion_agents.routers.pointer import MAX_POINTER, POINTER, VERSION_NAME
from fusion_agents.types import Noun

FORMAT = 1

_PATIENCE = 20.0
"""Seconds to wait for another process that is writing."""

Verdict = Literal["first", "promoted", "rejected", "held", "chosen"]


class Version(Noun):
    """One fitted router and what became of it."""

    name: Annotated[str, Field(pattern=f"^{VERSION_NAME.pattern}$")]
    """Of its folder."""
    router: str
    """Name of the router with the beginning of its log's fingerprint."""
    time: AwareDatetime
    """When it was fitted."""
    n_queries: int = Field(ge=0)
    """Queries that it learned from."""
    sources: dict[str, int] = Field(default_factory=dict)
    """Scores that each limited source or tenant gave to it, by `kind name`."""
    verdict: Verdict
    """`held`: nothing is promoted since a rollback; `chosen`: promoted by hand, without a gate."""
    reason: str
    """In words: why it was promoted or not."""
    comparison: Comparison | None = None
    """With the version that was current."""
    parent: str | None = None
    """The version that was current before it became so; none if it never did."""


class History(Noun):
    """What a folder of versions says of itself."""

    format: int = FORMAT
    current: Annotated[str, Field(pattern=f"^{VERSION_NAME.pattern}$")] | None = None
    held: bool = False
    """Whether a rollback holds promotions back until they are released."""
    versions: tuple[Version, ...] = ()
    """Oldest first; of the removed ones nothing is known."""

    def named(self, name: str | None) -> Version:
        """Look a version up.

        Raises:
            ConfigError: If there is no such version.
        """
        for version in self.versions:
            if version.name == name:
                return version
        known = ", ".join(version.name for version in self.versions) or "none"
        raise ConfigError(f"there is no version {name!r}; kept are {known}")


class Versions:
    """A folder of routers with a history; `load_router` and `--router` follow it to the current.

    Each version is a folder as `save_router` makes it. What is current, and the history, are one
    file that is replaced in one step after the router's own files are on the disk: a process that
    is killed at any point leaves the old version current or the new one. One process writes at a
    time; readers never wait. Folders have mode 700, files 600.

    Args:
        folder: Made when the first version is added.
        keep: Number of versions that are kept; the current one and the one before it always are.

    Raises:
        ConfigError: If `keep` is less than 2.
    """

    def __init__(self, folder: str | Path, *, keep: int = 10) -> None:
        if keep < 2:
            raise ConfigError(
                f"at least 2 versions must be kept, or there is no way back: {keep!r}"
            )
        self.folder = Path(folder)
        self.keep = keep

    @property
    def history(self) -> History:
        """What there is; empty for a folder that does not exist yet.

        Raises:
            ArtefactError: If the file is damaged or was written by a newer version.
        """
        path = self.folder / POINTER
        if not path.is_symlink() and not path.exists():
            return History()
        try:
            raw = json.loads(read_file(path, MAX_POINTER))
            if not isinstance(raw, dict) or "format" not in raw:
                raise ValueError("it does not say its format")
            if raw["format"] != FORMAT:
                raise ArtefactError(
                    f"{path} has format {raw['format']}, this version reads format {FORMAT}: "
                    "install the version that wrote it"
                )
            return History.model_validate(raw)
        except (ValueError, RecursionError, ValidationError) as error:
            reason = str(error).partition("\n")[0]
            raise ArtefactError(
                f"{path} is damaged ({reason}): restore it from a copy, or refresh to a new folder"
            ) from error

    @property
    def current(self) -> Version | None:
        """The version in use; none before the first."""
        history = self.history
        return None if history.current is None else history.named(history.current)

    def router(self, name: str | None = None, *, encoder: Encoder | None = None) -> Router:
        """Load a version, or the current one.

        Raises:
            ArtefactError: If it is damaged, or there is none yet.
            ConfigError: If there is no version of that name.
        """
        if name is None:
            return load_router(self.folder, encoder=encoder)
        return load_router(self.folder / self.history.named(name).name, encoder=encoder)

    def add(
        self,
        router: Router,
        verdict: Verdict,
        reason: str,
        *,
        comparison: Comparison | None = None,
        sources: dict[str, int] | None = None,
        beside: str | None = None,
    ) -> Version:
        """Save a fitted router, and make it current unless it was rejected or is held.

        Args:
            router: A fitted one.
            verdict: What the gate said of it.
            reason: Why.
            comparison: With the current version.
            sources: Scores that each limited source gave.
            beside: The version that it was compared with, none for the first; if another one is
                current by now, it is kept but not promoted.

        Raises:
            ArtefactError: If it cannot be saved.
            ConfigError: If another process goes on writing.
        """
        with self._writing() as history:
            if verdict in ("first", "promoted") and history.current != beside:
                verdict, reason = "rejected", f"version {history.current} took over meanwhile"
            if verdict == "promoted" and history.held:
                verdict, reason = "held", f"a rollback holds promotions back; else: {reason}"
            leads = verdict in ("first", "promoted", "chosen")
            version = Version(
                name=self._next_name(history),
                router=router.version,
                time=datetime.now(UTC),
                n_queries=router.fitted.n_queries,
                sources=sources or {},
                verdict=verdict,
                reason=reason,
                comparison=comparison,
                parent=history.current if leads else None,
            )
            save_router(router, self.folder / version.name)
            self._write(
                history.model_copy(
                    update={
                        "current": version.name if leads else history.current,
                        "versions": (*history.versions, version),
                    }
                )
            )
        return version

    def restart(self, router: Router, reason: str) -> Version:
        """Make a fitted router the only version; all others are removed for good.

        So is a router that was saved in the folder itself before it held versions.

        Raises:
            ArtefactError: If it cannot be saved; nothing is removed.
            ConfigError: If another process goes on writing.
        """
        version = self.add(router, "chosen", reason)
        with self._writing() as history:
            alone = version.model_copy(update={"parent": None})
            self._write(history.model_copy(update={"current": version.name, "versions": (alone,)}))
            for other in history.versions:
                if other.name != version.name:
                    with suppress(FileNotFoundError):  # somebody has removed it already
                        shutil.rmtree(self.folder / other.name)
            for path in own_files(self.folder):
                path.unlink()
        return alone

    def rollback(self, to: str | None = None) -> Version:
        """Make the version before the current one current again, or any other that is kept.

        The current version is not removed. Promotions are held back from then on, or the next
        refresh would learn the same again, until `release`.

        Raises:
            ConfigError: If there is no such version, or none before the current one.
            ArtefactError: If that version is damaged; nothing changes.
        """
        if self.history.current is None:
            raise ConfigError(f"{str(self.folder)!r} has no version yet: nothing to go back to")
        with self._writing() as history:
            to = to or history.named(history.current).parent
            if to is None:
                raise ConfigError(
                    f"version {history.current} was the first: there is none to go back to"
                )
            version = history.named(to)
            load_router(self.folder / version.name)
            self._write(history.model_copy(update={"current": version.name, "held": True}))
        return version

    def release(self) -> None:
        """Let challengers be promoted again after a rollback."""
        if not self.history.held:
            return
        with self._writing() as history:
            self._write(history.model_copy(update={"held": False}))

    @contextmanager
    def _writing(self) -> Iterator[History]:
        if self.folder.exists() and not self.folder.is_dir():
            raise ConfigError(f"{self.folder} is a file: versions of a router need a folder")
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _patiently_locked(self.folder / POINTER):
            yield self.history

    def _next_name(self, history: History) -> str:
        """The next free number; what a killed process left behind is removed first.

        Whatever else is in the folder may be somebody's, and stays.
        """
        names = {version.name for version in history.versions}
        number = max(map(int, names), default=0) + 1
        for path in self.folder.iterdir():
            if VERSION_NAME.fullmatch(path.name) and path.name not in names:
                if int(path.name) <= number and _is_left_over(path):
                    shutil.rmtree(path)
            elif re.fullmatch(rf"\.new-[0-9a-f]+-{re.escape(POINTER)}", path.name):
                path.unlink()
        while os.path.lexists(self.folder / f"{number:06d}"):
            number += 1
        return f"{number:06d}"

    def _write(self, history: History) -> None:
        """Replace the history in one step, then remove the versions that nobody needs."""
        kept = self._kept(history)
        shorter = history.model_copy(
            update={"versions": tuple(v for v in history.versions if v.name in kept)}
        )
        write_file(self.folder / POINTER, shorter.model_dump_json(indent=1).encode())
        for version in history.versions:
            if version.name not in kept:
                shutil.rmtree(self.folder / version.name, ignore_errors=True)

    def _kept(self, history: History) -> set[str]:
        names = [version.name for version in history.versions]
        needed = set(names[-self.keep :])
        if history.current is not None:
            needed |= {history.current}
            parent = history.named(history.current).parent
            needed |= {parent} & set(names) if parent else set()
        surplus = len(needed) - self.keep
        spare = [name for name in names if name in needed and name not in self._lineage(history)]
        return needed - set(spare[: max(surplus, 0)])

    def _lineage(self, history: History) -> set[str | None]:
        if history.current is None:
            return set()
        return {history.current, history.named(history.current).parent}

    def __repr__(self) -> str:
        return f"Versions({str(self.folder)!r}, keep={self.keep})"


def _is_left_over(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink() and not foreign_files(path)


@contextmanager
def _patiently_locked(path: Path) -> Iterator[None]:
    deadline = time.monotonic() + _PATIENCE
    while True:
        lock = locked(path)
        try:
            lock.__enter__()
        except ConfigError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
            continue
        break
    try:
        yield
    finally:
        lock.__exit__(None, None, None)
