"""Runs the program of an unknown author and answers calls of what it defines.

Whatever that program does to this process, it can only change what this process answers: the
tests, what they expect and the comparison are in another one.
"""

from __future__ import annotations

import sys

from fusion_agents.sandbox.inside.channel import Channel, begin
from fusion_agents.sandbox.inside.values import UncrossableError, decode, encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_LONGEST_REASON = 300


class Answering:
    """The program's names and the objects that it gave out references to."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._module = type(sys)("answer")
        self._kept: list[Any] = []
        sys.modules["answer"] = self._module

    def run(self, source: str) -> dict[str, Any]:
        """Run a program; gives how it ended."""
        try:
            exec(compile(source, "answer.py", "exec"), vars(self._module))
        except BaseException as error:  # noqa: BLE001
            return raised(error)
        return {"value": None}

    def answer(self, call: dict[str, Any]) -> dict[str, Any]:
        """Call, read or set something; gives the value or what was raised."""
        try:
            return self._answer(call)
        except UncrossableError as error:
            return {"raised": ["Uncrossable", str(error)[:_LONGEST_REASON]]}
        except BaseException as error:  # noqa: BLE001
            return raised(error)

    def _answer(self, call: dict[str, Any]) -> dict[str, Any]:
        found = self._kept[call["ref"]] if "ref" in call else vars(self._module)[call["name"]]
        if call["do"] == "get":
            return {"value": encode(getattr(found, call["attribute"]), self._keep)}
        if call["do"] == "set":
            setattr(found, call["attribute"], decode(call["value"], self._find))
            return {"value": None}
        args = decode(call["args"], self._find)
        options = decode(call["options"], self._find)
        reply = {"value": encode(found(*args, **options), self._keep)}
        given = [*call["args"], *(value for _, value in call["options"]["dict"])]
        after = [
            encode(arg, self._keep) if _may_change(arg) else None
            for arg in (*args, *options.values())
        ]
        if any(now is not None and now != was for now, was in zip(after, given, strict=True)):
            reply["args"] = after
        return reply

    def _keep(self, value: Any) -> Any:
        self._kept.append(value)
        return {"ref": [len(self._kept) - 1, type(value).__name__[:60]]}

    def _find(self, content: Any) -> Any:
        return self._kept[content[0]]


def _may_change(value: object) -> bool:
    return type(value) in (list, dict, set, bytearray)


def raised(error: BaseException) -> dict[str, Any]:
    """Say what was raised: the class and the first words of the message."""
    kind: type = type(error)
    while kind.__module__ != "builtins":
        kind = kind.__base__ or Exception
    try:
        text = str(error)[:_LONGEST_REASON]
    except BaseException:  # noqa: BLE001
        text = ""
    return {"raised": [kind.__name__, text]}


def main() -> None:
    """Answer until there is nobody to answer."""
    channel, job = begin()
    answering = Answering(channel)
    channel.send(answering.run(job["program"]))
    while True:
        call = channel.receive()
        reply = {"id": call["id"], **answering.answer(call)}
        if not channel.send(reply):
            channel.send({"id": call["id"], "raised": ["Uncrossable", "more than a megabyte"]})
