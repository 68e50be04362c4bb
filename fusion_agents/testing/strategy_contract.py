"""What every strategy promises, as a test class to subclass.

```python
class TestMyStrategy(StrategyContract):
    def make(self) -> Strategy:
        return MyStrategy()
```
"""

import copy
import pickle
from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.messages.utils import count_tokens_approximately

from fusion_agents.conversation import query_text
from fusion_agents.strategies.base import Prompt, Strategy
from fusion_agents.types import Query

_PICTURE = {"type": "image", "url": "https://example.org/cat.png"}
_OLD_PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}


def _call(name: str, number: int) -> AIMessage:
    calls = [
        {"name": name, "args": {"n": i}, "id": f"{name}-{i}", "type": "tool_call"}
        for i in range(number)
    ]
    return AIMessage("", tool_calls=calls)


_LOOP = [
    HumanMessage("How many primes are there below 100?", id="asked"),
    _call("count", 2),
    ToolMessage("12", tool_call_id="count-0"),
    ToolMessage("13", tool_call_id="count-1"),
]

CONVERSATIONS: dict[str, list[BaseMessage]] = {
    "one question": [HumanMessage("How many primes are there below 100?", name="ann", id="q")],
    "a system prompt": [SystemMessage("Answer with one letter."), HumanMessage("A or B?")],
    "a history": [
        SystemMessage("Be brief."),
        HumanMessage("Hello"),
        AIMessage("Good morning."),
        HumanMessage("How many primes are there below 100?"),
    ],
    "a picture": [HumanMessage([{"type": "text", "text": "What is this?"}, _PICTURE])],
    "only a picture": [SystemMessage("Describe it."), HumanMessage([_OLD_PICTURE])],
    "a tool loop": _LOOP,
    "a second round of a tool loop": [
        SystemMessage("Use tools."),
        *_LOOP,
        _call("sum", 1),
        ToolMessage("25", tool_call_id="sum-0"),
    ],
    "a question after a tool loop": [*_LOOP, AIMessage("25."), HumanMessage("And below 50?")],
    "results in a human message": [
        HumanMessage("How many primes are there below 100?"),
        _call("count", 1),
        HumanMessage([{"type": "tool_result", "tool_use_id": "count-0", "content": "25"}]),
    ],
    "a beginning that was cut off": [AIMessage("Good morning."), HumanMessage("A or B?")],
    "no question": [SystemMessage("Say something.")],
    "the model's own words last": [HumanMessage("Go on:"), AIMessage("Once upon a time")],
    "an empty question": [HumanMessage("")],
    "odd text": [HumanMessage("lone \ud800 null \x00 日本 🙂")],
    "a long text": [HumanMessage("word " * 20_000)],
}


