"""Zero-shot chain of thought that leaves the form of the answer to the user."""

from collections.abc import Sequence
from dataclasses import dataclass

from langchain_core.messages import BaseMessage

from fusion_agents.strategies.base import Prompt, Strategy
from fusion_agents.strategies.placing import extend_question
from fusion_agents.types import Query

INSTRUCTION = """\
Think about this step by step before you give the answer: work out what is asked, go through it \
one step at a time and check the result.

The form of the answer stays exactly as it was asked for above. Where that leaves room for \
explanations, write your steps first and end with the answer in the requested form. Where the \
answer has to be in that form alone (only JSON, a single letter, word or number, only code, a \
function call), do the steps silently and give nothing but the answer."""


@dataclass(kw_only=True)
class ThinkStrategy(Strategy):
    """Ask the model to reason step by step, in front of an answer whose form stays as asked.

    The instruction follows the text of the last human message, pictures included, and says that
    a form which leaves no room (JSON, a single letter, a function call) comes first. Within a
    tool loop that message is an earlier one, so that nothing comes between a call and its
    result, and a provider's prompt cache stays valid. A conversation without a human message is
    sent as it is. Source: zero-shot chain of thought (arXiv 2205.11916).

    Args:
        instruction: What is added.

    >>> from langchain_core.messages import HumanMessage
    >>> sent = ThinkStrategy().prompt([HumanMessage("2 + 2?")], Query(text="2 + 2?")).messages
    >>> str(sent[0].content).splitlines()[0]
    '2 + 2?'
    """

    name = "think"

    instruction: str = INSTRUCTION

    def prompt(self, messages: Sequence[BaseMessage], query: Query) -> Prompt:
        """Add the instruction to the last human message."""
        return Prompt(extend_question(messages, self.instruction))

    @property
    def added_tokens(self) -> int:
        """Those of the instruction, at three characters a token to be on the safe side."""
        return len(self.instruction) // 3 + 1
