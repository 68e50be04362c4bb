"""Which questions are asked, and from which the templates and examples may come."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from fusion_agents.errors import ConfigError
from fusion_agents.near_duplicates import near_duplicate_groups
from fusion_agents.stores.log_filter import LogFilter
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.types import Query, content_key

TRAIN = "train"
HELD_OUT = 0.3
"""Share of the questions that is held out where the log has no split."""

_MOST = 30_000


class Division(NamedTuple):
    """Questions that are asked, apart from those that are learned from."""

    asked: tuple[Query, ...]
    """With ground truth and metric; in an order that says nothing."""
    learned: LogFilter | None
    """What may be learned from, beside the log's own splits; none if they say it all."""
    unscorable: int = 0
    """Questions that were left out: it could not be said how well they are answered."""


def divide(
    log: RoutingLog,
    given: Iterable[Query] | None = None,
    *,
    tasks: Sequence[str] = (),
    per_task: int | None = None,
    seed: int = 0,
) -> Division:
    """Choose the questions of a study.

    These are the given ones or, without any, those that the log holds out: of any split but
    `train`; in a log without splits, three in ten by chance. Neither they nor their
    near-duplicates are learned from. The same log, questions and seed give the same division,
    also when the log has the answers of the study in it.

    Args:
        log: Has what is learned from.
        given: Questions from elsewhere; in the log they will be held out.
        tasks: Only questions of these tasks; all if there are none.
        per_task: Questions of each task, at most.
        seed: Draws which.

    Raises:
        ConfigError: If there is nothing to ask whose answers could be scored.
    """
    every = list(log.queries())
    held_out = _held_out(every, seed) if given is None else [_test(query) for query in given]
    wanted = [query for query in held_out if not tasks or query.task in tasks]
    scorable = [query for query in wanted if query.metric and query.ground_truth is not None]
    asked = tuple(_some(scorable, per_task, seed))
    if not asked:
        raise ConfigError(_nothing(len(held_out), len(wanted), tasks))
    return Division(asked, _learned(every, held_out, seed), len(wanted) - len(scorable))


def _held_out(every: Sequence[Query], seed: int) -> list[Query]:
    split = [query for query in every if query.split not in (None, TRAIN)]
    if split:
        return split
    return [query for query in every if _chance(query, seed) < HELD_OUT and query.split is None]


def _chance(query: Query, seed: int) -> float:
    """A number in [0, 1) that belongs to the query."""
    return int(content_key("held out", seed, query.id)[:12], 16) / 16**12


def _test(query: Query) -> Query:
    return query if query.split is not None else query.model_copy(update={"split": "test"})


def _some(queries: Iterable[Query], per_task: int | None, seed: int) -> list[Query]:
    """So many of each task, drawn and ordered by chance."""
    taken: defaultdict[str | None, int] = defaultdict(int)
    found = []
    unique = {query.id: query for query in queries}
    for query in sorted(unique.values(), key=lambda query: content_key("asked", seed, query.id)):
        taken[query.task] += 1
        if per_task is None or taken[query.task] <= per_task:
            found.append(query)
    return found


def _learned(every: Sequence[Query], held_out: Sequence[Query], seed: int) -> LogFilter | None:
    """What is no near-duplicate of a question that is held out."""
    texts = [query.text for query in (*held_out, *every)]
    numbers = near_duplicate_groups(texts).tolist()
    closed = set(numbers[: len(held_out)])
    own = dict(zip((query.id for query in every), numbers[len(held_out) :], strict=True))
    trained = [query.id for query in every if query.split in (None, TRAIN)]
    free = [name for name in trained if own[name] not in closed]
    if len(free) == len(trained):
        return None
    free.sort(key=lambda name: content_key("learned", seed, name))
    return LogFilter(query_ids=tuple(free[:_MOST]))


def _nothing(n_held_out: int, n_wanted: int, tasks: Sequence[str]) -> str:
    if n_wanted:
        return (
            f"none of {n_wanted:,} questions has a ground truth and a metric, without which "
            "answers cannot be scored"
        )
    if n_held_out:
        return f"no question is of the tasks {', '.join(tasks)}"
    return "the log holds no questions out: give some"
