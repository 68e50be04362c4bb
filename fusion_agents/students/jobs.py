"""One question to a student while it is answered."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field
from typing import NamedTuple

_UNFINISHED = "\ufffd"
"""Stands for bytes that are no whole character yet."""


class Answer(NamedTuple):
    """What a student said."""

    text: str
    finish_reason: str
    """`stop` if it came to its end or to a stop sequence, `length` if it was cut off."""
    tokens: int
    """That it wrote, the one that ends its turn included."""


@dataclass(kw_only=True, eq=False)
class Job:
    """One question, and what there is of its answer.

    Args:
        prompt: The tokens of the question.
        adapter: Which of the loaded adapters answers; none for the base itself.
        limit: Tokens that the answer may have, at least 1.
        ends: Tokens that end a turn.
        decode: Turns tokens into text.
        stop: Texts before which the answer ends.
        temperature: 0 for the likeliest token each time.
        seed: Of the draws, where the temperature is not 0.
        batch_size: How many questions may be answered together with this one.
        on_text: Called with each piece of the answer, in the thread that generates it.
    """

    prompt: Sequence[int]
    adapter: str | None
    limit: int
    ends: frozenset[int]
    decode: Callable[[list[int]], str]
    stop: tuple[str, ...] = ()
    temperature: float = 0.0
    seed: int = 0
    batch_size: int = 1
    on_text: Callable[[str], None] | None = None
    answer: "Future[Answer]" = field(default_factory=Future)

    def __post_init__(self) -> None:
        self._ids: list[int] = []
        self._sent = ""
        self._given_up = threading.Event()

    @property
    def done(self) -> bool:
        """Whether the answer is there, or never will be."""
        return self.answer.done()

    def give_up(self) -> None:
        """Nobody waits any more: stop before the next token."""
        self._given_up.set()

    def begin(self) -> bool:
        """Begin to answer; false if nobody waits any more. Only who began may end the job."""
        begun = not self.done and self.answer.set_running_or_notify_cancel()
        if begun and self._given_up.is_set():
            self.fail(CancelledError())
        return begun and not self.done

    def restart(self) -> None:
        """Forget the answer so far, and answer from the beginning; what was sent stays sent."""
        self._ids.clear()

    def fail(self, error: BaseException) -> None:
        """Raise this where the answer is waited for."""
        if not self.done:
            self.answer.set_exception(error)

    def take(self, token: int) -> bool:
        """Add a token to the answer; say whether the job has ended."""
        if self._given_up.is_set():
            self.fail(CancelledError())
        if self.done:
            return True
        try:
            self._take(token)
        except Exception as error:  # noqa: BLE001  it is raised where the answer is waited for
            self.fail(error)
        return self.done

    def _take(self, token: int) -> None:
        self._ids.append(token)
        ended = token in self.ends
        full = len(self._ids) >= self.limit
        if not (ended or full or self.stop or self.on_text):
            return
        text = self.decode(self._ids[:-1] if ended else self._ids)
        cut = _first(text, self.stop)
        if cut is not None:
            self._finish(text[:cut], "stop")
        elif ended or full:
            self._finish(text, "stop" if ended else "length")
        else:
            self._send(_settled(text, self.stop))

    def _finish(self, text: str, reason: str) -> None:
        self._send(text)
        self.answer.set_result(Answer(text, reason, len(self._ids)))

    def _send(self, text: str) -> None:
        if self.on_text is not None and len(text) > len(self._sent):
            self.on_text(text[len(self._sent) :])
            self._sent = text


def _first(text: str, stop: Sequence[str]) -> int | None:
    """Where the first of the stop sequences begins."""
    return min((at for one in stop if (at := text.find(one)) >= 0), default=None)


def _settled(text: str, stop: Sequence[str]) -> str:
    """What of an unfinished text will stay: no part of a character or of a stop sequence.

    >>> _settled("one, tw", ("two",))
    'one, '
    """
    text = text.rstrip(_UNFINISHED)
    longest = max((len(one) - 1 for one in stop), default=0)
    for length in range(min(longest, len(text)), 0, -1):
        if any(one.startswith(text[-length:]) for one in stop):
            return text[:-length]
    return text
