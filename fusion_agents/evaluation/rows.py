"""The table: every router's figures on the held-out queries."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from fusion_agents.evaluation.arena import arena_score
from fusion_agents.evaluation.assess import Assessment
from fusion_agents.evaluation.calibration import calibration
from fusion_agents.evaluation.contenders import Contender, in_order_of
from fusion_agents.evaluation.holdout import HeldOut
from fusion_agents.evaluation.logged import LOGGED
from fusion_agents.evaluation.measures import Measure
from fusion_agents.evaluation.report import (
    ArmResult,
    Calibration,
    Difference,
    Row,
    TaskResult,
    known,
)
from fusion_agents.evaluation.scorer import OBSERVED, Scorer
from fusion_agents.outcomes import IntVector, Outcomes


def rows_of(
    contenders: Sequence[Contender], scorer: Scorer, oracle_note: str | None
) -> tuple[Row, ...]:
    """One row a router, then the policy that made the log if one did, the oracle last."""
    assessed = {measure: scorer.assess(measure) for measure in scorer.measures}
    tasks = scorer.per_task()
    rows = [
        _contender_row(contender, _figures(contender.name, scorer, assessed, tasks), scorer.test)
        for contender in contenders
    ]
    if LOGGED in scorer.choices:
        figures = _figures(LOGGED, scorer, assessed, tasks)
        rows.append(Row.model_validate({"router": LOGGED, **figures}))
    return (*rows, _oracle_row(scorer, assessed, tasks, oracle_note))


def arm_results(held_out: HeldOut, measures: Mapping[str, Measure]) -> tuple[ArmResult, ...]:
    """What each arm would have achieved if it had answered every test query."""
    train, test = held_out.train, held_out.test
    errors = train.errors.sum(axis=0) + test.errors.sum(axis=0)
    answers = train.answered.sum(axis=0) + test.answered.sum(axis=0)
    results = []
    for column, arm in enumerate(map(str, test.arms)):
        always = np.full(test.n_queries, column)
        values = {
            name: known(measures[name].terms(always).value)
            for name in ("performance", "cost", "judge")
            if name in measures
        }
        results.append(
            ArmResult(
                arm=arm,
                n_answers=int(test.answered[:, column].sum()),
                error_rate=float(errors[column] / max(errors[column] + answers[column], 1)),
                **values,
            )
        )
    return tuple(results)


def _figures(
    name: str,
    scorer: Scorer,
    assessed: Mapping[str, Assessment],
    tasks: Mapping[str, dict[str, TaskResult]],
) -> dict[str, object]:
    if name not in scorer.choices:
        return {}
    i, best = scorer.policies.index(name), scorer.policies.index("best")
    values = {measure: known(a.values[i]) for measure, a in assessed.items()}
    performance, cost = values.get("performance"), values.get("cost")
    utility = assessed["utility"]
    return {
        **values,
        "utility_interval": utility.level(i),
        "vs_best": utility.difference(i, best),
        "vs_logged": _against_log(utility, i, scorer.policies),
        "performance_vs_best": (
            assessed["performance"].difference(i, best)
            if "performance" in assessed
            else Difference()
        ),
        "oracle_gap": _oracle_gap(utility, i, best, scorer.policies),
        "arms": _shares(scorer.choices[name], scorer.test),
        "per_task": tasks[name],
        "arena_score": (
            None if performance is None or cost is None else arena_score(performance, cost)
        ),
        "ess": float(utility.ess[i]),
        "methods": {
            measure: "replay" if name in OBSERVED else scorer.measures[measure].method
            for measure in assessed
        },
        "note": utility.refusals[i],
    }


def _oracle_row(
    scorer: Scorer,
    assessed: Mapping[str, Assessment],
    tasks: Mapping[str, dict[str, TaskResult]],
    note: str | None,
) -> Row:
    figures = {**_figures("oracle", scorer, assessed, tasks), "note": note}
    return Row.model_validate({"router": "oracle", **figures})


def _oracle_gap(utility: Assessment, i: int, best: int, policies: list[str]) -> float | None:
    if "oracle" not in policies:
        return None
    ceiling = utility.values[policies.index("oracle")] - utility.values[best]
    gain = utility.values[i] - utility.values[best]
    return known(gain / ceiling) if ceiling > 0 else None


def _against_log(utility: Assessment, i: int, policies: list[str]) -> Difference:
    if LOGGED not in policies:
        return Difference()
    return utility.difference(i, policies.index(LOGGED))


def _shares(choice: IntVector, test: Outcomes) -> dict[str, float]:
    counts = Counter(choice.tolist())
    names = {arm: str(test.arms[arm]) for arm in counts}
    order = sorted(counts, key=lambda arm: (-counts[arm], names[arm]))
    return {names[arm]: counts[arm] / len(choice) for arm in order}


def _contender_row(contender: Contender, figures: dict[str, object], test: Outcomes) -> Row:
    encoder = contender.encoded.fit_seconds if contender.encoded else 0.0
    timings: dict[str, object] = {
        "fit_seconds": known(contender.learn_seconds + encoder),
        "learn_seconds": known(contender.learn_seconds),
        "route_ms": known(contender.route_ms),
    }
    if contender.failure is not None:
        return Row(router=contender.name, note=contender.failure)
    return Row.model_validate(
        {
            "router": contender.name,
            "calibration": _calibration(contender, test),
            **figures,
            **timings,
        }
    )


def _calibration(contender: Contender, test: Outcomes) -> Calibration | None:
    if contender.forecast is None:
        return None
    forecast = in_order_of(test.arms, contender.forecast)
    return calibration(forecast.performance, test.performance) or calibration(
        forecast.judge, test.judge
    )
