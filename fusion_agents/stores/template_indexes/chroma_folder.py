"""The folder of an embedded Chroma: whose it is, and whether it is as it was left.

Chroma's files cannot be trusted after a kill: they may be unusable, or usable and wrong. So a
folder holds one subfolder for Chroma and a manifest, which names the subfolder and, when it was
closed properly, carries a digest of all of its files. Unless the digest is right when the folder
is opened, the subfolder is removed and an empty one takes its place, to be filled from the ledger.
"""

import hashlib
import re
import secrets
import shutil
from pathlib import Path

from pydantic import ValidationError

from fusion_agents.errors import StoreError
from fusion_agents.stores.formats.writing import replacing
from fusion_agents.stores.template_indexes.folder_lock import FolderLock
from fusion_agents.types import Noun

_MANIFEST = "fusion-agents-templates.json"
_LOCK = "fusion-agents-templates.lock"
_SUBFOLDER = re.compile(r"index-[0-9a-f]{8}")
_CHUNK = 1 << 20


class Manifest(Noun):
    """What a folder says of itself."""

    format: int = 1
    current: str
    """Name of the subfolder."""
    digest: str | None = None
    """Of the subfolder's files; none while it is open, and after a kill."""


class ChromaFolder:
    """One subfolder for Chroma, and the right to use it.

    Args:
        path: Made if it is missing, with mode 700; its parent must exist.

    Raises:
        StoreError: If another process has opened it, it is not ours, or it cannot be written.
            What is not ours is not touched.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.what = f"the template index {str(self.path)!r}"
        self._make()
        self._lock = FolderLock(self.path / _LOCK, self.what)
        try:
            self.current = self._claim()
        except BaseException:
            self._lock.release()
            raise

    def renew(self) -> Path:
        """Put an empty subfolder in the place of the one there is."""
        self.current = self._new()
        self._sweep()
        return self.current

    def seal(self) -> None:
        """Note that the subfolder is as it should be; whoever used it must have closed it."""
        self._write(Manifest(current=self.current.name, digest=_digest(self.current)))

    def release(self) -> None:
        """Let others use the folder."""
        self._lock.release()

    def _make(self) -> None:
        try:
            self.path.mkdir(mode=0o700, exist_ok=True)
            inside = {one.name for one in self.path.iterdir()}
        except OSError as error:
            raise StoreError(f"{self.what} cannot be opened: {error.strerror}") from error
        if inside and not inside & {_MANIFEST, _LOCK}:
            raise StoreError(
                f"{self.what} is a folder of something else, which was left alone: name an empty "
                "folder, or one that does not exist"
            )

    def _claim(self) -> Path:
        """The subfolder if it is as it was left, or else a new one; either is open from now on."""
        manifest = self._read()
        if manifest is None or manifest.digest is None:
            current = self._new()
        else:
            current = self.path / manifest.current
            if _digest(current) == manifest.digest:
                self._write(Manifest(current=current.name))
            else:
                current = self._new()
        self.current = current
        self._sweep()
        return current

    def _read(self) -> Manifest | None:
        """The manifest; none if there is none that can be used."""
        try:
            manifest = Manifest.model_validate_json((self.path / _MANIFEST).read_bytes())
        except (FileNotFoundError, ValidationError):
            return None
        except OSError as error:
            raise StoreError(f"{self.what} cannot be read: {error.strerror}") from error
        known = manifest.format == 1 and _SUBFOLDER.fullmatch(manifest.current)
        return manifest if known else None

    def _write(self, manifest: Manifest) -> None:
        with replacing(self.path / _MANIFEST) as file:
            file.write(manifest.model_dump_json().encode())

    def _new(self) -> Path:
        current = self.path / f"index-{secrets.token_hex(4)}"
        try:
            current.mkdir(mode=0o700)
        except OSError as error:
            raise StoreError(f"{self.what} cannot be written: {error.strerror}") from error
        self._write(Manifest(current=current.name))
        return current

    def _sweep(self) -> None:
        """Remove earlier subfolders, and nothing else."""
        for one in self.path.iterdir():
            if _SUBFOLDER.fullmatch(one.name) and one != self.current:
                if one.is_symlink() or not one.is_dir():
                    one.unlink(missing_ok=True)
                else:
                    shutil.rmtree(one, ignore_errors=True)


def _digest(folder: Path) -> str | None:
    """Of the names and contents of all files; none if they cannot be read."""
    digest = hashlib.blake2b(digest_size=32)
    if folder.is_symlink() or not folder.is_dir():
        return None
    try:
        for path in sorted(folder.rglob("*")):
            if path.is_symlink():
                return None
            if path.is_file():
                name = str(path.relative_to(folder))
                digest.update(f"\0{name}\0{path.stat().st_size}\0".encode("utf-8", "surrogatepass"))
                with path.open("rb") as file:
                    while chunk := file.read(_CHUNK):
                        digest.update(chunk)
    except OSError:
        return None
    return digest.hexdigest()
