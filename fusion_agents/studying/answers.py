"""What came of a study's calls, found by what was asked, not by the names of the arms."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from fusion_agents.collecting.planning import Planner
from fusion_agents.pool.pool import Pool
from fusion_agents.stores.log_filter import LogFilter
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.types import Arm, Query, Usage

_MOST = 30_000
_CUT_OFF = ("length", "max_tokens", "model_length")


class Given(NamedTuple):
    """An answer, without its text."""

    performance: float | None
    cost: float | None
    usage: Usage
    cut_off: bool
    with_templates: bool


Answers = dict[Arm, list[Given | None]]
"""For each arm its answer to each question, in the order of the questions."""


def read_answers(
    pool: Pool, arms: Sequence[Arm], questions: Sequence[Query], log: RoutingLog
) -> Answers:
    """Read the answers to exactly the prompts that the study sends now.

    The log may have others of the same arms, as from templates that another summariser wrote.
    It may block: prompts are made anew.
    """
    planner = Planner(pool, log.ledger, questions)
    wanted = {
        call.key: call.arm
        for model in dict.fromkeys(arm.model for arm in arms)
        for call in planner.calls([arm for arm in arms if arm.model == model])
    }
    places = {query.id: place for place, query in enumerate(questions)}
    found: Answers = {arm: [None] * len(questions) for arm in arms}
    for where in _filters(arms, questions):
        for entry in log.scan(where):
            if entry.key in wanted and entry.error is None:
                found[wanted[entry.key]][places[entry.query.id]] = Given(
                    performance=entry.performance,
                    cost=entry.cost,
                    usage=entry.usage,
                    cut_off=(entry.finish_reason or "").lower() in _CUT_OFF,
                    with_templates=bool(entry.template_ids),
                )
    return found


def _filters(arms: Sequence[Arm], questions: Sequence[Query]) -> Iterable[LogFilter]:
    names = tuple(map(str, arms))
    most = _MOST - 2 * len(names)
    for start in range(0, len(questions), most):
        ids = tuple(query.id for query in questions[start : start + most])
        yield LogFilter(arms=names, query_ids=ids)
