"""A comparison put together, with what to know when reading it."""

from collections.abc import Iterator
from typing import NamedTuple

from fusion_agents.distill.comparing.comparing import Pairs, changes, contrasts
from fusion_agents.distill.comparing.comparison import Asked, Comparison, Contrast, LeftOut
from fusion_agents.distill.comparing.contestants import Contestants
from fusion_agents.distill.comparing.given import faults_by_kind
from fusion_agents.distill.comparing.referring import references
from fusion_agents.distill.nouns import Student, TrainingData
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.types import Arm, Dollars

_SHOWN = 5


class Context(NamedTuple):
    """All that a comparison says beside its figures."""

    student: Student
    asked: Contestants
    how: Asked
    left_out: LeftOut
    data: TrainingData | None
    complete: bool
    spent: Dollars
    seed: int
    n_bootstrap: int


def sum_up(pairs: Pairs, log: RoutingLog, context: Context) -> Comparison:
    """Compare, look up what others got, and choose examples."""
    rows = contrasts(pairs, n_bootstrap=context.n_bootstrap, seed=context.seed)
    lost, won = changes(pairs)
    asked, strategy = context.asked, context.student.strategy
    faults = {"base": faults_by_kind(pairs.base), "student": faults_by_kind(pairs.student)}
    own = [Arm(model=name, strategy=strategy) for name in (asked.base_name, asked.student_name)]
    examples = () if context.data is None else context.data.examples
    return Comparison(
        student=asked.student_name,
        student_spec=context.student.spec,
        base=asked.base_name,
        base_spec=asked.base_spec,
        data=context.student.data,
        asked=context.how,
        n_queries=len(pairs.queries),
        n_groups=len(set(pairs.groups.tolist())),
        left_out=context.left_out,
        overall=rows[-1],
        mean_of_tasks=rows[-2] if rows[-2].over == "tasks" else None,
        tasks=tuple(row for row in rows if row.over == "task"),
        references=references(
            log, pairs, without=own, teachers={one.teacher for one in examples if one.teacher}
        ),
        n_regressions=len(lost),
        n_gains=len(won),
        regressions=tuple(lost[:_SHOWN]),
        gains=tuple(won[:_SHOWN]),
        errors={name: kinds for name, kinds in faults.items() if kinds},
        complete=context.complete,
        spent=context.spent,
        seed=context.seed,
        n_bootstrap=context.n_bootstrap,
        notes=tuple(_notes(rows, context)),
    )


def _notes(rows: tuple[Contrast, ...], context: Context) -> Iterator[str]:
    overall, left_out = rows[-1], context.left_out
    if context.data is None:
        yield (
            "it is not known what the student learned from, so nothing was left out for that: "
            "give the folder of its data"
        )
    if trained := left_out.trained + left_out.near_duplicates:
        yield (
            f"{trained:,} queries were left out: the student learned from them, or nearly so. If "
            "they were meant to be held out, the others are those that nobody answered well "
            "enough to learn from, and no fair sample"
        )
    if left_out.unscorable:
        yield f"{left_out.unscorable:,} queries without a ground truth or a metric were left out"
    if overall.judged:
        yield f"{overall.judged:,} of {overall.n:,} pairs are scored by a judge, not by a metric"
    if missing := overall.n_asked - overall.n:
        yield (
            f"{missing:,} of {overall.n_asked:,} queries are in no mean: without an answer of "
            "both, or without a score of both"
        )
    if overall.n and overall.student.cost is None:
        yield (
            "what the student costs is not known: a router that weighs cost will not choose it; "
            "give it a price in the models' file before it is recorded"
        )
    if not context.complete:
        yield "not all queries were asked: the figures are those of a part"
