"""Sums in stories, a model that needs advice to get them right, and one that writes advice."""

import json
from collections.abc import Iterator

from fusion_agents.testing.openai_server import Behaviour, CalledTool, Request
from fusion_agents.types import Arm, LogEntry, Query

NAMES = ("Anna", "Bertrand", "Clara", "Dmitri", "Elif", "Farid", "Greta", "Hiro", "Imke", "Jonas")
THINGS = ("apples", "stamps", "marbles", "tickets", "candles", "ribbons", "shells", "postcards")
VERBS = {"sums": ("buys", "collects", "finds"), "rests": ("sells", "loses", "gives away")}
ADVICE = {"sums": "Look for both amounts, and add them.", "rests": "Take what left from the first."}
N_TRAIN, N_TEST = 6, 6


def question(task: str, i: int) -> Query:
    """A story of a task; no two are near-duplicates."""
    first, second = 313 + 7 * i, 20 + 3 * i
    name, thing, verb = NAMES[i % 10], THINGS[i % 8], VERBS[task][i % 3]
    text = (
        f"On day {1000 + 7 * i} {name} has {first} {thing}, case {i * i + 17}, and {verb} "
        f"{second} {thing} at number {i + 400}. How many {thing} are there?"
    )
    gold = first + second if task == "sums" else first - second
    return Query(
        id=f"{task}-{i}",
        text=text,
        task=task,
        ground_truth=str(gold),
        metric="number",
        split="train" if i < N_TRAIN else "test",
    )


def questions(split: str = "test") -> list[Query]:
    """Of both tasks."""
    every = (question(task, i) for task in VERBS for i in range(N_TRAIN + N_TEST))
    return [query for query in every if query.split == split]


def entries() -> Iterator[LogEntry]:
    """Two models have answered the training questions; one of them is right."""
    for query in questions("train"):
        for model, said in (("middle", query.ground_truth), ("weak", "0")):
            yield LogEntry(
                key=f"{model} {query.id}",
                query=query,
                arm=Arm(model=model),
                response=f"It is {said}.",
                performance=float(said == query.ground_truth),
                cost=0.001,
            )
    for query in questions("test"):  # nobody may learn from this one
        yield LogEntry(
            query=query, arm=Arm(model="middle"), response="It is secret.", performance=1.0
        )


def behave(request: Request) -> Behaviour | None:
    """The large model writes advice; the small one needs that of the right task."""
    if request.model == "large-model":
        return _advise(request)
    query = next(query for query in questions() if query.text in request.text)
    advised = ADVICE[str(query.task)] in request.text
    return Behaviour(text=f"It is {query.ground_truth if advised else 1}.")


def _advise(request: Request) -> Behaviour:
    task = next(task for task, verbs in VERBS.items() if any(v in request.text for v in verbs))
    verb = next(verb for verb in VERBS[task] if verb in request.text)
    thing = next(thing for thing in THINGS if thing in request.text)
    parts = {
        "problem": f"A story about somebody who {verb} {thing}; the amounts are known.",
        "reasoning": ADVICE[task],
        "answer_format": "A single number ends the answer.",
    }
    if request.body.get("tools"):
        return Behaviour(tool_calls=(CalledTool(name="Template", args=parts),), text=None)
    return Behaviour(text=json.dumps(parts))
