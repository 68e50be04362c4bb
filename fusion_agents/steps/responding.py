"""The steps one after the other, for one prepared input: in one piece or in chunks."""

from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, closing
from typing import TypeVar

from langchain_core.messages import AIMessageChunk
from langchain_core.runnables import RunnableConfig

from fusion_agents.answering.nouns import Answer
from fusion_agents.errors import AnswerError
from fusion_agents.steps.evidence import with_evidence
from fusion_agents.steps.last_chunk import LastChunk
from fusion_agents.steps.preparing import Prepared
from fusion_agents.steps.query_steps import QuerySteps
from fusion_agents.steps.turn import Turn
from fusion_agents.types import Judgement, Route

T = TypeVar("T")


def respond(steps: QuerySteps, prepared: Prepared, config: RunnableConfig) -> Answer:
    """Classify if that is still to be done, answer, record, judge.

    Raises:
        AnswerError: If no arm answers; what was tried is recorded.
        FusionError: What was wrong with the input.
    """
    turn, route = prepared.routed(steps, config)
    try:
        answer = steps.answer(turn, route, config)
    except AnswerError as error:
        steps.recorder.keep(turn, route, error)
        raise
    return with_evidence(answer, turn, route, keep(steps, turn, route, answer, config))


async def arespond(steps: QuerySteps, prepared: Prepared, config: RunnableConfig) -> Answer:
    """The same for an event loop."""
    turn, route = await prepared.arouted(steps, config)
    try:
        answer = await steps.aanswer(turn, route, config)
    except AnswerError as error:
        await steps.recorder.akeep(turn, route, error)
        raise
    return with_evidence(answer, turn, route, await akeep(steps, turn, route, answer, config))


def keep(
    steps: QuerySteps, turn: Turn, route: Route, answer: Answer, config: RunnableConfig
) -> Judgement | None:
    """Record an answer, and then judge it if it is to be: it was paid for, whatever follows.

    Returns:
        What the judge said; none if nobody was asked.
    """
    steps.recorder.keep(turn, route, answer)
    judgement = steps.judge(turn, answer, config)
    if judgement is not None:
        steps.recorder.keep_judgement(judgement)
    return judgement


async def akeep(
    steps: QuerySteps, turn: Turn, route: Route, answer: Answer, config: RunnableConfig
) -> Judgement | None:
    """The same for an event loop."""
    await steps.recorder.akeep(turn, route, answer)
    judgement = await steps.ajudge(turn, answer, config)
    if judgement is not None:
        await steps.recorder.akeep_judgement(judgement)
    return judgement


def stream_response(
    steps: QuerySteps,
    prepared: Prepared,
    config: RunnableConfig,
    answers: list[Answer] | None = None,
) -> Iterator[AIMessageChunk]:
    """The same in chunks as they come; the last one carries the evidence.

    The answer as a whole is added to `answers`.
    """
    turn, route = prepared.routed(steps, config)
    last = LastChunk()
    with closing(steps.stream(turn, route, config)) as stream:
        while True:
            try:
                chunk = next(stream)
            except StopIteration as end:
                answer: Answer = end.value
                break
            except AnswerError as error:
                steps.recorder.keep(turn, route, error)
                raise
            if last.passes(chunk):
                yield chunk
    judgement = keep(steps, turn, route, answer, config)
    if answers is not None:
        answers.append(with_evidence(answer, turn, route, judgement))
    yield last.finish(answer, turn, route, judgement)


async def astream_response(
    steps: QuerySteps,
    prepared: Prepared,
    config: RunnableConfig,
    answers: list[Answer] | None = None,
) -> AsyncIterator[AIMessageChunk]:
    """The same in chunks, for an event loop."""
    turn, route = await prepared.arouted(steps, config)
    last = LastChunk()
    try:
        async with aclosing(steps.astream(turn, route, config)) as stream:
            async for item in stream:
                if isinstance(item, Answer):
                    judgement = await akeep(steps, turn, route, item, config)
                    if answers is not None:
                        answers.append(with_evidence(item, turn, route, judgement))
                    yield last.finish(item, turn, route, judgement)
                elif last.passes(item):
                    yield item
    except AnswerError as error:
        await steps.recorder.akeep(turn, route, error)
        raise


async def once(value: T) -> AsyncIterator[T]:
    """A stream of one."""
    yield value
