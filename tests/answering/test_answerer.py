"""How calls are answered, in all four ways, by real clients and by models that are told to fail."""

import asyncio
import re
import time
from typing import Any

import pytest
from langchain_core.callbacks import AsyncCallbackHandler, BaseCallbackHandler
from langchain_core.messages import AIMessage
from langchain_core.messages.ai import UsageMetadata

from fusion_agents.answering.answerer import Answerer
from fusion_agents.answering.policy import AnswerPolicy
from fusion_agents.errors import AnswerError
from fusion_agents.pool.pool import Pool
from fusion_agents.testing.fake_chat import FakeChatModel
from fusion_agents.testing.openai_server import Behaviour, OpenAIServer
from fusion_agents.types import Arm, Usage
from tests.answering.asking import WAYS, Way, ask, call_of
from tests.answering.conftest import MakePool
from tests.answering.waiting import until

QUICK = AnswerPolicy(first_backoff=0.0, max_backoff=0.0, deadline=20)

every_way = pytest.mark.parametrize("way", WAYS)


def says(text: str, finish_reason: str = "stop", tokens: int = 5) -> AIMessage:
    return AIMessage(
        text,
        response_metadata={"finish_reason": finish_reason},
        usage_metadata=UsageMetadata(
            input_tokens=tokens, output_tokens=tokens, total_tokens=2 * tokens
        ),
    )


@every_way
async def test_the_first_arm_answers(way: Way, server: OpenAIServer, pool_of: MakePool) -> None:
    server.script(Behaviour(text="It is 42.", usage=Usage(input_tokens=10, output_tokens=4)))
    answerer = Answerer(pool_of("a", "b"), QUICK)

    heard = await ask(answerer, way, call_of("a", "b"))

    assert heard.answer.message.content == "It is 42."
    assert type(heard.answer.message) is AIMessage
    assert heard.answer.arm == Arm(model="a")
    assert (heard.answer.usage.input_tokens, heard.answer.usage.output_tokens) == (10, 4)
    assert heard.answer.cost == pytest.approx(18e-6)
    assert [attempt.error for attempt in heard.answer.attempts] == [None]
    if heard.chunks:
        assert heard.text == "It is 42."
        assert len(heard.chunks) > 2


@every_way
@pytest.mark.parametrize(
    ("behaviour", "kind", "hits"),
    [
        (Behaviour(status=500), "server_error", 3),
        (Behaviour(status=503), "server_error", 3),
        (Behaviour(status=429), "rate_limit", 3),
        (Behaviour(reset=True), "connection", 3),
        (Behaviour(cut_after=0, reset=True), "connection", 3),
        (Behaviour(text=None), "empty", 3),
        (Behaviour(text=""), "empty", 3),
        (Behaviour(text="  \n"), "empty", 3),
        (Behaviour(body="<html>Bad gateway</html>"), None, 3),
        (Behaviour(body=b'{"choices": [{"mess'), None, 3),
        (Behaviour(empty_choices=True), None, 3),
        (Behaviour(text="I", finish_reason="content_filter"), "content_filter", 1),
        (Behaviour(text="", finish_reason="length"), "empty", 1),
        (Behaviour(status=401), "auth", 1),
        (Behaviour(status=403), "auth", 1),
        (Behaviour(status=400), "bad_request", 1),
        (Behaviour(status=404), "bad_request", 1),
        (
            Behaviour(status=400, code="context_length_exceeded", message="too long"),
            "context_overflow",
            1,
        ),
    ],
)
async def test_faults_are_named_repeated_or_not_and_answered_by_the_next_arm(
    way: Way,
    behaviour: Behaviour,
    kind: str | None,
    hits: int,
    server: OpenAIServer,
    pool_of: MakePool,
) -> None:
    if way in ("stream", "astream") and behaviour.finish_reason == "content_filter":
        behaviour = behaviour.model_copy(update={"text": ""})
    server.rule = lambda request: behaviour if request.model == "a" else None
    answerer = Answerer(pool_of("a", "b"), QUICK)

    heard = await ask(answerer, way, call_of("a", "b"))

    *failed, answered = heard.answer.attempts
    assert heard.answer.arm == answered.arm == Arm(model="b")
    assert "6 * 7" in str(heard.answer.message.content)
    assert len(failed) == hits == server.hits - 1
    kinds = {attempt.error for attempt in failed}
    assert kinds == {kind} if kind else kinds <= {"malformed", "empty"}
    assert all(attempt.reason for attempt in failed)
    if heard.chunks:
        assert heard.text == heard.answer.message.text


