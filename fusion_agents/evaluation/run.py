"""Train on one part of a log and replay the other."""

from collections.abc import Callable, Sequence

from fusion_agents.encoders.base import Encoder
from fusion_agents.encoders.lexical import LexicalEncoder
from fusion_agents.errors import ConfigError
from fusion_agents.evaluation.ceiling import ceiling
from fusion_agents.evaluation.contenders import Contender, Contest, main_contender, named_routers
from fusion_agents.evaluation.curve import Sweep, areas, quality_name, sweep_test
from fusion_agents.evaluation.holdout import HeldOut, Log, hold_out
from fusion_agents.evaluation.logged import LOGGED, logged_choice
from fusion_agents.evaluation.measures import Measure, forecast_for_estimates, measures_of
from fusion_agents.evaluation.notes import collection_notes
from fusion_agents.evaluation.report import ArmResult, Evaluation, Saving, known
from fusion_agents.evaluation.rows import arm_results, rows_of
from fusion_agents.evaluation.savings import Market
from fusion_agents.evaluation.scorer import Scorer
from fusion_agents.evaluation.verdict import verdict
from fusion_agents.objective import Objective
from fusion_agents.outcomes import Outcomes
from fusion_agents.routers.base import Router

DEFAULT_ROUTERS = ("auto", "knn", "ridge", "task-best", "cheapest", "random")
"""Evaluated unless told otherwise; `best` and the oracle always are."""

Progress = Callable[[str, int, int], None]


def evaluate(
    log: Outcomes | Log,
    routers: Sequence[str | Router] = DEFAULT_ROUTERS,
    objective: str | Objective = "performance-first",
    *,
    encoder: Encoder | None = None,
    test_fraction: float = 0.3,
    seed: int = 0,
    test_log: Outcomes | Log | None = None,
    exclude_arms: Sequence[str] = (),
    n_bootstrap: int = 2000,
    curve: bool = True,
    on_progress: Progress | None = None,
) -> Evaluation:
    """Say what routing would have earned on held-out queries.

    Routers are fitted on the training part only and choose for the test part; what their choices
    were worth is read from the log (`replay`) or, where the log does not know every arm's answer,
    estimated (see `off_policy`). Every difference is against the best single arm of the training
    part and has a 95 % interval by a paired bootstrap over groups of near-duplicate queries.
    The same log in another order gives the same figures, timings apart.

    Args:
        log: What to learn from, and to test on unless there is a `test_log`.
        routers: Specs such as `knn:k=50`, or routers, which are copied and need not be fitted.
            `best` is added if it is missing, and the oracle always.
        objective: What a good decision is.
        encoder: Turns query text into vectors for all routers given by spec; fitted once.
        test_fraction: Share of the queries that is held out.
        seed: For split, routers and bootstrap.
        test_log: Tests on this log instead; what the training log has too is left out.
        exclude_arms: Arms to leave out, as `model@strategy` or `model`.
        n_bootstrap: Number of bootstrap draws.
        curve: Whether to sweep the weight on cost.
        on_progress: Called with what is done next, how many steps are done, and how many there
            are.

    Raises:
        EmptyLogError: If nothing is left to learn from or to test on.
        ObjectiveError: If the objective weighs something that the log does not have.
        ConfigError: If a router or an arm is unknown.
    """
    objective = Objective.parse(objective)
    report = on_progress or _ignore
    named = named_routers(routers, encoder or LexicalEncoder(), seed)
    report("split", 0, len(named) + 2)
    held_out = hold_out(
        log,
        test_log,
        objective,
        test_fraction=test_fraction,
        seed=seed,
        exclude_arms=tuple(exclude_arms),
    )
    contest = Contest(held_out, objective)
    contenders = []
    for done, (name, router) in enumerate(named):
        report(f"router {name}", done + 1, len(named) + 2)
        contenders.append(contest.enter(name, router))
    report("figures", len(named) + 1, len(named) + 2)
    evaluation = _report(held_out, objective, contenders, n_bootstrap, seed, curve)
    report("done", len(named) + 2, len(named) + 2)
    return evaluation


def _report(
    held_out: HeldOut,
    objective: Objective,
    contenders: Sequence[Contender],
    n_bootstrap: int,
    seed: int,
    curve: bool,
) -> Evaluation:
    test = held_out.test
    choices = {c.name: c.choice for c in contenders if c.choice is not None}
    if "best" not in choices:
        failure = next(c.failure for c in contenders if c.name == "best")
        raise ConfigError(f"no single arm serves objective {objective.name!r}: {failure}")
    forecast = forecast_for_estimates(contenders, test.arms)
    measures = measures_of(test, objective, held_out.train.scales(), forecast)
    oracle = ceiling(held_out, measures["utility"], objective)
    if oracle.choice is not None:
        choices["oracle"] = oracle.choice
    logged = logged_choice(measures["utility"])
    if logged is not None:
        choices[LOGGED] = logged
    scorer = Scorer(test, measures, choices, held_out.groups, n_bootstrap, seed)
    rows = rows_of(contenders, scorer, oracle.note)
    arms = arm_results(held_out, measures)
    sweeps, savings = _trade_off(held_out, measures, contenders, n_bootstrap, seed, curve)
    main = main_contender(contenders)
    by_name = {row.router: row for row in rows}
    encoded = main.encoded or next((c.encoded for c in contenders if c.encoded), None)
    return Evaluation(
        objective=objective.name,
        n_train=held_out.train.n_queries,
        n_test=test.n_queries,
        seed=seed,
        n_bootstrap=n_bootstrap,
        encoder=encoded.encoding.encoder.identity if encoded else None,
        encoder_fit_seconds=encoded.fit_seconds if encoded else None,
        encode_ms=known(encoded.encode_ms) if encoded else None,
        rows=rows,
        arms=arms,
        curve=tuple(point for one in sweeps for point in one.points()),
        areas=areas(sweeps, arms, quality_name(measures)) if sweeps else {},
        savings=savings,
        verdict=verdict(
            by_name[main.name],
            by_name["best"],
            objective,
            [saving for saving in savings if saving.router == main.name],
        ),
        notes=(*held_out.notes, *collection_notes(measures, test), *_error_notes(arms)),
    )


def _trade_off(
    held_out: HeldOut,
    measures: dict[str, Measure],
    contenders: Sequence[Contender],
    n_bootstrap: int,
    seed: int,
    curve: bool,
) -> tuple[list[Sweep], tuple[Saving, ...]]:
    """Sweeps of the routers that read the query, and what they save; nothing without costs."""
    if not curve or "cost" not in measures:
        return [], ()
    market = Market(held_out, measures, n_bootstrap, seed)
    sweeps: list[Sweep] = []
    savings: list[Saving] = []
    for contender in contenders:
        one = sweep_test(contender, held_out.test, measures)
        if one is not None and one.settings:
            sweeps.append(one)
            savings.extend(market.savings(contender, one))
    return sweeps, tuple(savings)


def _error_notes(arms: Sequence[ArmResult]) -> list[str]:
    failing = [f"{arm.arm} {arm.error_rate:.1%}" for arm in arms if arm.error_rate > 0]
    if not failing:
        return []
    return [f"failed attempts count as unknown, not as wrong answers: {', '.join(failing)}"]


def _ignore(step: str, done: int, total: int) -> None:
    """Report nothing."""
