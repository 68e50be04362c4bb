"""The report put together from what the log and the stores hold."""

from collections.abc import Iterator, Sequence

from fusion_agents.collecting.planning import model_identity
from fusion_agents.pool.pool import Pool
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.studying.answers import Answers, read_answers
from fusion_agents.studying.conditions import criterion_of
from fusion_agents.studying.measuring import Asked, Figures, account, compare, tasks_of
from fusion_agents.studying.notes import notes_on
from fusion_agents.studying.questions import Division
from fusion_agents.studying.report import Account, Level, Shelf, StudyReport
from fusion_agents.studying.shelves import Shelves
from fusion_agents.types import Arm, Dollars


def report_on(
    pool: Pool,
    log: RoutingLog,
    questions: Division,
    arms: Sequence[Arm],
    conditions: Sequence[str],
    shelves: Shelves,
    *,
    complete: bool,
    spent: Dollars,
    seed: int,
    n_bootstrap: int,
) -> StudyReport:
    """Compare the conditions by the answers that are in the log.

    Args:
        pool: Has the conditions as strategies.
        log: Has the answers.
        questions: What was asked.
        arms: Answerers in all conditions.
        conditions: Names, in the order of the report.
        shelves: The templates.
        complete: Whether everything was asked.
        spent: Dollars of all runs.
        seed: Of the intervals.
        n_bootstrap: Draws for each.
    """
    answers = read_answers(pool, arms, questions.asked, log)
    asked = Asked.of(questions.asked)
    answerers = tuple(dict.fromkeys(arm.model for arm in arms))
    figures = [
        compare(name, conditions, answers, asked, n_bootstrap=n_bootstrap, seed=seed)
        for name in answerers
    ]
    accounts = _accounts(arms, conditions, answers, shelves, complete=complete)
    stored = tuple(_shelves(shelves, len(questions.asked) * len(answerers)))
    judged = next(log.judgements(), None) is not None
    gains = tuple(gain for one in figures for gain in one.gains)
    notes = notes_on(
        accounts, gains, stored, conditions,
        n_questions=len(questions.asked), complete=complete, judged=judged,
    )  # fmt: skip
    return StudyReport(
        answerers=answerers,
        conditions=tuple(conditions),
        tasks=dict(tasks_of(questions.asked)),
        n_questions=len(questions.asked),
        n_groups=len(set(asked.groups.tolist())),
        unscorable=questions.unscorable,
        models={name: model_identity(pool.models[name]) for name in answerers},
        levels=_levels(figures),
        gains=gains,
        accounts=accounts,
        shelves=stored,
        spent=spent,
        seed=seed,
        n_bootstrap=n_bootstrap,
        notes=tuple(notes),
    )


def _levels(figures: Sequence[Figures]) -> tuple[Level, ...]:
    return tuple(level for one in figures for level in one.levels)


def _accounts(
    arms: Sequence[Arm],
    conditions: Sequence[str],
    answers: Answers,
    shelves: Shelves,
    *,
    complete: bool,
) -> tuple[Account, ...]:
    found = []
    for arm in arms:
        criterion = criterion_of(arm.strategy, conditions)
        templates = 0.0 if criterion is None else shelves.spent(criterion)
        found.append(account(arm, answers[arm], templates, complete=complete))
    return tuple(found)


def _shelves(shelves: Shelves, n_searches: int) -> Iterator[Shelf]:
    for criterion, store in shelves.stores.items():
        templates = list(store.scan())
        yield Shelf(
            criterion=criterion,
            templates=len(templates),
            summarizers=tuple(sorted({one.summarizer for one in templates})),
            dollars=shelves.spent(criterion),
            encoder="lexical",
            vectors=len(templates) + n_searches,
        )
