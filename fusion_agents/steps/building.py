"""Making the steps from what a user has: a log, a saved router, or models alone."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fusion_agents.answering.policy import AnswerPolicy
from fusion_agents.classifiers.base import Classifier
from fusion_agents.classifiers.learned import LearnedClassifier, is_quick
from fusion_agents.classifiers.llm import LLMClassifier
from fusion_agents.encoders.base import Encoder
from fusion_agents.errors import ConfigError, EmptyLogError
from fusion_agents.judges.catalogue import judging_models
from fusion_agents.objective import Objective
from fusion_agents.outcomes import Outcomes
from fusion_agents.pool.matching import Coverage
from fusion_agents.pool.pool import Pool
from fusion_agents.routers.artefact import load_router
from fusion_agents.routers.base import Router
from fusion_agents.routers.catalogue import make_router
from fusion_agents.routers.exploration import Exploration
from fusion_agents.steps.judging import Judging, judge_policy
from fusion_agents.steps.lookups import Log, Templates, check_used, with_lookups
from fusion_agents.steps.options import Exploring
from fusion_agents.steps.query_steps import QuerySteps
from fusion_agents.stores.opening import open_log
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.types import Arm

logger = logging.getLogger(__name__)

Models = Pool | Mapping[str, Any] | str | Path
"""A pool, what `Pool` takes, or the path of a `models.toml`."""


def read_pool(models: Models) -> Pool:
    """Make the pool.

    Raises:
        ConfigError: If a model or the file is wrong.
    """
    if isinstance(models, Pool):
        return models
    return Pool.from_toml(models) if isinstance(models, str | Path) else Pool(models)


def steps_from_log(
    log: RoutingLog | str | Path,
    *,
    models: Models,
    objective: str | Objective = "performance-first",
    router: str | Router = "auto",
    encoder: Encoder | None = None,
    policy: AnswerPolicy | None = None,
    record: bool | RoutingLog = False,
    seed: int = 0,
    judge: Judging | None = None,
    explore: Exploring = None,
    templates: Templates | None = None,
) -> QuerySteps:
    """Fit a router on a log, for the arms that both the log and the pool have.

    Args:
        log: An open log, or the path of a database or of log files.
        models: Named as in the log.
        objective: The usual one; a call may name another.
        router: A name with options, or a router; one that is fitted already is used as it is.
        encoder: Of the router; the lexical one by default.
        policy: How hard to try for an answer.
        record: Whether what is answered goes back into the log, or another log for it.
        seed: Of the router.
        judge: Who judges the answers, which of them and when; nobody by default.
        explore: How often to try another arm than the best one; never by default.
        templates: Where `thought` finds templates; in the log itself by default.

    Raises:
        ConfigError: If the log and the pool have no arm in common, or `judge` or `explore` cannot
            be read.
        ObjectiveError: If the objective weighs what the log does not have.
        EmptyLogError: If the log has nothing to learn from.
    """
    if record is True and not isinstance(log, RoutingLog):
        raise ConfigError("to record, pass an open RoutingLog, not a path")
    opened = log if isinstance(log, RoutingLog) else open_log(log, read_only=True)
    try:
        outcomes, report = opened.training_outcomes()
        for sentence in report.sentences():
            logger.info("%s", sentence)
        if not outcomes.n_queries:
            raise EmptyLogError(
                "the log has nothing to learn from: collect or import entries first, or begin with "
                "FusionRouterChain.from_models"
            )
        pool, coverage = _covered(read_pool(models), outcomes.arms, opened, log, templates)
        fitted = _fitted(router, outcomes, coverage, encoder, seed)
    finally:
        if opened is not log:
            opened.close()
    _check_weights(objective, fitted)
    return QuerySteps(
        pool=pool,
        classifier=LearnedClassifier(fitted, Exploration.parse(explore)),
        coverage=coverage,
        arms=_answering(coverage.arms, judge, coverage.learned),
        objective=objective,
        policy=policy,
        record_to=_record_to(record, opened),
        judging=judge_policy(judge, pool),
    )


def steps_from_router(
    router: Router | str | Path,
    *,
    models: Models,
    objective: str | Objective = "performance-first",
    log: RoutingLog | None = None,
    encoder: Encoder | None = None,
    policy: AnswerPolicy | None = None,
    record: bool | RoutingLog = False,
    judge: Judging | None = None,
    explore: Exploring = None,
    templates: Templates | None = None,
) -> QuerySteps:
    """Use a fitted router, or one that `save_router` saved.

    Args:
        router: The router or its directory.
        models: Named as in the log that the router learned from.
        objective: The usual one; a call may name another.
        log: For strategies that look things up in it, and to record to.
        encoder: Where the router's encoder cannot be saved.
        policy: How hard to try for an answer.
        record: Whether what is answered goes into `log`, or another log for it.
        judge: Who judges the answers, which of them and when; nobody by default.
        explore: How often to try another arm than the best one; never by default.
        templates: Where `thought` finds templates; in the log itself by default.

    Raises:
        ArtefactError: If the saved router is damaged.
        ConfigError: If the router and the pool have no arm in common.
        ObjectiveError: If the objective weighs what the router's log did not have.
    """
    if record is True and log is None:
        raise ConfigError("to record, pass the log as well")
    fitted = router if isinstance(router, Router) else load_router(router, encoder=encoder)
    pool, coverage = _covered(read_pool(models), fitted.fitted.arm_nouns, log, log, templates)
    _check_weights(objective, fitted)
    return QuerySteps(
        pool=pool,
        classifier=LearnedClassifier(fitted, Exploration.parse(explore)),
        coverage=coverage,
        arms=_answering(coverage.arms, judge, coverage.learned),
        objective=objective,
        policy=policy,
        record_to=_record_to(record, log),
        judging=judge_policy(judge, pool),
    )


def steps_from_models(
    models: Models,
    *,
    classifier: str | Classifier | None = None,
    objective: str | Objective = "performance-first",
    policy: AnswerPolicy | None = None,
    record: RoutingLog | None = None,
    judge: Judging | None = None,
    templates: Templates | None = None,
) -> QuerySteps:
    """Choose among all arms of a pool without a log.

    Args:
        models: The models.
        classifier: Name of the model that reads the arms' cards and picks (the first one by
            default), or any classifier.
        objective: The usual one; a call may name another.
        policy: How hard to try for an answer.
        record: Log that what is answered goes into.
        judge: Who judges the answers, which of them and when; nobody by default.
        templates: Where `thought` finds templates; in the log that is recorded to by default.

    Raises:
        ConfigError: If the pool has no model of that name, or `templates` has no templates.
    """
    pool = read_pool(models)
    pool = with_lookups(pool, (), opened=record, log=record, templates=templates)
    check_used(templates, pool.arms)
    if classifier is None:
        classifier = next(iter(pool.models))
    if isinstance(classifier, str):
        cards = {name: pool.card(name) for name in pool.models}
        classifier = LLMClassifier(pool.chat_model(classifier), cards)
    return QuerySteps(
        pool=pool,
        classifier=classifier,
        arms=_answering(pool.arms, judge),
        objective=objective,
        policy=policy,
        record_to=record,
        judging=judge_policy(judge, pool),
    )


def _covered(
    pool: Pool,
    logged: Sequence[Arm],
    opened: RoutingLog | None,
    log: Log | None,
    templates: Templates | None,
) -> tuple[Pool, Coverage]:
    pool = with_lookups(pool, logged, opened=opened, log=log, templates=templates)
    coverage = pool.for_arms(logged)
    check_used(templates, coverage.arms)
    if not coverage.learned:
        raise ConfigError(
            f"the log and the pool have no arm in common, so nothing can be learned: "
            f"{coverage.report()}"
        )
    if coverage.unlearned or coverage.unavailable:
        logger.warning("%s", coverage.report())
    return pool, coverage


def _fitted(
    router: str | Router,
    outcomes: Outcomes,
    coverage: Coverage,
    encoder: Encoder | None,
    seed: int,
) -> Router:
    if isinstance(router, str):
        router = make_router(router, encoder=encoder, seed=seed)
    if router.evaluation_only:
        raise ConfigError(f"router {router.name!r} sees the outcomes: it is for evaluation only")
    if router.fitted_ is not None:
        return router
    learned = set(coverage.learned)
    columns = [column for column, arm in enumerate(outcomes.arms) if arm in learned]
    return router.fit(outcomes.take_arms(columns))


def _answering(
    arms: Sequence[Arm], judge: Judging | None, learned: Sequence[Arm] = ()
) -> tuple[Arm, ...]:
    """The arms but for models that are there to judge, unless the log knows their answers."""
    judging = judging_models(judge) if isinstance(judge, str) else frozenset()
    answering = [arm for arm in arms if arm.model not in judging or arm in learned]
    return tuple(answering or arms)


def _check_weights(objective: str | Objective, router: Router) -> None:
    """Refuse now what every call would refuse: a weight on what the log does not have.

    An encoder that runs a network or asks a server is not bothered for it.
    """
    if is_quick(router.encoder_):
        uncapped = {"arms": None, "max_cost": None, "max_latency": None}
        router.decide(["?"], Objective.parse(objective).model_copy(update=uncapped))


def _record_to(record: bool | RoutingLog, log: RoutingLog | None) -> RoutingLog | None:
    if isinstance(record, RoutingLog):
        return record
    return log if record else None
