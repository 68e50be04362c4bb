"""What a study would do and cost, before anybody is asked."""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from fusion_agents.collecting.estimate import Estimate, estimate
from fusion_agents.pool.pool import Pool
from fusion_agents.studying.conditions import criterion_of
from fusion_agents.studying.shelves import Shelves
from fusion_agents.studying.study import ThoughtStudy
from fusion_agents.templates.selecting import Criterion
from fusion_agents.types import Dollars, Usage


@dataclass(frozen=True, kw_only=True)
class Foreseen:
    """What is left to do."""

    minings: dict[Criterion, int]
    """Templates to write."""
    templates: Dollars
    """For these; 0 where the price is not known."""
    answers: Estimate
    """Without templates that are still to be written."""
    added: Dollars
    """What those may add to the answers' prompts, at most."""


def foresee(study: ThoughtStudy) -> Foreseen:
    """Plan the study; this asks nobody, and leaves the log as it is.

    Raises:
        ConfigError: If something is wrong that can be known without asking.
        EmptyLogError: If there is nothing to learn from.
    """
    with (
        TemporaryDirectory() as empty,
        study.open(None if study.folder.is_dir() else Path(empty)) as shelves,
    ):
        minings, templates = _minings(study, shelves)
        pool = study.prompting(shelves)
        answers = estimate(pool, study.arms, study.questions.asked, study.log)
    return Foreseen(
        minings=minings,
        templates=templates,
        answers=answers,
        added=_added(study, pool, answers, minings),
    )


def _minings(study: ThoughtStudy, shelves: Shelves) -> tuple[dict[Criterion, int], Dollars]:
    minings: dict[Criterion, int] = {}
    templates = 0.0
    if study.summarizer is None:
        return minings, templates
    for criterion in shelves.stores:
        if shelves.is_full(criterion, study.templates_per_task):
            continue
        summary, dollars = study.miner(shelves, criterion, study.summarizer).estimate()
        minings[criterion] = summary.progress.planned
        templates += dollars
    return minings, templates


def _added(
    study: ThoughtStudy, pool: Pool, answers: Estimate, minings: dict[Criterion, int]
) -> Dollars:
    added = 0.0
    for arm, one in answers.arms.items():
        criterion = criterion_of(arm.strategy, study.conditions)
        if criterion is not None and minings.get(criterion):
            tokens = one.calls * pool.strategy(arm.strategy).added_tokens
            added += pool.cost(arm.model, Usage(input_tokens=tokens, output_tokens=0)) or 0.0
    return added
