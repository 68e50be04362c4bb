"""What the figures say, in words that promise nothing."""

from collections.abc import Sequence

from fusion_agents.evaluation.report import Difference, Finding, Row, Saving, Verdict
from fusion_agents.objective import Objective


def verdict(row: Row, best: Row, objective: Objective, savings: Sequence[Saving]) -> Verdict:
    """Say whether routing pays.

    It pays if the whole 95 % interval of its gain in utility over the best single arm lies above
    zero. It does not pay if the whole interval lies below, or if the router itself sends every
    query to that arm. Otherwise the log cannot distinguish them, and routing does not pay on this
    evidence.

    Args:
        row: Of the router that the verdict is about.
        best: Of the best single arm.
        objective: What utility is.
        savings: Of the same router.
    """
    if row.vs_best.delta is None:
        reason = row.note or best.note or "its utility is not known"
        return Verdict(
            router=row.router,
            finding="cannot tell",
            text=f"Cannot tell whether {row.router} pays: {reason}.",
        )
    finding = "does not pay" if row.arms == best.arms else _finding(row.vs_best)
    above, level, below = _count_tasks(row)
    sentences = [_headline(row, best, objective, finding), *_saving_sentence(savings)]
    if row.per_task:
        sentences.append(
            f"Per task: {above} above the best single arm, {level} level with it, {below} below."
        )
    return Verdict(
        router=row.router,
        finding=finding,
        text=" ".join(sentences),
        tasks_above=above,
        tasks_level=level,
        tasks_below=below,
    )


def _finding(difference: Difference) -> Finding:
    if difference.low is not None and difference.low > 0:
        return "pays"
    if difference.high is not None and difference.high < 0:
        return "does not pay"
    return "not distinguishable"


def _headline(row: Row, best: Row, objective: Objective, finding: Finding) -> str:
    arm = next(iter(best.arms), "the best single arm")
    unit = "points of utility"
    if (objective.judge, objective.cost, objective.latency) == (0, 0, 0):
        unit = "points of performance"
    gain = f"{_signed(row.vs_best.delta)} {unit} {_interval(row.vs_best)} against always {arm}"
    if row.arms == best.arms:
        return (
            f"Routing does not pay on this log: {row.router} sends every query to {arm}, the best "
            "single arm."
        )
    if finding == "not distinguishable":
        return (
            f"Routing does not pay on this evidence: {row.router} is not distinguishable from the "
            f"best single arm, {gain}."
        )
    closed = ""
    if finding == "pays" and row.oracle_gap is not None:
        closed = f", {row.oracle_gap:.0%} of the way to an oracle"
    return f"{row.router} {finding}: {gain}{closed}."


def _saving_sentence(savings: Sequence[Saving]) -> list[str]:
    """Of the most generous tolerance that saves anything."""
    useful = [s for s in savings if s.saved.low is not None and s.saved.low > 0]
    if not useful:
        return []
    saving = useful[0]
    given_up = (
        "at equal quality" if not saving.tolerance else f"for {saving.tolerance * 100:.1f} points"
    )
    return [
        f"With the weight on cost chosen on {saving.chosen_on}, {given_up}, it costs "
        f"{saving.saved.delta:.0%} less ({_signed(saving.vs_best.delta)} points "
        f"{_interval(saving.vs_best)})."
    ]


def _count_tasks(row: Row) -> tuple[int, int, int]:
    findings = [
        _finding(Difference(delta=task.delta, low=task.low, high=task.high))
        for task in row.per_task.values()
    ]
    above, below = findings.count("pays"), findings.count("does not pay")
    return above, len(findings) - above - below, below


def _signed(value: float | None) -> str:
    return "?" if value is None else f"{value * 100:+.1f}"


def _interval(difference: Difference) -> str:
    return f"[{_signed(difference.low)}, {_signed(difference.high)}]"
