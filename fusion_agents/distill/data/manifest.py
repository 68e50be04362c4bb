"""What a folder of training data says of itself."""

import hashlib

from pydantic import Field, JsonValue

from fusion_agents.distill.nouns import SelectionReport
from fusion_agents.types import Noun

VERSION = 1
"""Of the folder's layout."""


class FileNote(Noun):
    """What a file held when it was written."""

    sha256: str
    n_bytes: int = Field(ge=0)

    @classmethod
    def of(cls, content: bytes) -> "FileNote":
        """Note a file's content.

        >>> FileNote.of(b"").n_bytes
        0
        """
        return cls(sha256=hashlib.sha256(content).hexdigest(), n_bytes=len(content))


class Manifest(Noun):
    """What a folder of training data holds, and how it came about.

    It says nothing of the time and the place: the same data give the same bytes.
    """

    version: int = VERSION
    fingerprint: str
    """Names what a student learns: the examples, the pairs and the messages that questions are
    sent as. Formats and lineage make no difference."""
    strategy: str
    """How the questions are put to the student, in training and in use."""
    prompting: str
    """SHA-256 of what the strategy makes of a question, to notice when it comes to put them
    otherwise."""
    base: str | None = None
    """The model that a student shall be made of, where it is known."""
    formats: tuple[str, ...]
    """That the data are written in, beside our own."""
    n_examples: int
    n_pairs: int
    report: SelectionReport
    options: dict[str, JsonValue]
    """The selection's."""
    files: dict[str, FileNote]
    """By name: all in the folder but the manifest; none of data that only are in memory."""
    made_by: dict[str, str]
    """Versions of the packages that wrote it."""
