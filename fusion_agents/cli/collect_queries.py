"""The queries of a collection, from a file, from tasks, or from both."""

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

from fusion_agents.cli.console import say
from fusion_agents.errors import ConfigError, RowError
from fusion_agents.stores.formats.queries import read_queries
from fusion_agents.types import Query


class CollectedQueries:
    """Queries that can be gone through any number of times; a file is read each time.

    Args:
        path: The file; none for none.
        drawn: Queries of tasks.
    """

    def __init__(self, path: Path | None, drawn: Sequence[Query]) -> None:
        self._path = path
        self._drawn = drawn
        rows = [] if path is None else self._problems(path)
        self.n_queries = len(drawn) + self._n_read
        for row in rows[:5]:
            say(f"warning: {row}")
        if len(rows) > 5:
            say(f"warning: {len(rows) - 5:,} more rows of {path} cannot be read")

    _n_read = 0

    def _problems(self, path: Path) -> list[RowError]:
        found = []
        for query in read_queries(path):
            if isinstance(query, Query):
                self._n_read += 1
            else:
                found.append(query)
        return found

    def __iter__(self) -> Iterator[Query]:
        read = () if self._path is None else read_queries(self._path)
        return chain(self._drawn, (query for query in read if isinstance(query, Query)))


def read_collected(
    path: Path | None, tasks: Sequence[str], split: str, per_task: int | None, seed: int
) -> CollectedQueries:
    """Draw the tasks' queries, and look through the file once.

    Raises:
        ConfigError: If there is nothing to ask, or a task is wrong.
        DataError: If data cannot be had.
    """
    if path is None and not tasks:
        raise ConfigError("say what to ask: --tasks gsm8k,math or --queries my.jsonl")
    found = CollectedQueries(path, _drawn(tasks, split, per_task, seed) if tasks else [])
    if not found.n_queries:
        raise ConfigError("there is no query to ask")
    return found


def _drawn(tasks: Sequence[str], split: str, per_task: int | None, seed: int) -> list[Query]:
    from fusion_agents.tasks.catalogue import make_task

    if split not in ("train", "test"):
        raise ConfigError(f"--split must be train or test, not {split!r}")
    made = [make_task(name) for name in tasks]
    return [query for task in made for query in task.samples(split, per_task, seed)]  # type: ignore[arg-type]
