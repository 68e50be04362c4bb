"""What OpenAI checks in an uploaded training file, and in which words it refuses one."""

import email
import email.policy
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

_FEWEST = 10
_ROLES = {"system", "developer", "user", "assistant", "tool", "function"}


class Upload(NamedTuple):
    """The form that a client uploads a file with."""

    purpose: str
    name: str
    content: bytes


def read_form(headers: Mapping[str, str], body: bytes) -> Upload | None:
    """Take an upload apart; none if it is no form or one without a file."""
    kind = headers.get("content-type", "").encode("latin-1")
    message = email.message_from_bytes(
        b"content-type: " + kind + b"\r\n\r\n" + body, policy=email.policy.HTTP
    )
    parts = {
        str(part.get_param("name", header="content-disposition")): part
        for part in message.iter_parts()
    }
    if "file" not in parts:
        return None
    content = parts["file"].get_payload(decode=True)
    purpose = parts["purpose"].get_payload(decode=True) if "purpose" in parts else b""
    assert isinstance(content, bytes)
    assert isinstance(purpose, bytes)
    return Upload(purpose.decode(), parts["file"].get_filename() or "", content)


def read_examples(content: bytes) -> tuple[list[dict[str, Any]], str]:
    """Read the examples of a chat training file.

    Returns:
        The examples and what is wrong with the file; the latter is empty if nothing is.
    """
    examples = []
    for number, line in enumerate(content.splitlines(), 1):
        try:
            example = json.loads(line)
        except ValueError:
            return [], f"Invalid file format. Line {number} is not valid JSON."
        if problem := _problem(example):
            return [], f"Invalid file format. Example {number} {problem}."
        examples.append(example)
    if len(examples) < _FEWEST:
        found = f"Training file has {len(examples)} example(s)"
        return examples, f"{found}, but must have at least {_FEWEST} examples"
    return examples, ""


def count_tokens(examples: list[dict[str, Any]]) -> int:
    """Tokens of examples, four characters each, and four more for each message."""
    messages = [message for example in examples for message in example["messages"]]
    return sum(4 + len(str(message.get("content") or "")) // 4 for message in messages)


def _problem(example: object) -> str:
    if not isinstance(example, dict) or not isinstance(example.get("messages"), list):
        return "is missing key 'messages'"
    messages = example["messages"]
    for message in messages:
        if not isinstance(message, dict) or message.get("role") not in _ROLES:
            return "has a message without a valid role"
        if not isinstance(message.get("content"), str):
            return "has a message without content"
    if not messages or messages[-1]["role"] != "assistant":
        return "must end with a message from the assistant"
    return ""