@every_way
async def test_if_nothing_answers_the_error_names_every_arms_reason(
    way: Way, server: OpenAIServer, pool_of: MakePool
) -> None:
    behaviours = {"a": Behaviour(status=500), "b": Behaviour(status=401), "c": Behaviour(text="")}
    server.rule = lambda request: behaviours[request.model]
    answerer = Answerer(pool_of("a", "b", "c"), QUICK)

    with pytest.raises(AnswerError) as caught:
        await ask(answerer, way, call_of("a", "b", "c"))

    assert server.hits == len(caught.value.attempts) == QUICK.max_attempts
    words = str(caught.value)
    assert words.startswith("no arm gave an answer in 8 calls and ")
    assert "a@direct: 4 x server_error (" in words
    assert "b@direct: auth (" in words
    assert "c@direct: 3 x empty (the answer is empty)" in words or "c@direct: 3 x empty" in words
    assert caught.value.__context__ is None


@every_way
async def test_an_arm_that_was_never_asked_is_named_too(way: Way) -> None:
    models = {"a": FakeChatModel(error=TimeoutError("slow")), "b": FakeChatModel()}
    answerer = Answerer(Pool(models), QUICK.model_copy(update={"max_attempts": 2}))

    with pytest.raises(AnswerError, match=r"a@direct: 2 x timeout .*; b@direct was not asked"):
        await ask(answerer, way, call_of("a", "b"))


@every_way
@pytest.mark.parametrize("behaviour", [Behaviour(hang=True), Behaviour(drip=0.3, text="so " * 99)])
async def test_neither_a_hang_nor_a_drip_outlives_the_deadline(
    way: Way, behaviour: Behaviour, server: OpenAIServer, pool_of: MakePool
) -> None:
    server.rule = lambda _: behaviour
    answerer = Answerer(pool_of("a"), AnswerPolicy(deadline=0.9))
    start = time.monotonic()

    with pytest.raises(AnswerError, match="timeout"):
        await ask(answerer, way, call_of("a"))

    assert 0.85 < time.monotonic() - start < 1.9


@every_way
async def test_an_attempt_that_hangs_is_given_up_for_the_next_arm(
    way: Way, server: OpenAIServer, pool_of: MakePool
) -> None:
    server.rule = lambda request: Behaviour(hang=True) if request.model == "a" else None
    policy = AnswerPolicy(attempt_timeout=0.3, attempts_per_arm=1, deadline=20)
    answerer = Answerer(pool_of("a", "b"), policy)

    heard = await ask(answerer, way, call_of("a", "b"))

    assert heard.answer.attempts[0].error == "timeout"
    assert heard.answer.arm.model == "b"
    await until(lambda: server.closed_early == 1)
    assert server.closed_early == 1


@every_way
async def test_a_model_that_ignores_all_limits_is_left_behind(way: Way) -> None:
    models = {"a": FakeChatModel(delay=5.0), "b": FakeChatModel(answer="42")}
    policy = AnswerPolicy(attempt_timeout=0.2, attempts_per_arm=1)
    start = time.monotonic()

    heard = await ask(Answerer(Pool(models), policy), way, call_of("a", "b"))

    assert heard.answer.message.content == "42"
    assert time.monotonic() - start < 3.0


