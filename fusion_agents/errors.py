"""The errors that this package raises, in one tree.

```
FusionError                 everything below; catch this at an app's border
├── ConfigError             an option, a name or a file of settings is wrong
│   ├── ObjectiveError      an objective that the data or the arms cannot serve
│   └── MissingExtraError   an optional dependency is not installed
├── DataError               data does not have the shape that was asked for
│   ├── EmptyLogError       nothing to learn from, or nothing left after filtering
│   ├── RowError            one row of a file; carries file, line and reason
│   └── UnknownFormatError  no reader recognises the file
├── StoreError              a database or an index cannot do what was asked
│   └── SchemaTooNewError   the file was made by a newer version; it was not touched
├── EncoderError            texts could not be turned into vectors
├── ArtefactError           a saved router is damaged or belongs to something else
├── NoSandboxError          this machine has no sandbox for code; the message names the fix
├── SandboxError            a sandbox for code broke or did not start
├── TrainingError           a student's training failed, or cannot go on
├── RouteError              no arm can answer under the given objective
└── AnswerError             every arm that was asked failed; carries each arm's reason
```

Messages are lower case and say what, which and what to do about it.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from langchain_core.messages import AIMessage

    from fusion_agents.types import Attempt


class FusionError(Exception):
    """Base of every error that this package raises on purpose."""


class ConfigError(FusionError, ValueError):
    """An option, a name or a file of settings is wrong."""


class ObjectiveError(ConfigError):
    """The objective asks for something that the data or the arms do not have."""


class MissingExtraError(ConfigError, ImportError):
    """An optional dependency is not installed; the message names the extra."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs the extra {extra!r}: pip install 'fusion-agents[{extra}]'")


class DataError(FusionError, ValueError):
    """Data does not have the shape that was asked for."""


class EmptyLogError(DataError):
    """There is nothing to learn from or to evaluate on."""


class RowError(DataError):
    """One row of a file cannot be read; the other rows are not affected.

    Attributes:
        file: The file as the caller named it.
        line: Number of the row, counted from 1; a header counts as a row.
        reason: What is wrong with it.
    """

    def __init__(self, file: str, line: int, reason: str) -> None:
        super().__init__(f"{file}:{line}: {reason}")
        self.file = file
        self.line = line
        self.reason = reason


class UnknownFormatError(DataError):
    """No reader recognises the content of a file."""


class StoreError(FusionError):
    """A database or an index cannot do what was asked."""


class SchemaTooNewError(StoreError):
    """The file was made by a newer version of this package; it was not touched."""


class EncoderError(FusionError):
    """Texts could not be turned into vectors."""


class ArtefactError(FusionError):
    """A saved router is damaged, or belongs to another encoder or other arms."""


class SandboxError(FusionError):
    """A sandbox broke or did not start; what was to run in it is not to blame."""


class NoSandboxError(FusionError):
    """This machine has no sandbox in which code may run.

    Attributes:
        cause: Why.
        fix: What to do about it.
    """

    def __init__(self, cause: str, fix: str) -> None:
        super().__init__(f"{cause}; to score code, {fix}")
        self.cause = cause
        self.fix = fix


class TrainingError(FusionError):
    """A student's training failed or cannot go on; the message says how to go on."""


class RouteError(FusionError):
    """No arm can answer under the given objective."""


class AnswerError(FusionError):
    """No arm gave an answer; the message names every attempt's reason.

    Attributes:
        attempts: What was tried, in order: `fusion_agents.types.Attempt`.
        rejected: The last message that came back and did not fit the schema that was asked for.
    """

    def __init__(
        self,
        message: str,
        attempts: tuple["Attempt", ...] = (),
        rejected: "AIMessage | None" = None,
    ) -> None:
        super().__init__(message)
        self.attempts = attempts
        self.rejected = rejected
