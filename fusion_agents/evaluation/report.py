"""What an evaluation says, as data; it round-trips through JSON."""

import math
from typing import Literal

from pydantic import Field

from fusion_agents.evaluation.off_policy import Method
from fusion_agents.types import Noun

Finding = Literal["pays", "does not pay", "not distinguishable", "cannot tell"]


class Difference(Noun):
    """A paired difference with its 95 % interval; none where it is not known."""

    delta: float | None = None
    low: float | None = None
    high: float | None = None


class TaskResult(Noun):
    """One router on the test queries of one task."""

    n: int
    """Number of queries."""
    performance: float | None = None
    """Mean performance of the router, in [0, 1]."""
    best: float | None = None
    """Mean performance of the best single arm."""
    delta: float | None = None
    """Utility less that of the best single arm."""
    low: float | None = None
    """Lower end of its 95 % interval; none for fewer than ten independent queries."""
    high: float | None = None


class CalibrationBin(Noun):
    """Cells that were forecast about the same."""

    forecast: float
    """Mean forecast."""
    outcome: float
    """Mean outcome."""
    n: int
    """Number of cells."""


class Calibration(Noun):
    """Whether forecasts mean what they say."""

    error: float
    """Expected calibration error: mean distance of forecast and outcome over bins."""
    n: int
    """Number of cells."""
    bins: tuple[CalibrationBin, ...]


class Row(Noun):
    """One router on the held-out queries. Means are per query; none means not known."""

    router: str
    performance: float | None = None
    """In [0, 1]."""
    cost: float | None = None
    """Dollars per query."""
    judge: float | None = None
    """In [0, 1]."""
    utility: float | None = None
    """Under the evaluation's objective, with normalisation constants of the training log."""
    vs_best: Difference = Difference()
    """Utility less that of the best single arm, chosen on the training log."""
    utility_interval: Difference = Difference()
    """The same utility with the interval of its own level."""
    vs_logged: Difference = Difference()
    """Utility less that of the policy that made the log, where one arm a query was chosen."""
    performance_vs_best: Difference = Difference()
    """Performance less that of the best single arm."""
    oracle_gap: float | None = None
    """Share of the distance in utility from the best single arm to the oracle that is closed."""
    arms: dict[str, float] = Field(default_factory=dict)
    """Share of the queries that each arm is chosen for, the most frequent first."""
    fit_seconds: float | None = None
    """To fit this router alone: with the encoder, if it reads the query's text."""
    learn_seconds: float | None = None
    """To fit this router when the vectors are at hand."""
    route_ms: float | None = None
    """Median milliseconds to route one query whose vector is at hand."""
    per_task: dict[str, TaskResult] = Field(default_factory=dict)
    calibration: Calibration | None = None
    """Of the forecasts of all known test cells: performance, or else the judge score."""
    arena_score: float | None = None
    """RouterArena's score of performance and cost, in [0, 1]."""
    ess: float | None = None
    """Effective sample size behind the utility, in queries."""
    methods: dict[str, Method] = Field(default_factory=dict)
    """How each figure was made, by measure."""
    note: str | None = None
    """Why figures are missing: the router failed, or the log cannot tell."""


class ArmResult(Noun):
    """One arm if it had answered every test query."""

    arm: str
    performance: float | None = None
    cost: float | None = None
    """Dollars per query."""
    judge: float | None = None
    n_answers: int
    """Test queries that it answered."""
    error_rate: float
    """Failed attempts in training and test log, as a share of all of its attempts."""


class CurvePoint(Noun):
    """Where a router stands when cost has this weight beside quality with weight 1."""

    router: str
    weight: float
    """Of normalised cost."""
    performance: float
    """Mean quality: performance, or the judge score of a log without performance."""
    cost: float
    """Dollars per query."""
    arena_score: float


class Saving(Noun):
    """Money saved at a quality at most `tolerance` below the best single arm's."""

    router: str
    tolerance: float
    """Quality that one is ready to give up."""
    chosen_on: Literal["train, out of fold", "test, in hindsight"]
    """Where the weight was chosen. What is chosen in hindsight flatters."""
    weight: float | None
    """Of normalised cost; none if no weight keeps that quality."""
    performance: float | None
    """On test."""
    cost: float | None
    """Dollars per query on test."""
    saved: Difference = Difference()
    """Share of the best single arm's cost."""
    vs_best: Difference = Difference()
    """Quality less that of the best single arm."""


class Verdict(Noun):
    """What the figures say, in words."""

    router: str
    """The router that the verdict is about."""
    finding: Finding
    text: str
    tasks_above: int = 0
    """Tasks on which its utility is above the best single arm's, with an interval above zero."""
    tasks_level: int = 0
    tasks_below: int = 0


class Evaluation(Noun):
    """What routing would have earned on held-out queries."""

    objective: str
    n_train: int
    """Number of training queries."""
    n_test: int
    """Number of test queries."""
    seed: int
    n_bootstrap: int
    encoder: str | None = None
    """Identity of the shared encoder; none if no router needed it."""
    encoder_fit_seconds: float | None = None
    """To fit the shared encoder and encode the training queries, once for all routers."""
    encode_ms: float | None = None
    """Median milliseconds to encode one query."""
    rows: tuple[Row, ...]
    arms: tuple[ArmResult, ...]
    curve: tuple[CurvePoint, ...] = ()
    areas: dict[str, float] = Field(default_factory=dict)
    """Mean quality under the cost-quality hull, by router, and of `single arms`."""
    savings: tuple[Saving, ...] = ()
    verdict: Verdict
    notes: tuple[str, ...] = ()
    """What was left out or assumed."""

    def row(self, router: str) -> Row:
        """One router's row.

        Raises:
            KeyError: If it was not evaluated.
        """
        for row in self.rows:
            if row.router == router:
                return row
        raise KeyError(router)


def known(value: float) -> float | None:
    """JSON has no NaN: what is not known is none."""
    return None if math.isnan(value) else float(value)
