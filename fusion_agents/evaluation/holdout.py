"""What is learned from and what is held back, kept apart and in a canonical order."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fusion_agents.errors import EmptyLogError, ObjectiveError
from fusion_agents.near_duplicates import near_duplicate_groups
from fusion_agents.objective import Objective, Scales
from fusion_agents.outcomes import FloatMatrix, IntVector, Outcomes
from fusion_agents.routers.interfaces import Forecast

_MIN_ANSWERS = 10
_MIN_SHARE = 0.1


class Log(Protocol):
    """Anything that can be read as outcomes, such as a routing log."""

    def outcomes(self) -> Outcomes:
        """Read the log as arrays."""


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Training and test outcomes with the same arms in the same order."""

    train: Outcomes
    test: Outcomes
    groups: IntVector
    """Near-duplicate group of each test query."""
    notes: tuple[str, ...]
    """What was left out and why."""


def hold_out(
    log: Outcomes | Log,
    test_log: Outcomes | Log | None,
    objective: Objective,
    *,
    test_fraction: float,
    seed: int,
    exclude_arms: tuple[str, ...] = (),
) -> HeldOut:
    """Divide a log, or set a second log apart from it, for an honest comparison.

    Queries and arms are put in the order of their content first, so that the order of the log's
    rows changes no figure. Left out, each with a note: test queries that are in the training log
    or nearly so; arms that only one part knows, or that either knows too little of to compare
    (fewer than ten answers and less than a tenth of the queries); test queries of which the
    objective's utility is not known for any arm.

    Raises:
        EmptyLogError: If nothing is left to learn from or to test on.
        ObjectiveError: If the objective weighs something that a part does not have.
    """
    read = _read(log)
    whole = _canonical(read.without_arms(exclude_arms))
    if read.n_arms and not whole.n_arms:
        raise EmptyLogError("no arm is left: all arms of the log are excluded")
    notes: list[str] = []
    if test_log is None:
        train, test = whole.split(test_fraction, seed)
    else:
        train, test = whole, _canonical(_read(test_log))
        test = test.without_arms([name for name in exclude_arms if _has(test, name)])
        test = _without_overlap(train, test, notes)
        train, test = _shared_arms(train, test, notes)
    _check_not_empty(train, test, notes)
    _check_objective(train, test, objective)
    train, test = _comparable_arms(train, test, objective, notes)
    test = _with_known_utility(train, test, objective, notes)
    return HeldOut(train, test, test.groups, tuple(notes))


def utility_of(outcomes: Outcomes | Forecast, objective: Objective, scales: Scales) -> FloatMatrix:
    """What each arm's answer was or will be worth, (n_queries, n_arms), NaN where not known."""
    utility = objective.utility(
        scales,
        performance=outcomes.performance,
        judge=outcomes.judge,
        cost=outcomes.cost,
        latency=outcomes.latency,
    )
    return utility.astype(np.float64, copy=False)


def _read(log: Outcomes | Log) -> Outcomes:
    return log if isinstance(log, Outcomes) else log.outcomes()


def _canonical(outcomes: Outcomes) -> Outcomes:
    keys = [(query.text, query.id) for query in outcomes.queries]
    rows = sorted(range(outcomes.n_queries), key=keys.__getitem__)
    columns = sorted(range(outcomes.n_arms), key=lambda arm: str(outcomes.arms[arm]))
    return outcomes.take(rows).take_arms(columns)


def _has(outcomes: Outcomes, name: str) -> bool:
    return any(name in (arm.model, str(arm)) for arm in outcomes.arms)


def _without_overlap(train: Outcomes, test: Outcomes, notes: list[str]) -> Outcomes:
    texts = [query.text for query in (*train.queries, *test.queries)]
    groups = near_duplicate_groups(texts)
    new = ~np.isin(groups[train.n_queries :], groups[: train.n_queries])
    if not new.all():
        notes.append(
            f"{(~new).sum()} of {len(new)} test queries were left out: the training log has them, "
            "or nearly so"
        )
    return test.take(new)


def _shared_arms(train: Outcomes, test: Outcomes, notes: list[str]) -> tuple[Outcomes, Outcomes]:
    for here, there, name in ((train, test, "test"), (test, train, "training")):
        if missing := [str(arm) for arm in here.arms if arm not in there.arms]:
            notes.append(f"left out, as the {name} log does not know them: {', '.join(missing)}")
    return (
        train.take_arms([i for i, arm in enumerate(train.arms) if arm in test.arms]),
        test.take_arms([i for i, arm in enumerate(test.arms) if arm in train.arms]),
    )


def _check_not_empty(train: Outcomes, test: Outcomes, notes: list[str]) -> None:
    for part, outcomes in (("training", train), ("test", test)):
        if not outcomes.n_queries:
            cause = "; ".join(notes) or "import a larger log"
            raise EmptyLogError(f"no {part} queries are left: {cause}")
    if not train.n_arms:
        cause = "; ".join(notes) or "import a larger log"
        raise EmptyLogError(f"training and test have no arm in common: {cause}")


def _check_objective(train: Outcomes, test: Outcomes, objective: Objective) -> None:
    for part, outcomes in (("training", train), ("test", test)):
        for measure in ("performance", "judge", "cost", "latency"):
            if getattr(objective, measure) and np.isnan(getattr(outcomes, measure)).all():
                raise ObjectiveError(
                    f"objective {objective.name!r} weighs {measure}, which the {part} queries do "
                    "not have: choose another objective, or import a log that has it"
                )


def _comparable_arms(
    train: Outcomes, test: Outcomes, objective: Objective, notes: list[str]
) -> tuple[Outcomes, Outcomes]:
    scales = train.scales()
    keep = []
    for arm, name in enumerate(map(str, train.arms)):
        counts = [
            (int((~np.isnan(utility_of(part, objective, scales)[:, arm])).sum()), part.n_queries)
            for part in (train, test)
        ]
        if all(n and (n >= _MIN_ANSWERS or n >= _MIN_SHARE * total) for n, total in counts):
            keep.append(arm)
        else:
            in_train, in_test = (f"{n} of {total}" for n, total in counts)
            notes.append(
                f"{name} was left out: what it is worth is known for {in_train} training and "
                f"{in_test} test queries, too few to compare"
            )
    if not keep:
        raise EmptyLogError(
            "no arm has enough scored answers to be compared: score more of them; "
            + "; ".join(notes)
        )
    return train.take_arms(keep), test.take_arms(keep)


def _with_known_utility(
    train: Outcomes, test: Outcomes, objective: Objective, notes: list[str]
) -> Outcomes:
    utility = utility_of(test, objective, train.scales())
    known: NDArray[np.bool_] = np.any(~np.isnan(utility), axis=1)
    if known.all():
        return test
    notes.append(
        f"{(~known).sum()} of {len(known)} test queries were left out: no arm's answer to them has "
        "the scores that the objective weighs"
    )
    return test.take(known)
