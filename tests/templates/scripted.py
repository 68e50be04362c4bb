"""Summarisers with a script, and logs for them."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage

from fusion_agents.pool.member import PoolModel
from fusion_agents.pool.pool import Pool
from fusion_agents.templates.summarizing import Summarizer
from fusion_agents.testing.fake_chat import FakeChatModel
from fusion_agents.types import Arm, LogEntry, ModelCard, Query

Says = Callable[[str], dict[str, str]]
"""From what is shown to the parts of a template."""

NAMES = ("Anna", "Bertrand", "Clara", "Dmitri", "Elif", "Farid", "Greta", "Hiro", "Imke", "Jonas")
THINGS = ("apples", "stamps", "marbles", "tickets", "candles", "ribbons", "shells", "postcards")
VERBS = ("buys", "collects", "finds", "packs", "borrows", "paints")


def advice(shown: str) -> dict[str, str]:
    """What a good summariser says; other words for other questions."""
    verb = next((verb for verb in VERBS if verb in shown), "has")
    thing = next((thing for thing in THINGS if thing in shown), "things")
    return {
        "problem": f"A story about somebody who {verb} {thing} twice; the amounts add up.",
        "reasoning": "Look for both amounts, and add them.",
        "answer_format": "A single number ends the answer.",
    }


def summarizer(says: Says = advice, *, price: float | None = 1.0, **options: Any) -> Summarizer:
    """A summariser that says what it is told to say; `model` of it counts the calls."""

    def answer(messages: list[BaseMessage]) -> AIMessage:
        parts = says(str(messages[-1].content))
        call = {"name": "Template", "args": parts, "id": "1", "type": "tool_call"}
        return AIMessage("", tool_calls=[call])

    model = FakeChatModel(model="writer", answer=answer, **options)
    card = ModelCard(model="writer", input_price=price, output_price=price)
    return Summarizer(
        "writer", pool=Pool({"writer": PoolModel(name="writer", spec=model, card=card)})
    )


def model_of(writer: Summarizer) -> FakeChatModel:
    """The model behind it."""
    model = writer.pool.chat_model("writer")
    assert isinstance(model, FakeChatModel)
    return model


def question(i: int) -> Query:
    """A sum in a story; no two are near-duplicates."""
    first, second = 13 + i, 200 + 3 * i
    name, thing, verb = NAMES[i % 10], THINGS[i % 8], VERBS[i % 6]
    text = (
        f"On day {1000 + 7 * i} {name} {verb} {first} {thing}, case {i * i + 17}. "
        f"Later {second} {thing} more arrive at number {i + 400}. How many {thing} are there?"
    )
    return Query(
        id=f"q{i}", text=text, task="sums", ground_truth=str(first + second), metric="number"
    )


def entries(
    n: int, *, right: Callable[[int, str], bool] = lambda i, model: model != "small"
) -> Iterator[LogEntry]:
    """Three models answer; the small one is wrong unless it is said otherwise."""
    for i in range(n):
        query = question(i)
        for model, cost in (("small", 0.001), ("middle", 0.002), ("large", 0.01)):
            ok = right(i, model)
            said = query.ground_truth if ok else "0"
            yield LogEntry(
                key=f"{model} {i}",
                query=query,
                arm=Arm(model=model),
                response=f"{model} adds both amounts. The answer is {said}.",
                performance=float(ok),
                cost=cost,
            )


def shown(messages: list[BaseMessage]) -> str:
    """All that a model was shown."""
    return json.dumps([str(message.content) for message in messages])
