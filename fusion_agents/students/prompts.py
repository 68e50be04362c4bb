"""From messages to tokens, by the model's own chat template, and without forged turns."""

import re
import secrets
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    HumanMessage,
    SystemMessage,
)

from fusion_agents.errors import ConfigError
from fusion_agents.students.errors import InvalidRequestError

_ROLES: Mapping[type[BaseMessage], str] = {
    SystemMessage: "system",
    HumanMessage: "user",
    AIMessage: "assistant",
}


class Prompter:
    """Turns messages into the tokens that ask for the next one.

    Tokens are those that `apply_chat_template` gives, with one exception: where the text of a
    message spells a control token, such as `<|im_end|>`, it is read as the letters that it is
    written with. So no text can end its own turn and begin another.

    Args:
        tokenizer: A fast tokenizer of Transformers, with a chat template; used by one thread at
            a time.
        name: Of the model, for messages.

    Raises:
        ConfigError: If the tokenizer has no chat template.
    """

    def __init__(self, tokenizer: Any, name: str) -> None:
        if not getattr(tokenizer, "chat_template", None):
            raise ConfigError(
                f"{name!r} has no chat template, so it cannot be asked in turns: use a model that "
                "was tuned for chat, or give its tokenizer a template"
            )
        self._tokenizer = tokenizer
        self._name = name
        added = tokenizer.added_tokens_decoder
        special = {str(token) for token in added.values() if token.special}
        special |= set(tokenizer.all_special_tokens)
        special -= {tokenizer.unk_token}
        longest_first = sorted(filter(None, special), key=len, reverse=True)
        self._control = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")
        self._control_ids = frozenset(tokenizer.convert_tokens_to_ids(longest_first))

    def tokens(self, messages: Sequence[BaseMessage]) -> list[int]:
        """The prompt's tokens, which end where the answer begins.

        Raises:
            InvalidRequestError: If a message is of a kind that the model does not know, or its
                template refuses the conversation.
        """
        mark = secrets.token_hex(16)  # in no text, and left as it is by every template
        forged: list[str] = []

        def marked(found: re.Match[str]) -> str:
            forged.append(found.group())
            return f"{mark}x{len(forged) - 1}x"

        turns = [_turn(message) for message in messages]
        for turn in turns:
            turn["content"] = self._control.sub(marked, turn["content"])
            if self._control_ids.intersection(self._read(turn["content"])):
                raise InvalidRequestError("a message spells a control token in a hidden way")
        text = self._render(turns)
        parts = re.split(f"{mark}x([0-9]+)x", text)
        ids: list[int] = []
        for number, part in enumerate(parts):
            ids += self._spelled(forged[int(part)]) if number % 2 else self._read(part)
        return ids

    def _spelled(self, text: str) -> list[int]:
        """Tokens of the letters of a control token, which none of them is."""
        ids = self._read(text, plain=True)
        if not self._control_ids.intersection(ids):
            return ids
        letters = [self._read(letter, plain=True) for letter in text]  # a word of the vocabulary
        return [token for ids in letters for token in ids if token not in self._control_ids]

    def _read(self, text: str, *, plain: bool = False) -> list[int]:
        """Tokens of a text, or of what it looks like where control tokens are `plain` text."""
        if not text:
            return []
        read = self._tokenizer(text, add_special_tokens=False, split_special_tokens=plain)
        return list(read["input_ids"])

    def _render(self, turns: list[dict[str, str]]) -> str:
        refusal: type[Exception] = import_module("jinja2").TemplateError
        try:
            return str(
                self._tokenizer.apply_chat_template(
                    turns, tokenize=False, add_generation_prompt=True
                )
            )
        except refusal as error:
            roles = ", ".join(turn["role"] for turn in turns)
            raise InvalidRequestError(
                f"the chat template of {self._name!r} refuses these messages ({roles}): {error}"
            ) from error


def _turn(message: BaseMessage) -> dict[str, str]:
    if getattr(message, "tool_calls", None) or getattr(message, "invalid_tool_calls", None):
        raise InvalidRequestError("a student calls no tools, and reads no tool calls of others")
    return {"role": _role(message), "content": _content(message)}


def _role(message: BaseMessage) -> str:
    if isinstance(message, ChatMessage) and message.role in _ROLES.values():
        return message.role
    for kind, role in _ROLES.items():
        if isinstance(message, kind):
            return role
    raise InvalidRequestError(
        f"a student reads messages of the system, of users and of models, not a "
        f"{type(message).__name__}"
    )


def _content(message: BaseMessage) -> str:
    if isinstance(message.content, str):
        return message.content
    parts = []
    for block in message.content:
        if isinstance(block, str):
            parts.append(block)
        elif block.get("type") == "text" and isinstance(block.get("text"), str):
            parts.append(block["text"])
        else:
            raise InvalidRequestError(f"a student reads text alone, not {block.get('type')!r}")
    return "".join(parts)
