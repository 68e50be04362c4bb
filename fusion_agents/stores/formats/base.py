"""The ports of the formats, and how formats are found."""

import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from inspect import isabstract
from pathlib import Path
from typing import ClassVar, NamedTuple, TypeVar

from fusion_agents.errors import ConfigError, RowError, UnknownFormatError
from fusion_agents.stores import formats as package
from fusion_agents.stores.formats.fields import Fields, reason
from fusion_agents.stores.formats.head import Head, look
from fusion_agents.stores.formats.rows import rows
from fusion_agents.types import Judgement, LogEntry

ENTRY_POINTS = "fusion_agents.formats"

_Port = TypeVar("_Port", "Format", "Writer")


class Record(NamedTuple):
    """One log entry with the judgements on it."""

    entry: LogEntry
    judgements: tuple[Judgement, ...] = ()
    row: int = 0
    """Number of the row that it was read from; 0 if it comes from elsewhere."""


class Origin(NamedTuple):
    """What a file's rows get if they do not carry it themselves."""

    source: str
    tenant: str = "default"


class Format(ABC):
    """Reads one shape of log file.

    A concrete format has no constructor arguments. Its module's name is its name.
    """

    doubtful_tasks: ClassVar[Mapping[str, str]] = {}
    """Tasks whose labels are known to be wrong at the source, and why."""

    @property
    def name(self) -> str:
        """The format's name in configuration, messages and on the command line."""
        return type(self).__module__.rpartition(".")[2]

    @abstractmethod
    def detect(self, head: Head) -> bool:
        """Whether the file's content has this shape."""

    @abstractmethod
    def read(self, head: Head, origin: Origin) -> Iterator[Record | RowError]:
        """Stream a file's records in file order; what cannot be read is a `RowError`.

        Nothing may depend on the position of a row. An attempt that failed has `error` set and no
        performance. What a judge said is a judgement and never a performance.

        Raises:
            DataError: If the container itself is damaged.
        """


class Writer(ABC):
    """Writes one shape of log file. Its module's name is its name."""

    extensions: ClassVar[tuple[str, ...]]
    """File name endings that mean this format when none is named."""

    @property
    def name(self) -> str:
        """The format's name in configuration, messages and on the command line."""
        return type(self).__module__.rpartition(".")[2]

    @abstractmethod
    def write(self, records: Iterable[Record], path: Path) -> int:
        """Write a new file in place of `path`, at once and readable by the user only.

        Returns:
            The number of records written.
        """


def read_rows(
    head: Head,
    make: Callable[[Fields], Record],
    *,
    only: Iterable[str] | None = None,
    typed: bool = True,
) -> Iterator[Record | RowError]:
    """Turn each row into a record with `make`; a ValueError that it raises refuses the row.

    Args:
        head: The file.
        make: Makes a record out of a row.
        only: Columns to read, where the container can leave out others cheaply.
        typed: Whether text in place of a number is wrong; never so in CSV.
    """
    typed = typed and head.container != "csv"
    for row in rows(head, None if only is None else frozenset(only)):
        if isinstance(row, RowError):
            yield row
            continue
        try:
            record = make(Fields(row.values, typed=typed))
        except ValueError as error:
            yield RowError(str(head.path), row.number, reason(error))
        else:
            yield record._replace(row=row.number)


def format_of(path: Path) -> tuple[Format, Head]:
    """Recognise a file by its content.

    Raises:
        DataError: If there is no such file, or it is damaged.
        UnknownFormatError: If no format recognises it.
    """
    head = look(path)
    for candidate in all_formats().values():
        if candidate.detect(head):
            return candidate, head
    seen = ", ".join(map(repr, head.columns[:12])) or "nothing like columns"
    known = ", ".join(all_formats())
    hint = "; it looks like queries without answers" if _is_queries(head) else ""
    raise UnknownFormatError(
        f"{path}: no format recognises this {head.container} file with {seen}{hint}; known: {known}"
    )


def _is_queries(head: Head) -> bool:
    return bool({"query", "text", "prompt"} & set(head.columns))


@cache
def all_formats() -> Mapping[str, Format]:
    """Every format by its name: those of installed plug-ins first, so that they may take over."""
    return _by_name(one for one in _found() if isinstance(one, Format))


@cache
def all_writers() -> Mapping[str, Writer]:
    """Every writer by its name."""
    return _by_name(one for one in _found() if isinstance(one, Writer))


def writer_for(path: Path, name: str | None = None) -> Writer:
    """Choose a writer by name, or by the file's ending.

    Raises:
        ConfigError: If there is none.
    """
    writers = all_writers()
    if name is not None and name not in writers:
        raise ConfigError(f"no format called {name!r} can be written; known: {', '.join(writers)}")
    if name is not None:
        return writers[name]
    for writer in writers.values():
        if path.name.lower().endswith(writer.extensions):
            return writer
    endings = ", ".join(ending for writer in writers.values() for ending in writer.extensions)
    raise ConfigError(f"{path.name!r} does not say which format to write; known: {endings}")


def _by_name(found: Iterable[_Port]) -> Mapping[str, _Port]:
    """The first of each name counts."""
    named: dict[str, _Port] = {}
    for one in found:
        named.setdefault(one.name, one)
    return named


def _found() -> Iterator[Format | Writer]:
    """Make one of each concrete class that a plug-in or a module of the package defines."""
    modules = [import_module(point.value) for point in entry_points(group=ENTRY_POINTS)]
    names = sorted(module.name for module in pkgutil.iter_modules(package.__path__))
    modules += [import_module(f"{package.__name__}.{name}") for name in names]
    for module in modules:
        for value in vars(module).values():
            if (
                isinstance(value, type)
                and issubclass(value, Format | Writer)
                and value.__module__ == module.__name__
                and not isabstract(value)
            ):
                yield value()
