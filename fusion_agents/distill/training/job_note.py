"""What a folder knows of its fine-tuning job: written before and after every request."""

import secrets
from pathlib import Path
from typing import Any, Self

from pydantic import AwareDatetime, ValidationError

from fusion_agents.distill.training.runs import Run
from fusion_agents.errors import ConfigError, DataError
from fusion_agents.stores.formats.writing import replacing
from fusion_agents.types import Noun

NOTE = "job.json"
_VERSION = 1


class EarlierFile(Noun):
    """An upload of an earlier job, which is still at the provider as far as is known."""

    name: str
    """The provider's."""
    server: str
    examples: str
    """Names the examples in it, as `Run.examples`."""


class JobNote(Noun):
    """Where a fine-tuning job stands.

    What is asked of the provider is noted as asked before the request leaves, and as done when its
    answer is there. Whoever finds something asked and not done looks at the provider first.
    """

    version: int = _VERSION
    key: str
    """Of this attempt, in the job's metadata and suffix; random."""
    run: Run
    server: str
    """That was asked."""
    file_name: str
    """Of the upload; no other attempt has it."""
    upload_asked: AwareDatetime | None = None
    """When the upload was last asked for; none if it never was."""
    file: str | None = None
    """The provider's name of the upload."""
    file_deleted: bool = False
    job_asked: AwareDatetime | None = None
    """When the job was last asked for; none if it never was, or was refused."""
    asks: int = 0
    """Requests for the job of which the provider did not say that it refused them."""
    job: str | None = None
    """The provider's name of the job."""
    status: str | None = None
    """Of the job, as it was last seen."""
    error: str | None = None
    """What the provider said of a job that failed."""
    earlier: tuple[str, ...] = ()
    """Jobs of this folder before it was told to start again."""
    earlier_files: tuple[EarlierFile, ...] = ()
    """Their uploads that were not deleted; notes of older versions have none."""

    @classmethod
    def begin(
        cls,
        run: Run,
        server: str,
        earlier: tuple[str, ...] = (),
        earlier_files: tuple[EarlierFile, ...] = (),
    ) -> Self:
        """The note of an attempt of which nothing was asked yet."""
        key = secrets.token_hex(12)
        name = f"fusion-agents-{run.data[:16]}-{key[:8]}.jsonl"
        return cls(
            key=key,
            run=run,
            server=server,
            file_name=name,
            earlier=earlier,
            earlier_files=earlier_files,
        )

    @property
    def has_ended(self) -> bool:
        """Whether the job has ended, well or not."""
        return self.status in ("succeeded", "failed", "cancelled")


def read_note(out: Path) -> JobNote | None:
    """Read a folder's note; none if it has none.

    Raises:
        DataError: If it cannot be read.
    """
    path = out / NOTE
    try:
        return JobNote.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise DataError(
            f"{path}: is damaged, or a newer version of fusion-agents wrote it: look for the job "
            "at the provider before you train in another folder"
        ) from error


def write_note(out: Path, note: JobNote) -> None:
    """Write a folder's note at once; it is on the disk when this returns."""
    with replacing(out / NOTE) as file:
        file.write(note.model_dump_json(indent=1).encode() + b"\n")


class Notebook:
    """A folder's note, which is on the disk whenever it has changed."""

    note: JobNote

    def __init__(self, out: Path) -> None:
        self._out = out

    def write(self, note: JobNote) -> None:
        """Replace the note."""
        write_note(self._out, note)
        self.note = note

    def put(self, **fields: Any) -> None:
        """Change fields of the note."""
        self.write(self.note.model_copy(update=fields))


def state_to_keep(status: str) -> str | None:
    """A job's state that is worth noting: the others are old when they are read.

    Nor is success noted before the student is written.
    """
    return status if status in ("failed", "cancelled") else None


def check_same(out: Path, note: JobNote, run: Run, server: str) -> None:
    """Compare what a folder's job is with what is wanted.

    Raises:
        ConfigError: If they differ; it says in what.
    """
    differences = note.run.differences(run)
    if note.server != server:
        differences.append(f"server was {note.server!r} and is {server!r}")
    if differences:
        raise ConfigError(
            f"the folder {str(out)!r} holds another job: {'; '.join(differences)}; give another "
            "output, or start again in this one on purpose (--start-again)"
        )


def check_free(out: Path) -> None:
    """Find out that a folder without a note holds nothing else.

    Raises:
        ConfigError: If it does.
    """
    ours = {"holder.json"}
    strange = sorted(p.name for p in out.iterdir() if p.name[0] != "." and p.name not in ours)
    if strange:
        raise ConfigError(
            f"the folder {str(out)!r} is not empty ({', '.join(strange[:3])}) and holds no job: "
            "give another output"
        )
