"""Questions of two tasks, a base that knows one of them, and a student that knows the other."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from langchain_core.messages import BaseMessage

from fusion_agents.answering.policy import AnswerPolicy
from fusion_agents.distill.nouns import Example, SelectionReport, Student, TrainingData
from fusion_agents.pool.pool import Pool
from fusion_agents.testing.fake_chat import FakeChatModel
from fusion_agents.types import Query

WORDS = (
    "apple", "stamp", "marble", "ticket", "candle", "ribbon", "shell", "pebble", "feather",
    "button", "thimble", "lantern", "saddle", "whistle", "compass", "anchor", "bucket", "carpet",
    "drum", "engine",
)  # fmt: skip
HASTY = AnswerPolicy(deadline=5.0, max_attempts=2, attempts_per_arm=2, first_backoff=0.0)

Knows = Callable[[Query], bool]


def question(task: str, i: int, split: str | None = "test") -> Query:
    """A question of a task; no two are near-duplicates."""
    one, two = WORDS[i % 20], WORDS[(7 * i + i // 20 + 3) % 20]
    verb = "joins" if task == "sums" else "leaves"
    gold = 3 * i + 5 if task == "sums" else 9 * i + 2
    text = f"{task} {i * i + 11}: the {one} {i + 301} {verb} {two} {5 * i + 17}. How many?"
    return Query(
        id=f"{task}-{i}", text=text, task=task, ground_truth=str(gold), metric="number",
        split=split,
    )  # fmt: skip


def questions(n: int = 20, *, start: int = 0, split: str | None = "test") -> list[Query]:
    """So many of each task."""
    return [question(task, i, split) for i in range(start, start + n) for task in ("sums", "rests")]


def model(queries: Sequence[Query], knows: Knows, **options: object) -> FakeChatModel:
    """Says the right number where it knows it, else a wrong one."""
    by_text = {query.text: query for query in queries}

    def says(messages: list[BaseMessage]) -> str:
        query = by_text[str(messages[-1].text)]
        return f"The answer is {query.ground_truth if knows(query) else 1}."

    return FakeChatModel(answer=says, **{"model": "fake", **options})  # type: ignore[arg-type]


def is_of(task: str) -> Knows:
    return lambda query: query.task == task


def number_of(query: Query) -> int:
    return int(re.sub(r"\D", "", query.id))


def models(base: FakeChatModel, student: FakeChatModel) -> Pool:
    return Pool({"base": base, "pupil": student})


def pupil(folder: Path, data: str = "0" * 64) -> Student:
    return Student(
        name="pupil", spec=f"student:{folder}", base="tiny", base_spec="base", provider="local",
        data=data, n_examples=2,
    )  # fmt: skip


def trained_on(queries: Sequence[Query]) -> TrainingData:
    examples = tuple(
        Example(query=query, answer="4", kind="answer", teacher="large") for query in queries
    )
    report = SelectionReport(
        criterion="hybrid", n_questions=len(examples), n_examples=len(examples), n_pairs=0,
        by_task={}, by_teacher={}, lengths={}, dropped=(),
    )  # fmt: skip
    return TrainingData(examples=examples, report=report)
