"""Training data made by hand, and a log that they could have been selected from."""

from collections.abc import Iterable, Sequence
from typing import Any

from fusion_agents.distill.nouns import Example, PreferencePair, SelectionReport, TrainingData
from fusion_agents.types import Arm, LogEntry, Query


def question(number: int) -> Query:
    return Query(
        text=f"What is {number} plus {number * 7}?",
        task="sums" if number % 2 else "more sums",
        ground_truth=f"truth-{number}",
        metric="number",
        split="train",
    )


def example(number: int = 0, **given: Any) -> Example:
    made: dict[str, Any] = {
        "query": question(number),
        "answer": f"It is {number * 8}.",
        "kind": "answer",
        "teacher": "large" if number % 3 else "small",
        "performance": 1.0,
        "entry_keys": (f"e{number}",),
        "sources": ("local",),
        "tenants": ("default",),
    }
    return Example(**made | given)


def pair(number: int = 0, **given: Any) -> PreferencePair:
    made: dict[str, Any] = {
        "query": question(number),
        "chosen": f"It is {number * 8}.",
        "rejected": f"It is {number * 8 + 1}.",
        "chosen_keys": (f"e{number}",),
        "rejected_keys": (f"wrong{number}",),
        "sources": ("local",),
        "tenants": ("default",),
    }
    return PreferencePair(**made | given)


def data_of(examples: Iterable[Example], pairs: Sequence[PreferencePair] = ()) -> TrainingData:
    held = tuple(examples)
    report = SelectionReport(
        criterion="hybrid",
        n_questions=len(held) + 3,
        n_examples=len(held),
        n_pairs=len(pairs),
        by_task={},
        by_teacher={},
        lengths={},
        dropped=(),
    )
    options = {"criterion": "hybrid", "k": 5}
    return TrainingData(examples=held, pairs=tuple(pairs), report=report, options=options)


def data(n: int = 12, n_pairs: int = 12) -> TrainingData:
    return data_of(map(example, range(n)), tuple(map(pair, range(n_pairs))))


def entries(n: int = 12, **given: Any) -> list[LogEntry]:
    """The right and the wrong answer to each question."""
    right = [
        LogEntry(
            key=f"e{number}",
            query=question(number),
            arm=Arm(model="large" if number % 3 else "small"),
            response=f"It is {number * 8}.",
            performance=1.0,
            **given,
        )
        for number in range(n)
    ]
    wrong = [
        entry.model_copy(
            update={
                "key": f"wrong{number}",
                "response": f"It is {number * 8 + 1}.",
                "performance": 0.0,
            }
        )
        for number, entry in enumerate(right)
    ]
    return [*right, *wrong]