@every_way
async def test_a_wait_that_the_provider_asks_for_is_kept(
    way: Way, server: OpenAIServer, pool_of: MakePool
) -> None:
    server.script(Behaviour(status=429, retry_after="0.3"))
    answerer = Answerer(pool_of("a", "b"))

    heard = await ask(answerer, way, call_of("a", "b"))

    first, second = server.requests
    assert second.time - first.time >= 0.3 - 0.05
    assert heard.answer.arm.model == "a"
    assert heard.answer.attempts[1].waited == pytest.approx(0.3, abs=0.2)


@every_way
async def test_other_queries_leave_alone_what_asked_for_a_long_wait(
    way: Way, server: OpenAIServer, pool_of: MakePool
) -> None:
    refusal = Behaviour(status=429, retry_after="500")
    server.rule = lambda request: refusal if request.model == "a" else None
    answerer = Answerer(pool_of("a", "b"))

    for _ in range(3):
        assert (await ask(answerer, way, call_of("a", "b"))).answer.arm.model == "b"

    assert [request.model for request in server.requests] == ["a", "b", "b", "b"]


@every_way
@pytest.mark.parametrize("status", [401, 403])
async def test_a_call_of_models_whose_keys_were_refused_fails_at_once(
    way: Way, status: int, server: OpenAIServer, pool_of: MakePool
) -> None:
    server.rule = lambda _: Behaviour(status=status)
    answerer = Answerer(pool_of("a", "b"))
    with pytest.raises(AnswerError, match=r"a@direct: auth .*; b@direct: auth "):
        await ask(answerer, way, call_of("a", "b"))

    started = time.monotonic()
    for _ in range(20):
        with pytest.raises(AnswerError) as caught:
            await ask(answerer, way, call_of("a", "b"))

    assert time.monotonic() - started < 4
    assert server.hits == 2
    assert caught.value.attempts == ()
    for arm in ("a@direct", "b@direct"):
        assert re.search(rf"{arm}: rests \d+ s more since its key was refused", str(caught.value))


@every_way
async def test_when_the_rest_of_a_refused_key_is_over_it_is_tried_again(
    way: Way, server: OpenAIServer, pool_of: MakePool
) -> None:
    server.script(Behaviour(status=401))
    answerer = Answerer(pool_of("a"), AnswerPolicy(cooldown=0.3))
    with pytest.raises(AnswerError):
        await ask(answerer, way, call_of("a"))
    with pytest.raises(AnswerError, match="rests 1 s more"):
        await ask(answerer, way, call_of("a"))

    await asyncio.sleep(0.35)

    assert (await ask(answerer, way, call_of("a"))).answer.arm.model == "a"
    assert server.hits == 2


@every_way
async def test_the_usage_of_rejected_answers_is_counted_once(way: Way) -> None:
    answers = [says("", tokens=100), says("", tokens=10), says("42", tokens=1)]
    model = FakeChatModel(answer=lambda _: answers.pop(0))
    heard = await ask(Answerer(Pool({"a": model}), QUICK), way, call_of("a"))

    usage = heard.answer.message.usage_metadata
    parts = [attempt.usage.output_tokens for attempt in heard.answer.attempts]
    assert usage is not None
    assert len(parts) == 3
    assert usage["output_tokens"] == sum(part or 0 for part in parts)
    assert usage["input_tokens"] == sum(
        attempt.usage.input_tokens or 0 for attempt in heard.answer.attempts
    )
    if heard.chunks:
        total = heard.chunks[0]
        for chunk in heard.chunks[1:]:
            total = total + chunk
        assert total.usage_metadata == usage


@every_way
async def test_a_fault_of_another_kind_passes_through(way: Way) -> None:
    class GraphBubbleUp(Exception):  # noqa: N818  as langgraph calls it
        pass

    models = {"a": FakeChatModel(error=GraphBubbleUp()), "b": FakeChatModel()}

    with pytest.raises(GraphBubbleUp):
        await ask(Answerer(Pool(models), QUICK), way, call_of("a", "b"))


