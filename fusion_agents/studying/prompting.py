"""The conditions as strategies of a pool: everything else about the model stays the same."""

from collections.abc import Mapping, Sequence

from fusion_agents.pool.pool import Pool
from fusion_agents.stores.log_filter import LogFilter
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.stores.template_store import TemplateStore
from fusion_agents.strategies.base import Strategy
from fusion_agents.strategies.direct import DirectStrategy
from fusion_agents.strategies.few_shot import FewShotStrategy
from fusion_agents.strategies.thought import ThoughtStrategy
from fusion_agents.studying.conditions import FEW_SHOT, RANDOM, ZERO_SHOT, criterion_of
from fusion_agents.studying.control import RandomTemplates
from fusion_agents.templates.gathering import gather
from fusion_agents.templates.retrieving import ThoughtTemplateRetriever
from fusion_agents.templates.selecting import Criterion
from fusion_agents.types import LogEntry


def with_conditions(
    pool: Pool,
    conditions: Sequence[str],
    log: RoutingLog,
    stores: Mapping[Criterion, TemplateStore],
    *,
    learned: LogFilter | None = None,
    per_task: int | None = None,
    seed: int = 0,
) -> Pool:
    """Give a pool the conditions of a study as strategies.

    The examples of `few-shot` are the best right answers to the very questions that templates
    may be distilled from.

    Args:
        pool: Has the models.
        conditions: Names.
        log: Has the answers that are examples.
        stores: Templates by criterion.
        learned: What may be learned from.
        per_task: Questions of each task that may be learned from.
        seed: Of the control.

    Raises:
        EmptyLogError: If there are to be examples and no answer is good enough.
    """
    made: dict[str, Strategy] = {}
    for name in conditions:
        criterion = criterion_of(name, conditions)
        if name == ZERO_SHOT:
            made[name] = DirectStrategy()
        elif name == FEW_SHOT:
            made[name] = _few_shot(log, learned, per_task)
        elif criterion is not None:
            made[name] = _thought(stores[criterion], seed if name == RANDOM else None)
    return pool.with_strategies(made)


def _thought(store: TemplateStore, drawn_by: int | None) -> ThoughtStrategy:
    """With retrieved templates or, with a seed, with as many at random."""
    retriever = ThoughtTemplateRetriever(store=store)
    if drawn_by is None:
        return ThoughtStrategy(source=retriever)
    return ThoughtStrategy(source=RandomTemplates(store, retriever, seed=drawn_by))


def _few_shot(log: RoutingLog, learned: LogFilter | None, per_task: int | None) -> FewShotStrategy:
    found = gather(log, "hybrid", where=learned, per_task=per_task)
    chosen = {one.key for group in found.groups for one in group.selection.right}
    return FewShotStrategy.from_log(_chosen(log, chosen), floor=0.0)


def _chosen(log: RoutingLog, keys: set[str]) -> list[LogEntry]:
    """The answers, each as right as another: which one is shown is not for its score to say."""
    entries = (entry for entry in log.scan() if entry.key in keys)
    return [entry.model_copy(update={"performance": 1.0}) for entry in entries]
