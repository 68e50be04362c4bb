"""Logs to select from, made by hand."""

from collections.abc import Iterable
from pathlib import Path

from fusion_agents.distill.nouns import TrainingData
from fusion_agents.distill.selecting.options import SelectionOptions
from fusion_agents.distill.selecting.selection import select_training_data
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.types import Arm, LogEntry, Query

STORIES = (
    "How many litres does the old tank behind the barn hold after the rain",
    "Which planet of our system has the longest day when seen from a moon",
    "Who painted the ceiling that visitors of the chapel admire every summer",
    "When did the last steam train leave the station beneath the castle hill",
    "Why do bakers let the dough of a dark bread rest for a whole night",
    "Where does the river that feeds both northern lakes begin its long way",
)
"""Questions that have no three words in a row in common."""


def question(i: int, **fields: object) -> Query:
    given = {"text": f"{STORIES[i % 6]}, case {'abcdefghijkl'[i // 6]}?", "task": "stories"}
    return Query.model_validate({**given, **fields})


def answer(query: Query, text: str, performance: float | None = 1.0, **fields: object) -> LogEntry:
    given = {"query": query, "arm": Arm(model="large"), "response": text}
    return LogEntry.model_validate({**given, "performance": performance, **fields})


def select(
    folder: Path, entries: Iterable[LogEntry], *, held_out: Iterable[Query] = (), **options: object
) -> TrainingData:
    """Select from a new log."""
    path = folder / "selection.db"
    path.unlink(missing_ok=True)
    with RoutingLog(path) as log:
        log.append(entries)
        return select_training_data(
            log, SelectionOptions.model_validate(options), held_out=held_out
        )


def dropped(data: TrainingData, what: str = "answers") -> dict[str, int]:
    """How many were dropped for each reason."""
    return {one.reason: one.n for one in data.report.dropped if one.what == what}


def adds_up(data: TrainingData) -> bool:
    """Whether each answer and each question is taken, or dropped for one reason."""
    answers = sum(example.kind == "answer" for example in data.examples)
    questions = len({example.query.id for example in data.examples})
    return (
        answers + sum(dropped(data).values()) == data.report.n_answers
        and questions + sum(dropped(data, "questions").values()) == data.report.n_questions
    )
