"""The steps of a graph that a server opens by name: settings from the environment."""

import logging
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from fusion_agents.errors import ConfigError, FusionError
from fusion_agents.pool.pool import Pool
from fusion_agents.steps.building import steps_from_log, steps_from_models, steps_from_router
from fusion_agents.steps.options import StepOptions
from fusion_agents.steps.query_steps import QuerySteps
from fusion_agents.stores.routing_log import RoutingLog

logger = logging.getLogger(__name__)

MODELS = "FUSION_AGENTS_MODELS"
LOG = "FUSION_AGENTS_LOG"
ROUTER = "FUSION_AGENTS_ROUTER"
OBJECTIVE = "FUSION_AGENTS_OBJECTIVE"
JUDGE = "FUSION_AGENTS_JUDGE"
EXPLORE = "FUSION_AGENTS_EXPLORE"
TEMPLATES = "FUSION_AGENTS_TEMPLATES"

_LLM = "llm"


def steps_from_environment(environment: Mapping[str, str] | None = None) -> QuerySteps:
    """Make the steps from what is set in the environment.

    * `FUSION_AGENTS_MODELS`: the path of a `models.toml`; the only one that must be set.
    * `FUSION_AGENTS_LOG`: the path of a routing log; attempts are recorded to it.
    * `FUSION_AGENTS_ROUTER`: the folder of a saved router; or the name of one to fit on the log;
      or `llm`, or `llm:NAME`, for the pool's first model, or that one, to choose by the cards.
      Without it, `auto` is fitted if the log has scores, and otherwise it is `llm`.
    * `FUSION_AGENTS_OBJECTIVE`: the usual objective.
    * `FUSION_AGENTS_JUDGE`: who judges each answer before it is recorded, such as
      `rubric:gpt-5-mini`; nobody without it.
    * `FUSION_AGENTS_TEMPLATES`: the path of a log with thought templates for arms `@thought`;
      without it, those of `FUSION_AGENTS_LOG`.
    * `FUSION_AGENTS_EXPLORE`: how often a router tries another arm, such as `0.05`; never without
      it.

    Args:
        environment: That of the process by default.

    Raises:
        ConfigError: If something is missing or wrong; it names the variable.
    """
    given = os.environ if environment is None else environment
    models = given.get(MODELS)
    if not models:
        raise ConfigError(
            f"set {MODELS} to the path of a models.toml, which lists the models to choose among "
            f"(and {LOG} and {ROUTER} to a routing log and a saved router, if there are any)"
        )
    pool = Pool.from_toml(models)
    log = RoutingLog(given[LOG]) if given.get(LOG) else None
    usual = StepOptions(
        objective=given.get(OBJECTIVE) or "performance-first",
        judge=given.get(JUDGE) or None,
        templates=given.get(TEMPLATES) or None,
    )
    steps = _steps(pool, log, given.get(ROUTER) or "", usual, given.get(EXPLORE) or None)
    _warm_up(steps)
    return steps


def _warm_up(steps: QuerySteps) -> None:
    """Load now what would otherwise be loaded in an event loop: clients, an encoder's files."""
    with suppress(FusionError):
        turn = steps.turn("2 + 2?")
        if not steps.classifier.calls_models:
            steps.classify([turn])


def _steps(
    pool: Pool, log: RoutingLog | None, router: str, usual: StepOptions, explore: str | None
) -> QuerySteps:
    kind, _, chooser = router.partition(":")
    if kind == _LLM or (log is None and not router):
        if explore:
            raise ConfigError(f"{EXPLORE} needs a router that learned from a log: set {ROUTER}")
        return steps_from_models(pool, classifier=chooser or None, record=log, **usual)
    if router and Path(router).is_dir():
        return steps_from_router(
            router, models=pool, log=log, record=log is not None, explore=explore, **usual
        )
    if log is None:
        raise ConfigError(
            f"{ROUTER} is {router!r}, which is no folder of a saved router: name one, or set "
            f"{LOG} to a log to fit a router of that name on"
        )
    if router or _has_scores(log):
        return steps_from_log(
            log, models=pool, router=router or "auto", record=True, explore=explore, **usual
        )
    logger.warning("the log has no scores to learn from yet: a model chooses by the cards")
    return steps_from_models(pool, record=log, **usual)


def _has_scores(log: RoutingLog) -> bool:
    stats = log.stats()
    return bool(stats.scored or stats.judged)
