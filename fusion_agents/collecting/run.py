"""Collecting as one call: models times strategies times queries into a log."""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized

from fusion_agents.answering.policy import AnswerPolicy
from fusion_agents.collecting.collector import POLICY, Collector, OnProgress
from fusion_agents.collecting.progress import CollectSummary
from fusion_agents.errors import ConfigError
from fusion_agents.pool.pool import Pool, PoolInput
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.types import Arm, Dollars, Query

Queries = Iterable[Query | str]


async def collect(
    models: Pool | Mapping[str, PoolInput],
    queries: Queries,
    log: RoutingLog,
    *,
    strategies: Sequence[str] | None = None,
    arms: Sequence[Arm | str] | None = None,
    concurrency: int = 40,
    budget: Dollars | None = None,
    policy: AnswerPolicy = POLICY,
    samples: int = 1,
    retry_errors: bool = True,
    score: bool = True,
    on_progress: OnProgress | None = None,
) -> CollectSummary:
    """Ask every model every query in every way, and log what it answers, at what price, how well.

    A call is written down before it is made and its answer when it comes, so the same line goes
    on where an earlier run ended, whatever ended it: what is answered is not asked again, and at
    most the calls that were under way are repeated. What fails after all attempts is an entry
    with the class of the error, and is tried again by the next run. Answers to queries with a
    ground truth and a metric are scored after they are stored.

    Cancelling the task stops it: calls under way are given up, what was answered is kept.

    Args:
        models: A pool, or what a pool is made from.
        queries: Queries or texts. Something that can be gone through several times (a list, an
            object with `__iter__`) is read bit by bit; what gives its items once is read at once.
        log: Where to; other collections may be in it.
        strategies: How each model is prompted; without it, as the pool says.
        arms: Exactly these arms (`model@strategy`), in place of models times strategies.
        concurrency: Calls at a time over all models, at most; each model gets as many as its
            provider takes.
        budget: Dollars that all collecting on this log may cost; needs the models' prices.
        policy: How hard to try for each answer.
        samples: How often each arm is asked each query.
        retry_errors: Whether calls that failed in an earlier run are made again.
        score: Whether answers are scored.
        on_progress: Called whenever something happens, with the same object each time.

    Raises:
        ConfigError: If a model, a strategy, an arm, a number or the budget is wrong; before any
            call.
        StoreError: If the log cannot be written: nothing more is asked then.
    """
    pool = models if isinstance(models, Pool) else Pool(models)
    chosen = chosen_arms(pool, strategies, arms)
    given = _repeatable(queries)
    collector = Collector(
        pool,
        chosen,
        AsQueries(given),
        log,
        concurrency=concurrency,
        budget=budget,
        policy=policy,
        samples=samples,
        retry_errors=retry_errors,
        score=score,
        on_progress=on_progress,
        planned=len(given) * len(chosen) * samples if isinstance(given, Sized) else None,
    )
    return await collector.run()


def _repeatable(queries: Queries) -> Queries:
    """The queries as something that each model can go through."""
    if isinstance(queries, str | Query):
        raise ConfigError("queries must be several: put a single one into a list")
    if isinstance(queries, Sized):
        return queries
    first = iter(queries)
    return list(first) if iter(queries) is first else queries


class AsQueries:
    """Queries out of queries and texts, each time they are gone through.

    >>> [query.text for query in AsQueries(["2 + 2?", Query(text="3 + 3?")])]
    ['2 + 2?', '3 + 3?']
    """

    def __init__(self, given: Queries) -> None:
        self._given = given

    def __iter__(self) -> Iterator[Query]:
        for query in self._given:
            yield Query(text=query) if isinstance(query, str) else query


def chosen_arms(
    pool: Pool,
    strategies: Sequence[str] | None = None,
    arms: Sequence[Arm | str] | None = None,
) -> tuple[Arm, ...]:
    """The arms that are meant.

    >>> pool = Pool({"small": "openai:gpt-5-mini"})
    >>> [str(arm) for arm in chosen_arms(pool, ["direct", "think"])]
    ['small@direct', 'small@think']

    Raises:
        ConfigError: If the pool lacks a model or a strategy, or both are given.
    """
    if arms is not None and strategies is not None:
        raise ConfigError("give either arms or strategies")
    if arms is not None:
        chosen = tuple(Arm.parse(arm) if isinstance(arm, str) else arm for arm in arms)
    elif strategies is not None:
        chosen = tuple(
            Arm(model=model, strategy=name) for model in pool.models for name in strategies
        )
    else:
        chosen = pool.arms
    if not chosen:
        raise ConfigError("there is nobody to ask: name at least one arm")
    for arm in chosen:
        if arm.model not in pool.models:
            known = ", ".join(map(repr, pool.models))
            raise ConfigError(f"the pool has no model {arm.model!r}: it has {known}")
        pool.strategy(arm.strategy)
    return tuple(dict.fromkeys(chosen))
