"""The one place where a judge is asked, and where what it raises becomes a failed verdict."""

from math import isfinite

from langchain_core.runnables import RunnableConfig

from fusion_agents.answering.redaction import Redactor
from fusion_agents.judges.base import Case, Judge, Verdict

_LONGEST = 1000
"""Characters of a reason that are kept."""


async def ask(judge: Judge, case: Case, config: RunnableConfig | None = None) -> Verdict:
    """Ask a judge; whatever goes wrong, a verdict comes back.

    A score that is not a number in [0, 1] is no score: the verdict has the error `invalid`.
    """
    try:
        verdict = await judge.ajudge(case, config)
    except Exception as error:  # noqa: BLE001  a judge is anybody's; its failure is one verdict
        reason = Redactor().text(f"{type(error).__name__}: {error}")
        return Verdict(score=None, reason=_short(reason), error="other")
    return checked(verdict)


def checked(verdict: object) -> Verdict:
    """A verdict that the log can keep, whatever a judge gave.

    >>> checked(Verdict(score=1.2)).error
    'invalid'
    """
    if not isinstance(verdict, Verdict):
        kind = type(verdict).__name__
        return Verdict(score=None, reason=f"the judge gave no verdict, but {kind}", error="invalid")
    aspects = (verdict.correctness, verdict.reasoning, verdict.usefulness)
    wrong = [number for number in (verdict.score, *aspects) if not _is_score(number)]
    if wrong:
        reason = f"the judge said {wrong[0]!r}, which is no number from 0 to 1"
        return Verdict(
            score=None,
            reason=_short(reason),
            error="invalid",
            usage=verdict.usage,
            cost=_cost(verdict),
        )
    return Verdict(
        score=verdict.score,
        reason=_short(verdict.reason),
        correctness=verdict.correctness,
        reasoning=verdict.reasoning,
        usefulness=verdict.usefulness,
        error=verdict.error,
        refused=verdict.refused,
        usage=verdict.usage,
        cost=_cost(verdict),
    )


def _is_score(number: object) -> bool:
    if number is None:
        return True
    return isinstance(number, int | float) and isfinite(number) and 0.0 <= number <= 1.0


def _cost(verdict: Verdict) -> float | None:
    cost = verdict.cost
    return cost if cost is not None and isfinite(cost) and cost >= 0 else None


def _short(text: str | None) -> str | None:
    if text is None:
        return None
    return text[:_LONGEST].encode("utf-8", "replace").decode("utf-8")
