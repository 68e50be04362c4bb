"""Examples as tokens: the prompt carries no loss, the answer and the end of its turn do.

A prompt is rendered and split into tokens exactly as it is when the student is asked later, and
the answer follows it. So what it learns to continue is what it will be given.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypedDict, cast

from fusion_agents.distill.data.prompting import Turn
from fusion_agents.distill.nouns import Example
from fusion_agents.errors import ConfigError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

NO_LOSS = -100
"""Label of a token that the loss passes over."""

TOO_LONG = "longer than the longest allowed"
CONTROL = "the text holds control tokens of the base"
CHANGED = "the chat template changes the answer"


class Row(TypedDict):
    """An example for the trainer; both lists are equally long."""

    input_ids: list[int]
    labels: list[int]
    """The same tokens, or `NO_LOSS`."""


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """Examples as rows, in order, and why others are none."""

    examples: list[Example] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    """Of the same length as `examples`."""
    dropped: Counter[str] = field(default_factory=Counter)
    """Examples by reason."""

    @property
    def n_tokens(self) -> int:
        """Of prompts and answers together."""
        return sum(len(row["input_ids"]) for row in self.rows)


class Encoder:
    """Turns examples into rows for one base.

    Args:
        tokenizer: The base's, with a chat template.
        stops: Tokens that end an answer when the base generates; the first one is appended where
            the template ends a turn with none of them.
        max_length: Tokens of question and answer.
    """

    def __init__(
        self, tokenizer: "PreTrainedTokenizerBase", stops: Sequence[int], max_length: int
    ) -> None:
        self._tokenizer = tokenizer
        self._stops = tuple(stops)
        self._max_length = max_length
        self._control = _control_tokens(tokenizer)

    def encode(self, examples: Iterable[tuple[Example, Sequence[Turn]]]) -> Encoded:
        """Turn examples with their prompts into rows.

        Raises:
            ConfigError: If the chat template cannot render the messages, or renders a question
                without its answer in another way than with it.
        """
        encoded = Encoded()
        for example, prompt in examples:
            row = self._row(prompt, example.answer)
            if isinstance(row, str):
                encoded.dropped[row] += 1
            else:
                encoded.examples.append(example)
                encoded.rows.append(row)
        return encoded

    def _row(self, prompt: Sequence[Turn], answer: str) -> Row | str:
        texts = [*(message["content"] for message in prompt), answer]
        if any(not self._control.isdisjoint(self._tokens(text)) for text in texts):
            return CONTROL
        asked = self._render(prompt, answering=True)
        turn: Turn = {"role": "assistant", "content": answer}
        whole = self._render([*prompt, turn], answering=False)
        if not whole.startswith(asked):
            raise ConfigError(
                "the chat template renders a question alone in another way than with its answer, "
                "so that a student would be asked otherwise than it was trained: "
                "give one that does not (--chat-template FILE)"
            )
        if answer.strip() not in whole[len(asked) :]:
            return CHANGED
        question, ids = self._tokens(asked), self._tokens(whole)
        if ids[: len(question)] != question:  # a token would span the border
            ids = question + self._tokens(whole[len(asked) :])
        ids = self._ended(ids, len(question))
        if len(ids) > self._max_length:
            return TOO_LONG
        return Row(input_ids=ids, labels=[NO_LOSS] * len(question) + ids[len(question) :])

    def _ended(self, ids: list[int], start: int) -> list[int]:
        return ids if not set(self._stops).isdisjoint(ids[start:]) else [*ids, self._stops[0]]

    def _tokens(self, text: str) -> list[int]:
        return cast(list[int], self._tokenizer(text, add_special_tokens=False)["input_ids"])

    def _render(self, turns: Sequence[Turn], *, answering: bool) -> str:
        from jinja2 import TemplateError  # noqa: PLC0415 - of the extra

        try:
            rendered = self._tokenizer.apply_chat_template(
                [{"role": turn["role"], "content": turn["content"]} for turn in turns],
                tokenize=False,
                add_generation_prompt=answering,
            )
        except TemplateError as error:
            roles = ", ".join(message["role"] for message in turns)
            raise ConfigError(
                f"the chat template cannot render messages of {roles}: {error}; export the data "
                "with another strategy, or give another template (--chat-template FILE)"
            ) from error
        return cast(str, rendered)


def _control_tokens(tokenizer: "PreTrainedTokenizerBase") -> frozenset[int]:
    added = getattr(tokenizer, "added_tokens_decoder", {})
    special = {token for token, content in added.items() if content.special}
    unknown = {tokenizer.unk_token_id}  # stands for any letter that there is no token for
    return frozenset((special | set(tokenizer.all_special_ids)) - unknown)
