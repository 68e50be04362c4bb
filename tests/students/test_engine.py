"""Batches, memory and the end of a process: what only shows in the engine itself."""

import asyncio
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import HumanMessage

from fusion_agents.students import StudentChatModel
from fusion_agents.students.calling import make_job, read_options
from fusion_agents.students.engine import Engine
from fusion_agents.students.generating import generate
from fusion_agents.students.jobs import Job
from fusion_agents.students.loading import Loaded

torch = pytest.importorskip("torch")
pytest.importorskip("peft")
tiny = pytest.importorskip("tests.students.tiny", exc_type=ImportError)

QUESTIONS = ("?", "How many?", "Hello " * 9, "a")
LIMITS = (24, 5, 16, 1)


@pytest.fixture
def loaded(base: Path) -> Loaded:
    return StudentChatModel(folder=str(base)).load()


def job(loaded: Loaded, question: str, limit: int = 24, **options: Any) -> Job:
    batch_size = options.pop("batch_size", 8)
    defaults = {"temperature": 0.0, "seed": None, "timeout": None, "stop": None}
    read = read_options({**defaults, "max_tokens": limit}, options)
    made = make_job(loaded, [HumanMessage(question)], read, batch_size)
    assert made.answer.set_running_or_notify_cancel()
    return made


def model_of(loaded: Loaded) -> Any:
    return loaded.engine._model


class Counting:
    """A model that notes how many questions come at a time, and may run out of memory."""

    def __init__(self, model: Any, most: int = 100) -> None:
        self.sizes: list[int] = []
        self._model = model
        self._most = most

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def generate(self, input_ids: Any, **options: Any) -> Any:
        self.sizes.append(len(input_ids))
        if len(input_ids) > self._most:
            raise torch.OutOfMemoryError("no memory")
        return self._model.generate(input_ids=input_ids, **options)


def waiting(loaded: Loaded, model: Counting, questions: Sequence[str], **options: Any) -> list[Job]:
    """Let all questions wait until the engine begins."""
    engine = Engine(model, 0, loaded.ends)
    jobs = []
    for question in questions:
        made = job(loaded, question, **options)
        made.answer = type(made.answer)()
        jobs.append(made)
    with engine._weights:  # the first is begun, and cannot go on before all wait
        for one in jobs:
            engine.submit(one)
    for one in jobs:
        one.answer.exception(timeout=60)
    return jobs


@pytest.mark.parametrize("temperature", [0.0, 3.0])
def test_together_each_question_gets_the_answer_that_it_gets_alone(
    loaded: Loaded, temperature: float
) -> None:
    options = {"temperature": temperature, "seed": 1}
    pairs = list(zip(QUESTIONS, LIMITS, strict=True))
    alone = [job(loaded, question, limit, **options) for question, limit in pairs]
    for one in alone:
        generate(model_of(loaded), [one], 0)
    together = [job(loaded, question, limit, **options) for question, limit in pairs]
    generate(model_of(loaded), together, 0)
    assert [one.answer.result() for one in together] == [one.answer.result() for one in alone]
    assert [one.answer.result().tokens for one in together] == list(LIMITS)


def test_what_waits_together_is_answered_together_up_to_the_batch_size(loaded: Loaded) -> None:
    model = Counting(model_of(loaded))
    waiting(loaded, model, "abcdefg", batch_size=3)
    assert sum(model.sizes) == 7
    assert max(model.sizes) == 3


def test_a_batch_without_memory_is_answered_one_by_one(loaded: Loaded) -> None:
    model = Counting(model_of(loaded), most=1)
    jobs = waiting(loaded, model, "abcd")
    assert max(model.sizes) > 1
    expected = [job(loaded, letter) for letter in "abcd"]
    for one in expected:
        generate(model_of(loaded), [one], 0)
    assert [one.answer.result() for one in jobs] == [one.answer.result() for one in expected]


def test_a_question_without_memory_says_so_and_the_next_is_answered(loaded: Loaded) -> None:
    jobs = waiting(loaded, Counting(model_of(loaded), most=0), "ab")
    assert all(isinstance(one.answer.exception(), torch.OutOfMemoryError) for one in jobs)


def test_a_question_that_nobody_waits_for_is_never_begun(loaded: Loaded) -> None:
    model = Counting(model_of(loaded))
    engine = Engine(model, 0, loaded.ends)
    one = job(loaded, "?")
    one.answer = type(one.answer)()
    one.give_up()
    engine.submit(one)
    with pytest.raises(CancelledError):
        one.answer.result(timeout=60)
    assert model.sizes == []


def test_a_stream_whose_reader_breaks_takes_nothing_from_the_others(loaded: Loaded) -> None:
    def breaks(text: str) -> None:
        raise RuntimeError("no reader")

    broken, whole = job(loaded, "Hello"), job(loaded, "Hello")
    broken.on_text = breaks
    generate(model_of(loaded), [broken, whole], 0)
    assert isinstance(broken.answer.exception(), RuntimeError)
    assert whole.answer.result().tokens == 24


SCRIPT = """
import sys
from fusion_agents.students import StudentChatModel

stream = StudentChatModel(folder=sys.argv[1], max_tokens=5_000_000).stream("Hello")
next(stream)
print("begun", flush=True)
keep = globals().setdefault("streams", []).append(stream)
"""


def test_a_process_ends_while_its_student_still_answers(endless: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(endless)],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "begun\n")
    assert "Fatal" not in done.stderr


def test_many_event_loops_may_ask_one_after_the_other(base: Path) -> None:
    model = StudentChatModel(folder=str(base), max_tokens=8)
    first, second = (asyncio.run(model.ainvoke("Hello")).content for _ in range(2))
    assert first == second
