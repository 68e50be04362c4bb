"""Strategies that look something up: made for a pool from a log or from thought templates."""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

from fusion_agents.errors import ConfigError, EmptyLogError
from fusion_agents.pool.pool import Pool
from fusion_agents.stores.opening import is_database
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.stores.template_store import TemplateStore
from fusion_agents.stores.training import is_suspended
from fusion_agents.strategies.few_shot import FewShotStrategy
from fusion_agents.strategies.thought import TemplateSource, ThoughtStrategy
from fusion_agents.templates.retrieving import ThoughtTemplateRetriever
from fusion_agents.types import Arm, LogEntry

logger = logging.getLogger(__name__)

FEW_SHOT = FewShotStrategy.name
THOUGHT = ThoughtStrategy.name

Log = RoutingLog | str | Path
Templates = TemplateStore | TemplateSource | Log
"""A store; a retriever; or a log, or the path of its database, that has templates."""


def with_lookups(
    pool: Pool,
    logged: Sequence[Arm],
    *,
    opened: RoutingLog | None,
    log: Log | None = None,
    templates: Templates | None = None,
) -> Pool:
    """The pool with the strategies that it or a log names and that have to be made first.

    Args:
        pool: A strategy that it has already is left alone, unless `templates` are given.
        logged: Arms of the log or of a router.
        opened: The log to take examples from; may be closed afterwards.
        log: The same as the caller gave it: its templates are used as long as the pool is.
        templates: Where to find templates; without it, `log` is looked into.

    Raises:
        ConfigError: If `templates` is nothing that has templates.
    """
    if opened is not None and _wants(FEW_SHOT, pool, logged):
        pool = _with_examples(pool, opened)
    if templates is None and opened is not None and _wants(THOUGHT, pool, logged):
        templates = log if TemplateStore(opened).count() else None
    if templates is None:
        return pool
    return pool.with_strategies({THOUGHT: ThoughtStrategy(source=template_source(templates))})


def template_source(templates: Templates) -> TemplateSource:
    """What finds templates, made with the usual options where it has to be made.

    Raises:
        ConfigError: If it is the path of something else than a log's database.
        DataError: If there is nothing at that path.
        StoreError: If the database cannot be opened.
    """
    if isinstance(templates, str | Path):
        if not is_database(Path(templates)):
            raise ConfigError(f"{str(templates)!r} is no database of a log, so it has no templates")
        templates = RoutingLog(templates)
    if isinstance(templates, RoutingLog):
        templates = TemplateStore(templates)
    if isinstance(templates, TemplateStore):
        return ThoughtTemplateRetriever(store=templates)
    return templates


def check_used(templates: Templates | None, arms: Sequence[Arm]) -> None:
    """Warn of templates that were given and that no arm would ever show."""
    if templates is not None and all(arm.strategy != THOUGHT for arm in arms):
        logger.warning(
            "templates were given, but no arm shows them: let a model of the pool have "
            'strategies=["direct", %r], or learn from a log with such arms',
            THOUGHT,
        )


def _wants(strategy: str, pool: Pool, logged: Sequence[Arm]) -> bool:
    """Whether the pool or the log names a strategy, and nobody has made it yet."""
    if strategy in pool.strategies:
        return False
    named = any(arm.strategy == strategy and arm.model in pool.models for arm in logged)
    return named or strategy in pool.missing_strategies


def _with_examples(pool: Pool, log: RoutingLog) -> Pool:
    """The pool with `few-shot`; without it if the log has no example, as other arms still work."""
    try:
        return pool.with_strategies({FEW_SHOT: FewShotStrategy.from_log(_learnable(log))})
    except EmptyLogError as error:
        logger.warning("nothing is prompted as %r: %s", FEW_SHOT, error)
        return pool


def _learnable(log: RoutingLog) -> Iterator[LogEntry]:
    """The entries but those of suspended sources and tenants."""
    trust = log.trust()
    return (one for one in log.scan() if not is_suspended(trust, one.source, one.tenant))
