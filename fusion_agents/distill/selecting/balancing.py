"""How many examples of each task are kept."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from math import floor
from typing import NamedTuple

from fusion_agents.distill.nouns import Example
from fusion_agents.distill.selecting.options import SelectionOptions
from fusion_agents.types import content_key


class Ranked(NamedTuple):
    """An example and its place among those of its question."""

    example: Example
    rank: int
    """0 for the best."""
    group: int
    """Of near-duplicate questions."""


class Balanced(NamedTuple):
    """What is kept, and what is not."""

    kept: tuple[Ranked, ...]
    left_out: tuple[Ranked, ...]
    notes: tuple[str, ...]
    """What was done, in words."""


def balance(ranked: Sequence[Ranked], options: SelectionOptions) -> Balanced:
    """Keep so many examples of each task; none is ever repeated.

    Of a task, the best answers to all its questions go before the second ones, and so on; among
    them the draw depends on the seed and the questions' ids alone.
    """
    tasks = Counter(one.example.query.task or "" for one in ranked)
    quotas = quotas_of(tasks, options)
    by_task: defaultdict[str, list[Ranked]] = defaultdict(list)
    for one in sorted(ranked, key=lambda one: _turn(one, options.seed)):
        by_task[one.example.query.task or ""].append(one)
    kept = {one.example.key for task, some in by_task.items() for one in some[: quotas[task]]}
    return Balanced(
        tuple(one for one in ranked if one.example.key in kept),
        tuple(one for one in ranked if one.example.key not in kept),
        tuple(_notes(tasks, quotas, options)),
    )


def quotas_of(tasks: Mapping[str, int], options: SelectionOptions) -> dict[str, int]:
    """Examples of each task that are kept.

    >>> tasks = {"large": 400, "small": 100}
    >>> quotas_of(tasks, SelectionOptions(balance="sqrt"))
    {'large': 200, 'small': 100}
    >>> quotas_of(tasks, SelectionOptions(balance="even", per_task=50))
    {'large': 50, 'small': 50}
    """
    if not tasks:
        return {}
    rarest = min(tasks.values())
    share = {
        "none": 1.0,
        "even": 0.0,
        "sqrt": 0.5,
        "temperature": 1 / options.temperature,
    }[options.balance]
    wanted = {
        task: floor(rarest * (n / rarest) ** share + 1e-9) if share < 1 else n
        for task, n in tasks.items()
    }
    return {task: min(n, options.per_task or n) for task, n in wanted.items()}


def _turn(one: Ranked, seed: int) -> tuple[int, str]:
    return one.rank, content_key(seed, one.example.query.id)


def _notes(
    tasks: Mapping[str, int], quotas: Mapping[str, int], options: SelectionOptions
) -> Iterable[str]:
    if options.balance == "none" and options.per_task is None:
        return
    rarest = min(tasks, key=lambda task: (tasks[task], task), default="")
    how = {
        "none": "no share was set",
        "even": f"as many as of {rarest!r}, the rarest",
        "sqrt": f"by the square root of their number; all of {rarest!r}, the rarest",
        "temperature": f"by temperature {options.temperature:g}; all of {rarest!r}, the rarest",
    }[options.balance]
    cap = "" if options.per_task is None else f", and {options.per_task:,} at most"
    left = ", ".join(f"{task or 'no task'} {quotas[task]:,} of {tasks[task]:,}" for task in tasks)
    yield f"examples of each task: {how}{cap}: {left or 'there are none'}"
