"""Queries that a student must not be tested with: it learned from them, or from nearly the same."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from fusion_agents.distill.comparing.comparison import LeftOut
from fusion_agents.distill.data.dataset import read_dataset
from fusion_agents.distill.nouns import Student, TrainingData
from fusion_agents.distill.selecting.overlap import nearness
from fusion_agents.errors import ConfigError
from fusion_agents.types import Query


class Chosen(NamedTuple):
    """Queries that may be asked."""

    queries: tuple[Query, ...]
    """Each id once, in the order given."""
    left_out: LeftOut


def training_data(student: Student, folder: Path) -> TrainingData:
    """What a student learned from.

    Raises:
        ConfigError: If the folder holds other data.
        DataError: If it holds none, or they were changed.
    """
    dataset = read_dataset(folder)
    if dataset.manifest.fingerprint != student.data:
        raise ConfigError(
            f"{str(folder)!r} does not hold what {student.name!r} learned from: its data are "
            f"{student.data[:12]}..., these are {dataset.manifest.fingerprint[:12]}...; give the "
            "folder that it was trained with"
        )
    return dataset.data


def questions_of(data: TrainingData) -> list[Query]:
    """Every question that a student learned something of, also from pairs."""
    return [one.query for one in data.examples] + [one.query for one in data.pairs]


def leave_out(
    queries: Iterable[Query], trained: Sequence[Query] = (), *, scorable: bool = True
) -> Chosen:
    """Leave out what the student learned from, and what is nearly the same.

    The rule is the selection's (`overlap.nearness`), so that a question that it would have kept
    from training because of one that is tested is not tested because of it, either.

    Args:
        queries: Of which the first of each id counts.
        trained: What it learned from.
        scorable: Whether to leave out what has no ground truth or no metric, too.

    >>> asked = [Query(text="How many primes are there?"), Query(text="Name a prime.")]
    >>> found = leave_out(asked, [Query(text="how many PRIMES are there")], scorable=False)
    >>> [query.text for query in found.queries], found.left_out.near_duplicates
    (['Name a prime.'], 1)
    """
    first: dict[str, Query] = {}
    for query in queries:
        first.setdefault(query.id, query)
    unique = list(first.values())
    ids, texts = {query.id for query in trained}, {query.text for query in trained}
    fresh = [query for query in unique if query.id not in ids and query.text not in texts]
    unlike = _unlike(fresh, trained)
    left = [query for query in unlike if not scorable or is_scorable(query)]
    return Chosen(
        tuple(left),
        LeftOut(
            trained=len(unique) - len(fresh),
            near_duplicates=len(fresh) - len(unlike),
            unscorable=len(unlike) - len(left),
        ),
    )


def _unlike(queries: Sequence[Query], trained: Sequence[Query]) -> list[Query]:
    found = nearness(
        [query.text for query in (*trained, *queries)],
        [True] * len(trained) + [False] * len(queries),
    )
    near = found.is_near[len(trained) :]
    return [query for query, is_near in zip(queries, near, strict=True) if not is_near]


def is_scorable(query: Query) -> bool:
    """Whether a metric can say how well it was answered."""
    return query.metric is not None and query.ground_truth is not None
