"""The step that answers: asks the arms of a call, best first, until one gives an answer."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Generator
from contextlib import aclosing
from contextvars import copy_context
from functools import partial

from langchain_core.messages import AIMessageChunk
from langchain_core.runnables import RunnableConfig

from fusion_agents.answering.bindings import Binder
from fusion_agents.answering.cooldowns import Cooldowns
from fusion_agents.answering.course import Course
from fusion_agents.answering.exchange import Gate, Reply, Request
from fusion_agents.answering.nouns import Answer, Call
from fusion_agents.answering.plan import Ask, Plan, Wait
from fusion_agents.answering.policy import AnswerPolicy
from fusion_agents.answering.redaction import Redactor
from fusion_agents.answering.sources import AsyncSource, Source
from fusion_agents.answering.tracing import RedactingHandler, callers_config
from fusion_agents.answering.workers import Workers
from fusion_agents.pool.pool import Pool


class Answerer:
    """Answers calls with the models of a pool; safe to share between threads and event loops.

    Args:
        pool: Has the models, the strategies and the prices.
        policy: How hard to try.
        cooldowns: What is known about models that fail; of its own if none is given.
    """

    def __init__(
        self,
        pool: Pool,
        policy: AnswerPolicy = AnswerPolicy(),  # noqa: B008  it is frozen
        *,
        cooldowns: Cooldowns | None = None,
    ) -> None:
        self.pool = pool
        self.policy = policy
        self.cooldowns = Cooldowns() if cooldowns is None else cooldowns
        self._binder = Binder()
        self._workers = Workers()
        self._handler = RedactingHandler(self._current_redactor)
        self._built: set[str] = set()
        self._secrets: frozenset[str] = frozenset()
        self._redactor = Redactor()

    def answer(self, call: Call, config: RunnableConfig | None = None) -> Answer:
        """Have a call answered.

        Raises:
            AnswerError: If no arm gives an answer within the policy's attempts and time.
        """
        course = self._course(call, config)
        while (step := course.plan.step()) is not None:
            if isinstance(step, Wait):
                time.sleep(step.seconds)
                continue
            try:
                reply = self._workers.submit(copy_context(), partial(_ask, course, step)).result(
                    step.timeout
                )
            except Exception as error:  # noqa: BLE001  any provider's
                course.failed(step, error)
                continue
            answer = course.answer(step, reply)
            if answer is not None:
                return answer
        raise course.unanswered()

    async def aanswer(self, call: Call, config: RunnableConfig | None = None) -> Answer:
        """Have a call answered.

        Raises:
            AnswerError: If no arm gives an answer within the policy's attempts and time.
        """
        course = self._course(call, config)
        while (step := course.plan.step()) is not None:
            if isinstance(step, Wait):
                await asyncio.sleep(step.seconds)
                continue
            try:
                async with asyncio.timeout(step.timeout):
                    reply = await (await self._prepare(course, step)).ainvoke()
            except Exception as error:  # noqa: BLE001  any provider's
                course.failed(step, error)
                continue
            answer = course.answer(step, reply)
            if answer is not None:
                return answer
        raise course.unanswered()

    def stream(
        self, call: Call, config: RunnableConfig | None = None
    ) -> Generator[AIMessageChunk, None, Answer]:
        """Have a call answered piece by piece; returns the whole.

        Other arms are asked as long as no piece has been passed on.

        Raises:
            AnswerError: If no arm gives an answer, or one breaks off.
        """
        course = self._course(call, config)
        while (step := course.plan.step()) is not None:
            if isinstance(step, Wait):
                time.sleep(step.seconds)
                continue
            answer = yield from self._stream_once(course, step)
            if answer is not None:
                return answer
        raise course.unanswered()

    def _stream_once(
        self, course: Course, ask: Ask
    ) -> Generator[AIMessageChunk, None, Answer | None]:
        gate = Gate(course.used)
        source = Source(self._workers, lambda: course.prepare(ask).stream(gate))
        answer = None
        try:
            while True:
                try:
                    piece = source.pull(course.plan.patience(gate.is_open))
                except Exception as error:  # noqa: BLE001  any provider's
                    course.failed(ask, error, gate.message)
                    break
                if isinstance(piece, Reply):
                    answer = course.answer(ask, piece)
                    break
                with course.plan.paused():
                    yield piece
        finally:
            source.close()
        if answer is None and gate.is_open:
            raise course.broken_off()
        return answer

    async def astream(
        self, call: Call, config: RunnableConfig | None = None
    ) -> AsyncGenerator[AIMessageChunk | Answer, None]:
        """Have a call answered piece by piece; the last item is the whole.

        Other arms are asked as long as no piece has been passed on.

        Raises:
            AnswerError: If no arm gives an answer, or one breaks off.
        """
        course = self._course(call, config)
        while (step := course.plan.step()) is not None:
            if isinstance(step, Wait):
                await asyncio.sleep(step.seconds)
                continue
            async with aclosing(self._astream_once(course, step)) as pieces:
                async for piece in pieces:
                    yield piece
                    if isinstance(piece, Answer):
                        return
        raise course.unanswered()

    async def _astream_once(
        self, course: Course, ask: Ask
    ) -> AsyncGenerator[AIMessageChunk | Answer, None]:
        gate = Gate(course.used)

        async def chunks() -> AsyncIterator[AIMessageChunk | Reply]:
            return (await self._prepare(course, ask)).astream(gate)

        source = AsyncSource(chunks)
        answer = None
        try:
            while True:
                try:
                    piece = await source.pull(course.plan.patience(gate.is_open))
                except Exception as error:  # noqa: BLE001  any provider's
                    course.failed(ask, error, gate.message)
                    break
                if isinstance(piece, Reply):
                    answer = course.answer(ask, piece)
                    break
                with course.plan.paused():
                    yield piece
        finally:
            await source.close()
        if answer is not None:
            yield answer
        elif gate.is_open:
            raise course.broken_off()

    def _course(self, call: Call, config: RunnableConfig | None) -> Course:
        return Course(
            call,
            callers_config(config),
            Plan(call.arms, self.policy, self.cooldowns),
            pool=self.pool,
            binder=self._binder,
            redactor=self._current_redactor,
            handler=self._handler,
        )

    async def _prepare(self, course: Course, ask: Ask) -> Request:
        """Make the request, in another thread if that may take time."""
        arm = ask.arm
        if arm.model in self._built and not self.pool.strategy(arm.strategy).waits:
            return course.prepare(ask)
        request = await asyncio.to_thread(course.prepare, ask)
        self._built.add(arm.model)
        return request

    def _current_redactor(self) -> Redactor:
        """One that knows the secrets of all models built so far."""
        secrets = self.pool.secrets()
        if secrets != self._secrets:
            self._secrets, self._redactor = secrets, Redactor(secrets)
        return self._redactor


def _ask(course: Course, ask: Ask) -> Reply:
    return course.prepare(ask).invoke()
