"""Whether a router that learns of a student chooses it where it is better, and nowhere else."""

from collections.abc import Sequence

import numpy as np

from fusion_agents.distill.comparing.comparing import Pairs
from fusion_agents.distill.comparing.comparison import Choice, Choices
from fusion_agents.distill.comparing.contestants import Contestants
from fusion_agents.errors import EmptyLogError
from fusion_agents.near_duplicates import near_duplicate_groups
from fusion_agents.objective import Objective
from fusion_agents.outcomes import FloatMatrix, Outcomes
from fusion_agents.routers.catalogue import make_router
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.types import Arm, Query


def choices(
    log: RoutingLog,
    pairs: Pairs,
    asked: Contestants,
    kept_back: Sequence[Query],
    *,
    router: str = "auto",
    objective: str = "performance-first",
    seed: int = 0,
) -> Choices:
    """Let a router learn from the log without the queries that were kept back; ask it these.

    What the chosen arms got there is read from the log and, of base and student, from the
    comparison. A choice of which that is not known is counted, and in no mean.

    Args:
        log: The routing log, with what was recorded.
        pairs: The comparison's.
        asked: Who was asked.
        kept_back: Queries that the log was told nothing of the student about; at least one.
        router: Name of the router with options.
        objective: What it chooses under.
        seed: Of the router.

    Raises:
        ConfigError: If there is no such router or objective.
        EmptyLogError: If the log has nothing else to learn from.
    """
    outcomes = log.training_outcomes().outcomes
    learned = outcomes.take(_unlike(outcomes, kept_back))
    if not learned.n_queries:
        raise EmptyLogError("the log has nothing to learn from but the queries that were kept back")
    fitted = make_router(router, seed=seed).fit(learned)
    routes = fitted.route([query.text for query in kept_back], Objective.parse(objective))
    student = Arm(model=asked.student_name, strategy=asked.student.strategy)
    base = Arm(model=asked.base_name, strategy=asked.base.strategy)
    arms = [route.arm for route in routes]
    scores = _scores(outcomes, pairs, kept_back, arms, student, base)
    names = sorted({query.task or "" for query in kept_back})
    rows = [
        _choice(name, [(query.task or "") == name for query in kept_back], arms, scores, student)
        for name in names
    ]
    return Choices(
        router=fitted.version,
        objective=objective,
        n_learned=learned.n_queries,
        overall=_choice(None, [True] * len(kept_back), arms, scores, student),
        tasks=tuple(rows),
    )


def _unlike(outcomes: Outcomes, kept_back: Sequence[Query]) -> list[int]:
    """Rows that are no near-duplicate of what was kept back."""
    texts = [query.text for query in (*kept_back, *outcomes.queries)]
    groups = near_duplicate_groups(texts).tolist()
    closed = set(groups[: len(kept_back)])
    ids = {query.id for query in kept_back}
    return [
        row
        for row, (query, group) in enumerate(
            zip(outcomes.queries, groups[len(kept_back) :], strict=True)
        )
        if group not in closed and query.id not in ids
    ]


def _scores(
    outcomes: Outcomes,
    pairs: Pairs,
    kept_back: Sequence[Query],
    arms: Sequence[Arm],
    student: Arm,
    base: Arm,
) -> FloatMatrix:
    """Of the chosen arm, of base and of student, shape (n_kept_back, 3); NaN where not known."""
    places = {query.id: place for place, query in enumerate(pairs.queries)}
    rows = {query.id: row for row, query in enumerate(outcomes.queries)}
    columns = {arm: column for column, arm in enumerate(outcomes.arms)}
    found = np.full((len(kept_back), 3), np.nan)
    for number, (query, arm) in enumerate(zip(kept_back, arms, strict=True)):
        found[number, 1:] = pairs.scores[places[query.id], :2]
        if arm in (student, base):
            found[number, 0] = found[number, 2 if arm == student else 1]
        elif query.id in rows:
            found[number, 0] = outcomes.performance[rows[query.id], columns[arm]]
    return found


def _choice(
    task: str | None, here: Sequence[bool], arms: Sequence[Arm], scores: FloatMatrix, student: Arm
) -> Choice:
    rows = np.asarray(here)
    known = rows & ~np.isnan(scores).any(axis=1)
    chosen = [arm for arm, one in zip(arms, here, strict=True) if one]
    means = scores[known].mean(axis=0).tolist() if known.any() else [None] * 3
    return Choice(
        task=task,
        n=len(chosen),
        n_known=int(known.sum()),
        student_share=sum(arm == student for arm in chosen) / len(chosen),
        router=means[0],
        base=means[1],
        student=means[2],
    )
