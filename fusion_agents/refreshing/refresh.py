"""Learn again from the log, and let the new router take over if it is not worse."""

from dataclasses import dataclass
from pathlib import Path

from fusion_agents.encoders.base import Encoder
from fusion_agents.errors import ArtefactError, ConfigError, EmptyLogError
from fusion_agents.objective import Objective
from fusion_agents.outcomes import Outcomes
from fusion_agents.refreshing.comparison import Comparison, compare
from fusion_agents.refreshing.cross_fitting import keep_out_of_fold
from fusion_agents.refreshing.drift import DriftReport, find_drift
from fusion_agents.refreshing.gate import Gate, Ruling
from fusion_agents.refreshing.versions import Verdict, Version, Versions
from fusion_agents.routers.base import Router
from fusion_agents.routers.catalogue import hyper_parameters, make_router
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.stores.training import TrainingPolicy, TrainingReport


@dataclass(frozen=True)
class RefreshReport:
    """What came of a refresh."""

    router: Router
    """The one to use from now on."""
    verdict: Verdict | None
    """None if there was nothing new to learn."""
    reason: str
    version: Version | None
    """As which the new router was kept; none in a dry run, or if there was nothing new."""
    comparison: Comparison | None
    """Of the new router with the current one; none for the first."""
    training: TrainingReport
    """What it learned from."""
    drift: DriftReport | None
    """What changed since the current router learned; none for the first."""

    @property
    def promoted(self) -> bool:
        """Whether the router is another one than before."""
        return self.verdict in ("first", "promoted")


def refresh(
    log: RoutingLog,
    versions: Versions | str | Path,
    router: str = "auto",
    *,
    objective: str | Objective = "performance-first",
    policy: TrainingPolicy | None = None,
    gate: Gate | None = None,
    encoder: Encoder | None = None,
    seed: int = 0,
    dry_run: bool = False,
) -> RefreshReport:
    """Fit a challenger on the log, compare it with the current version and keep both.

    What limited sources say may teach the challenger, within the policy's caps, but never votes:
    the comparison rests on the scores of trusted sources alone, so nobody can give feedback for
    the router that their own feedback made.

    Args:
        log: The log.
        versions: The folder of versions, or its path.
        router: Name of the router with options.
        objective: What the two are compared under.
        policy: Which scores count for learning.
        gate: The rule by which the challenger takes over.
        encoder: Of the router; the lexical one by default.
        seed: Of the router.
        dry_run: Compare and report, and keep nothing.

    Raises:
        EmptyLogError: If the log has nothing to learn from.
        ObjectiveError: If the objective weighs what the log does not have.
        ArtefactError: If the current version is damaged, or the new one cannot be saved.
    """
    folder = versions if isinstance(versions, Versions) else Versions(versions)
    policy, gate = policy or TrainingPolicy(), gate or Gate()
    objective = Objective.parse(objective)
    training = log.training_outcomes(policy)
    if not training.outcomes.n_queries:
        raise EmptyLogError("the log has nothing to learn from: collect or import entries first")
    current = folder.current
    champion = None if current is None else folder.router(encoder=only_unsaved(encoder))
    made = make_router(router, encoder=encoder, seed=seed)
    if made.evaluation_only:
        raise ConfigError(f"router {made.name!r} is for evaluation only: it cannot be used")
    if champion is not None and _is_known(folder, made, training.outcomes):
        nothing = "nothing new in the log since a version was fitted on it"
        return RefreshReport(champion, None, nothing, None, None, training.report, None)
    challenger = made.fit(training.outcomes)
    keep_out_of_fold(challenger, training.outcomes)
    comparison, drift, ruling = None, None, Ruling(True, "the first version")
    if champion is not None:
        evidence = voters(log, policy)
        comparison = compare(champion, challenger, evidence, objective)
        drift = find_drift(champion, evidence)
        ruling = gate.rule(comparison)
    verdict: Verdict = "promoted" if ruling.promoted else "rejected"
    if champion is None:
        verdict = "first"
    version = None
    if not dry_run:
        version = folder.add(
            challenger,
            verdict,
            ruling.reason,
            comparison=comparison,
            sources=limited_sources(training.report),
            beside=None if current is None else current.name,
        )
        verdict = version.verdict
    used = challenger if champion is None or verdict == "promoted" else champion
    reason = ruling.reason if version is None else version.reason
    return RefreshReport(used, verdict, reason, version, comparison, training.report, drift)


def voters(log: RoutingLog, policy: TrainingPolicy) -> Outcomes:
    """What the log knows from sources that are trusted; nobody else's scores are in it.

    A limited tenant's answers vote, but no more of them than a limited source may teach.
    """
    tenant_share = min(policy.max_tenant_share, policy.max_source_share)
    shares = {"max_source_share": 0.0, "max_tenant_share": tenant_share}
    return log.training_outcomes(policy.model_copy(update=shares)).outcomes


def limited_sources(report: TrainingReport) -> dict[str, int]:
    """Scores that each limited name gave to what was learned."""
    return {
        f"{one.kind} {one.name}": one.scored - one.left_out
        for one in report.contributions
        if one.level == "limited" and one.scored > one.left_out
    }


def only_unsaved(encoder: Encoder | None) -> Encoder | None:
    """The encoder, if it cannot be saved with a router and so must be given to load one."""
    return None if encoder is None or encoder.saveable else encoder


def _is_known(folder: Versions, made: Router, outcomes: Outcomes) -> bool:
    """Whether a version with the same options learned from exactly this already."""
    version = f"{made.name}-{outcomes.fingerprint[:12]}"
    kept = (one.name for one in folder.history.versions if one.router == version)
    return any(_is_same(folder, name, made) for name in kept)


def _is_same(folder: Versions, name: str, made: Router) -> bool:
    try:
        kept = folder.router(name, encoder=only_unsaved(made.encoder))
    except ArtefactError:
        return False  # damaged, or made with another encoder
    options = hyper_parameters(type(made))
    if made.needs_vectors and kept.encoder.name != made.encoder.name:
        return False
    return all(getattr(kept, option) == getattr(made, option) for option in options)