class BudgetIsSpent(Exception):  # noqa: N818  not an error of ours
    pass


class GuardAtStart(BaseCallbackHandler):
    raise_error = True

    def on_chat_model_start(self, *args: Any, **kwargs: Any) -> None:
        raise BudgetIsSpent


class GuardAtEnd(BaseCallbackHandler):
    raise_error = True

    def on_llm_end(self, *args: Any, **kwargs: Any) -> None:
        raise BudgetIsSpent


class AsyncGuard(AsyncCallbackHandler):
    raise_error = True

    async def on_llm_end(self, *args: Any, **kwargs: Any) -> None:
        raise BudgetIsSpent


@every_way
@pytest.mark.parametrize(("guard", "calls"), [(GuardAtStart, 0), (GuardAtEnd, 1)])
async def test_a_callback_that_ends_a_call_has_nobody_else_asked(
    way: Way, guard: type[BaseCallbackHandler], calls: int, server: OpenAIServer, pool_of: MakePool
) -> None:
    with pytest.raises(BudgetIsSpent):
        await ask(Answerer(pool_of("a", "b")), way, call_of("a", "b"), {"callbacks": [guard()]})

    assert server.hits == calls


@pytest.mark.parametrize("way", ["aanswer", "astream"])
async def test_so_does_one_of_an_event_loop(
    way: Way, server: OpenAIServer, pool_of: MakePool
) -> None:
    with pytest.raises(BudgetIsSpent):
        await ask(
            Answerer(pool_of("a", "b")), way, call_of("a", "b"), {"callbacks": [AsyncGuard()]}
        )

    assert server.hits == 1


@pytest.mark.parametrize("way", ["aanswer", "astream"])
async def test_cancelling_ends_the_call_and_asks_nobody_else(
    way: Way, server: OpenAIServer, pool_of: MakePool
) -> None:
    server.rule = lambda _: Behaviour(hang=True)
    task = asyncio.create_task(ask(Answerer(pool_of("a", "b")), way, call_of("a", "b")))
    await until(lambda: server.hits == 1)

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: server.closed_early == 1)
    assert (server.hits, server.closed_early) == (1, 1)


@every_way
async def test_a_model_that_cannot_be_made_is_skipped(way: Way) -> None:
    models: dict[str, Any] = {"a": "openai:gpt-5-mini", "b": FakeChatModel()}

    heard = await ask(Answerer(Pool(models), QUICK), way, call_of("a", "b"))

    assert heard.answer.arm.model == "b"
    assert len(heard.answer.attempts) == 2


async def test_many_queries_share_one_answerer_from_threads_and_a_loop(
    server: OpenAIServer,
    pool_of: MakePool,
) -> None:
    answerer = Answerer(pool_of("a"), QUICK)

    async def one(number: int) -> str:
        way, call = WAYS[number % 4], call_of("a", text=f"Query {number}?")
        if way in ("aanswer", "astream"):
            return str((await ask(answerer, way, call)).answer.message.content)
        heard = await asyncio.to_thread(lambda: asyncio.run(ask(answerer, way, call)))
        return str(heard.answer.message.content)

    texts = await asyncio.gather(*map(one, range(40)))

    assert texts == [f"a was asked: Query {i}?" for i in range(40)]


@pytest.mark.parametrize("words", ["Event loop is closed", "attached to a different loop"])
async def test_a_connection_of_an_earlier_event_loop_costs_no_wait(words: str) -> None:
    model = FakeChatModel(error=[RuntimeError(words)] * 2)
    answerer = Answerer(Pool({"a": model}), AnswerPolicy(first_backoff=5.0))

    heard = await ask(answerer, "aanswer", call_of("a"))

    assert [attempt.waited for attempt in heard.answer.attempts] == [0.0] * 3
    assert not answerer.cooldowns.rest("a").seconds
