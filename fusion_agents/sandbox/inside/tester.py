"""Runs the tests and compares; what it calls runs in another process.

Sends `{"call": ...}`, which is passed on, and at the end `{"verdict": ...}`.
"""

from __future__ import annotations

import builtins

from fusion_agents.sandbox.inside.channel import Channel, begin
from fusion_agents.sandbox.inside.values import UncrossableError, decode, encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_LONGEST_REASON = 300


class OpaqueError(Exception):
    """The answer gave an object of its own class where the tests need a value."""


class NeedsOneProcessError(Exception):
    """The tests use something that cannot be passed to another process."""


class AnswerRaisedError(Exception):
    """The answer raised something that is not a builtin exception."""


class Peer:
    """The process that answers calls."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._calls = 0

    def ask(self, **call: Any) -> Any:
        """Ask for something and wait for it; raises what the answer raised."""
        self._calls += 1
        if not self._channel.send({"call": {"id": self._calls, **call}}):
            # Later arguments may be made of what the answer gave: it must not choose its judge.
            kind = NeedsOneProcessError if self._calls == 1 else OpaqueError
            raise kind("the tests pass more than a megabyte")
        reply = self._channel.receive()
        if not isinstance(reply, dict) or reply.get("id") != self._calls:
            raise OpaqueError("the program ended or answered out of turn")
        if "raised" in reply:
            raise _exception(reply["raised"])
        return reply

    def value(self, reply: Any) -> Any:
        """Read the value of a reply."""
        try:
            return decode(reply.get("value"), self._remote)
        except (UncrossableError, RecursionError, MemoryError) as error:
            raise OpaqueError(f"the answer gave {error}") from None

    def encode(self, value: Any) -> Any:
        """Make an argument ready to be sent."""
        try:
            return encode(value, _own_reference)
        except UncrossableError as error:
            raise NeedsOneProcessError(str(error)) from None

    def update(self, before: Any, after: Any) -> None:
        """Change an argument in place as the answer changed its copy."""
        now = decode(after, self._remote)
        if type(now) is not type(before):
            raise OpaqueError("the program answered nonsense")
        if isinstance(before, list | bytearray):
            before[:] = now
        elif isinstance(before, dict | set):
            before.clear()
            before.update(now)

    def _remote(self, content: Any) -> Remote:
        number, kind = content
        if type(number) is not int or type(kind) is not str:
            raise ValueError("not a reference")
        return Remote(self, {"ref": number}, kind)


def _own_reference(value: Any) -> Any:
    if type(value) is Remote and "ref" in (target := object.__getattribute__(value, "_target")):
        return {"ref": [target["ref"], ""]}
    raise UncrossableError(f"the tests pass an object of the type {type(value).__name__!r}")


class Remote:
    """Something that lives where the answer runs: it can be called, and its attributes be used.

    Everything else that one does with a value fails, so that it is equal to nothing.
    """

    def __init__(self, peer: Peer, target: dict[str, Any], kind: str) -> None:
        for name, value in (("_peer", peer), ("_target", target), ("_kind", kind)):
            object.__setattr__(self, name, value)

    def __call__(self, *args: Any, **options: Any) -> Any:
        """Call it where it lives; lists and the like change here as they change there."""
        peer, target = _insides(self)
        sent = [peer.encode(arg) for arg in args]
        reply = peer.ask(do="call", **target, args=sent, options=peer.encode(options))
        after, given = reply.get("args"), (*args, *options.values())
        if isinstance(after, list) and len(after) == len(given):
            for arg, now in zip(given, after, strict=True):
                if now is not None:
                    peer.update(arg, now)
        return peer.value(reply)

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("__"):
            return object.__getattribute__(self, name)
        peer, target = _insides(self)
        return peer.value(peer.ask(do="get", **target, attribute=name))

    def __setattr__(self, name: str, value: Any) -> None:
        peer, target = _insides(self)
        peer.ask(do="set", **target, attribute=name, value=peer.encode(value))

    def _refuse(self, *_: Any) -> Any:
        kind = object.__getattribute__(self, "_kind")
        raise OpaqueError(f"the answer gave an object of the type {kind!r}, not a value")

    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __bool__ = __len__ = _refuse
    __iter__ = __contains__ = __getitem__ = __hash__ = __str__ = __repr__ = __format__ = _refuse
    __int__ = __float__ = __index__ = __add__ = __radd__ = __sub__ = __rsub__ = _refuse


def _insides(remote: Remote) -> tuple[Peer, dict[str, Any]]:
    return object.__getattribute__(remote, "_peer"), object.__getattribute__(remote, "_target")


def _exception(content: Any) -> Exception:
    name, text = content if isinstance(content, list) and len(content) == 2 else ("", "")
    if name == "Uncrossable":
        return OpaqueError(f"the answer gave {text}")
    kind = getattr(builtins, str(name), None)
    if isinstance(kind, type) and issubclass(kind, Exception) and kind is not StopIteration:
        try:
            return kind(str(text))
        except TypeError:  # those of Unicode take five arguments
            return AnswerRaisedError(f"{name}: {text}")
    return AnswerRaisedError(f"{name}: {text}")


def _verdict(job: dict[str, Any], peer: Peer) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "tests"}
    try:
        exec(compile(job["given"], "given.py", "exec"), names)
        for name in job["modules"]:
            names.setdefault(name, __import__(name))
        names.update({name: Remote(peer, {"name": name}, name) for name in job["remote"]})
        exec(compile(job["tests"], "tests.py", "exec"), names)
    except NeedsOneProcessError as error:
        return {"needs_one_process": str(error)[:_LONGEST_REASON]}
    except OpaqueError as error:
        return {"passed": False, "reason": str(error)[:_LONGEST_REASON]}
    except AssertionError as error:
        return {"passed": False, "reason": f"a test failed {error}".strip()[:_LONGEST_REASON]}
    except BaseException as error:  # noqa: BLE001
        reason = f"{type(error).__name__}: {error}"
        return {"passed": False, "reason": reason[:_LONGEST_REASON]}
    return {"passed": True}


def main() -> None:
    """Give one verdict."""
    channel, job = begin()
    channel.send({"verdict": _verdict(job, Peer(channel))})
