"""The weights of one base with its adapters, and the questions that wait for them."""

import atexit
import threading
import weakref
from collections import deque
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from pathlib import Path
from typing import Any

from fusion_agents.students.generating import generate
from fusion_agents.students.jobs import Job

_LAST_TOKEN = 10.0
"""Seconds that the process waits for a token that is being computed when it ends."""


class Engine:
    """Answers questions one batch after the other, in one thread of its own.

    The thread is there as long as questions wait. Whatever waits when a batch is done, and wants
    the same adapter as the oldest of them, is the next batch.

    Args:
        model: A causal language model of Transformers.
        pad: Token to fill up with.
        ends: Tokens that end a turn.
    """

    def __init__(self, model: Any, pad: int, ends: frozenset[int]) -> None:
        self.ends = ends
        self._model = model
        self._pad = pad
        self._adapters: dict[tuple[object, ...], str] = {}
        self._waiting: deque[Job] = deque()
        self._running: Sequence[Job] = ()
        self._lock = threading.Lock()
        self._weights = threading.Lock()
        self._thread: threading.Thread | None = None
        _engines.add(self)

    @property
    def idle(self) -> bool:
        """Whether nothing is answered, and nothing waits."""
        return self._thread is None

    @property
    def decoding(self) -> Any:
        """How the next token is chosen: a `GenerationConfig` of Transformers."""
        return self._model.generation_config

    def adapter(self, folder: Path, version: tuple[object, ...]) -> str:
        """Load an adapter on top of the base, once; its name here.

        Args:
            folder: PEFT wrote it.
            version: What changes if the adapter's files do.
        """
        with self._weights:
            key = (folder, *version)
            if key not in self._adapters:
                name = f"adapter-{len(self._adapters)}"
                self._load(folder, name)
                self._adapters[key] = name
            return self._adapters[key]

    def submit(self, job: Job) -> None:
        """Answer a job as soon as it is its turn."""
        with self._lock:
            self._waiting.append(job)
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._work, name="fusion-student", daemon=True
                )
                self._thread.start()

    def stop(self) -> None:
        """Give up everything, and wait for the thread."""
        with self._lock:
            thread = self._thread
            for job in (*self._waiting, *self._running):
                job.give_up()
        if thread is not None:
            thread.join(_LAST_TOKEN)

    def _load(self, folder: Path, name: str) -> None:
        peft = import_module("peft")
        if isinstance(self._model, peft.PeftModel):
            self._model.load_adapter(str(folder), adapter_name=name, is_trainable=False)
        else:
            self._model = peft.PeftModel.from_pretrained(
                self._model, str(folder), adapter_name=name, is_trainable=False
            )
        self._model.eval()

    def _work(self) -> None:
        while jobs := self._next():
            try:
                self._answer([job for job in jobs if job.begin()])
            except BaseException as error:  # noqa: BLE001  it is raised where one waits for it
                for job in jobs:
                    job.fail(error)

    def _next(self) -> list[Job]:
        """The next batch; none, and no thread any more, if nothing waits."""
        with self._lock:
            self._waiting = deque(job for job in self._waiting if not job.done)
            self._running = jobs = _batch(self._waiting)
            for job in jobs:
                self._waiting.remove(job)
            if not jobs:
                self._thread = None
            return jobs

    def _answer(self, jobs: list[Job]) -> None:
        """Answer a batch; one after the other if there is no memory for all at once."""
        if not jobs or self._fits(jobs):
            return
        for job in jobs:
            if not job.done:
                job.restart()
                self._generate([job])

    def _fits(self, jobs: list[Job]) -> bool:
        try:
            self._generate(jobs)
        except import_module("torch").OutOfMemoryError:
            if len(jobs) == 1:
                raise
            return False
        return True

    def _generate(self, jobs: list[Job]) -> None:
        with self._weights, self._with_adapter(jobs[0].adapter):
            generate(self._model, jobs, self._pad)

    def _with_adapter(self, name: str | None) -> AbstractContextManager[Any]:
        if name is not None:
            self._model.set_adapter(name)
            return nullcontext()
        if self._adapters:
            disabled: AbstractContextManager[Any] = self._model.disable_adapter()
            return disabled
        return nullcontext()


def _batch(waiting: Sequence[Job]) -> list[Job]:
    if not waiting:
        return []
    fitting = [job for job in waiting if job.adapter == waiting[0].adapter]
    return fitting[: max(1, min(job.batch_size for job in fitting))]


_engines: "weakref.WeakSet[Engine]" = weakref.WeakSet()


@atexit.register
def _stop_all() -> None:
    """A thread inside of PyTorch must not outlive the interpreter."""
    for engine in list(_engines):
        engine.stop()