class StrategyContract(ABC):
    """Subclass it, name the class `Test...` and give `make`."""

    @abstractmethod
    def make(self) -> Strategy:
        """Make a strategy; always the same."""

    def sent(self, messages: Sequence[BaseMessage]) -> Prompt:
        """Prompt a conversation with a new strategy."""
        return self.make().prompt(messages, Query(text=query_text(messages)))

    def test_its_name_is_that_of_its_module(self) -> None:
        cls = type(self.make())
        assert cls.name == cls.__module__.rpartition(".")[2].replace("_", "-")

    @pytest.mark.parametrize("name", CONVERSATIONS)
    def test_the_callers_messages_are_not_changed(self, name: str) -> None:
        messages = copy.deepcopy(CONVERSATIONS[name])
        self.sent(messages)
        assert messages == CONVERSATIONS[name]

    def test_the_list_sent_is_not_the_callers(self) -> None:
        messages = list(CONVERSATIONS["a history"])
        self.sent(messages).messages.clear()
        assert messages == CONVERSATIONS["a history"]

    @pytest.mark.parametrize("name", CONVERSATIONS)
    def test_nothing_that_was_said_is_lost_or_reordered(self, name: str) -> None:
        sent = iter(self.sent(CONVERSATIONS[name]).messages)
        for message in CONVERSATIONS[name]:
            assert any(_keeps(new, message) for new in sent), message

    @pytest.mark.parametrize("name", CONVERSATIONS)
    def test_what_comes_after_the_question_is_sent_as_it_is(self, name: str) -> None:
        messages = CONVERSATIONS[name]
        after = _after_question(messages)
        sent = self.sent(messages).messages
        assert sent[len(sent) - len(after) :] == after

    @pytest.mark.parametrize("name", CONVERSATIONS)
    def test_the_order_that_providers_ask_for_is_kept(self, name: str) -> None:
        sent = self.sent(CONVERSATIONS[name]).messages
        assert _disorder(sent) <= _disorder(CONVERSATIONS[name])

    @pytest.mark.parametrize("name", CONVERSATIONS)
    def test_models_and_tools_are_given_no_words_that_they_did_not_say(self, name: str) -> None:
        old = [m for m in CONVERSATIONS[name] if isinstance(m, ToolMessage) or _calls(m)]
        new = [m for m in self.sent(CONVERSATIONS[name]).messages if m.type == "tool" or _calls(m)]
        assert new == old

    @pytest.mark.parametrize("name", CONVERSATIONS)
    def test_the_same_conversation_is_prompted_alike(self, name: str) -> None:
        assert self.sent(CONVERSATIONS[name]) == self.sent(CONVERSATIONS[name])

    @pytest.mark.parametrize("name", CONVERSATIONS)
    def test_it_adds_no_more_tokens_than_it_says(self, name: str) -> None:
        before = count_tokens_approximately(CONVERSATIONS[name])
        after = count_tokens_approximately(self.sent(CONVERSATIONS[name]).messages)
        assert after - before <= self.make().added_tokens

    def test_prompting_again_leaves_the_beginning_of_a_tool_loop_as_it_was(self) -> None:
        whole = CONVERSATIONS["a second round of a tool loop"]
        first = self.sent(whole[:2]).messages
        assert self.sent(whole).messages[: len(first)] == first

    def test_threads_can_share_it(self) -> None:
        strategy = self.make()
        messages = CONVERSATIONS["a history"]
        query = Query(text=query_text(messages))
        with ThreadPoolExecutor(8) as threads:
            found = list(threads.map(lambda _: strategy.prompt(messages, query), range(16)))
        assert all(prompt == found[0] for prompt in found)

    def test_it_can_be_copied_to_another_process(self) -> None:
        copied = pickle.loads(pickle.dumps(self.make()))  # noqa: S301  made in the line itself
        messages = CONVERSATIONS["a history"]
        query = Query(text=query_text(messages))
        assert copied.prompt(messages, query) == self.make().prompt(messages, query)


def _keeps(new: BaseMessage, old: BaseMessage) -> bool:
    """Whether a message is the old one, with words added at most."""
    same = new.model_copy(update={"content": old.content}) == old
    if isinstance(old.content, str):
        return same and str(new.text).startswith(old.content)
    return same and list(new.content[: len(old.content)]) == old.content


def _after_question(messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    asked = [
        i
        for i, m in enumerate(messages)
        if isinstance(m, HumanMessage) and "tool_result" not in str(m.content)
    ]
    return list(messages[asked[-1] + 1 :]) if asked else list(messages[1:])


def _calls(message: BaseMessage) -> bool:
    return isinstance(message, AIMessage) and bool(message.tool_calls)


def _disorder(messages: Sequence[BaseMessage]) -> int:
    """How often a provider would stumble: wrong neighbours, a system prompt inside, no content."""
    stumbles = 0
    for before, message in zip([None, *messages], messages, strict=False):
        inside = isinstance(message, SystemMessage) and not isinstance(before, SystemMessage | None)
        orphan = isinstance(message, ToolMessage) and not (
            isinstance(before, ToolMessage) or (before is not None and _calls(before))
        )
        unanswered = before is not None and _calls(before) and message.type not in ("tool", "human")
        twice = isinstance(message, AIMessage) and isinstance(before, AIMessage)
        empty = not message.content and not _calls(message)
        stumbles += inside + orphan + unanswered + twice + empty
    return stumbles
