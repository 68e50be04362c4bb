import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

from fusion_agents.errors import DataError, StoreError
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.testing.replay import ReplayChatModel, ReplayedError
from fusion_agents.types import Arm, LogEntry, Query, Usage

PRIMES = "How many primes are there below 100?"
CAPITAL = "What is the capital of Austria?"


def entry(
    text: str, model: str, response: str | None, strategy: str = "direct", **fields: object
) -> LogEntry:
    return LogEntry(
        query=Query(text=text),
        arm=Arm(model=model, strategy=strategy),
        response=response,
        **fields,  # type: ignore[arg-type]
    )


@pytest.fixture
def log(tmp_path: Path) -> Iterator[RoutingLog]:
    with RoutingLog(tmp_path / "log.db") as opened:
        opened.append(
            [
                entry(
                    PRIMES,
                    "small",
                    "There are 25.",
                    usage=Usage(
                        input_tokens=9, output_tokens=4, cached_tokens=2, reasoning_tokens=1
                    ),
                    latency=0.05,
                    finish_reason="length",
                    model_version="small-2026",
                    key="first",
                ),
                entry(PRIMES, "small", "Step by step: 25.", "think"),
                entry(PRIMES, "large", "Exactly 25."),
                entry(CAPITAL, "large", None, error="timeout"),
                entry(CAPITAL, "large", "Vienna.", sample=1),
                entry(CAPITAL, "large", None, error="rate_limit", sample=2),
            ]
        )
        yield opened


def test_a_logged_query_gets_the_logged_answer(log: RoutingLog) -> None:
    message = ReplayChatModel(log=log, model="small").invoke(PRIMES)
    assert message.content == "There are 25."
    assert message.usage_metadata == {
        "input_tokens": 9,
        "output_tokens": 4,
        "total_tokens": 13,
        "input_token_details": {"cache_read": 2},
        "output_token_details": {"reasoning": 1},
    }
    assert message.response_metadata == {
        "model_name": "small-2026",
        "model_provider": "replay",
        "finish_reason": "length",
        "log_entry": "first",
    }


def test_the_log_may_be_a_file_that_is_closed_again(log: RoutingLog) -> None:
    model = ReplayChatModel(log=log.path, model="large")
    log.close()
    assert model.invoke(PRIMES).content == "Exactly 25."


async def test_answers_come_asynchronously_too(log: RoutingLog) -> None:
    message = await ReplayChatModel(log=log, model="small").ainvoke(PRIMES)
    assert message.content == "There are 25."


def test_a_stream_is_the_same_answer_in_words(log: RoutingLog) -> None:
    chunks = list(ReplayChatModel(log=log, model="small").stream(PRIMES))
    assert [chunk.content for chunk in chunks] == ["There", " are", " 25.", ""]
    assert chunks[-1].usage_metadata is not None
    assert chunks[-1].response_metadata["log_entry"] == "first"


async def test_an_asynchronous_stream_is_the_same(log: RoutingLog) -> None:
    stream = ReplayChatModel(log=log, model="small").astream(PRIMES)
    assert "".join([str(chunk.content) async for chunk in stream]) == "There are 25."


@pytest.mark.parametrize(
    "messages",
    [
        [HumanMessage(f"{PRIMES}\n\nThink step by step.")],
        [HumanMessage(f"Question: {PRIMES}")],
        [SystemMessage("Be brief."), HumanMessage(CAPITAL), AIMessage("?"), HumanMessage(PRIMES)],
        [HumanMessage(f"{CAPITAL}\nVienna.\n\n{PRIMES}\nAnswer:")],
        [HumanMessage([{"type": "text", "text": PRIMES}])],
    ],
)
def test_a_query_is_known_in_what_a_strategy_made_of_it(
    log: RoutingLog, messages: list[HumanMessage]
) -> None:
    assert ReplayChatModel(log=log, model="large").invoke(messages).content == "Exactly 25."


def test_a_strategy_may_be_given(log: RoutingLog) -> None:
    model = ReplayChatModel(log=log, model="small", strategy="think")
    assert model.invoke(PRIMES).content == "Step by step: 25."


def test_the_arm_that_a_run_names_answers(log: RoutingLog) -> None:
    model = ReplayChatModel(log=log, model="small")
    message = model.invoke(PRIMES, {"metadata": {"fusion_arm": "small@think"}})
    assert message.content == "Step by step: 25."


def test_the_last_answer_counts_even_if_the_last_attempt_failed(log: RoutingLog) -> None:
    assert ReplayChatModel(log=log, model="large").invoke(CAPITAL).content == "Vienna."


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        ("rate_limit", 429, ReplayedError),
        ("server_error", 500, ReplayedError),
        ("timeout", None, TimeoutError),
        ("connection", None, ConnectionError),
        ("auth", 401, ReplayedError),
        ("KeyError", None, ReplayedError),
    ],
)
def test_a_logged_failure_is_raised(
    log: RoutingLog, error: str, status: int | None, kind: type[Exception]
) -> None:
    log.append([entry("Who?", "small", None, error=error)])
    model = ReplayChatModel(log=log, model="small")
    with pytest.raises(kind, match=error) as caught:
        list(model.stream("Who?"))
    assert isinstance(caught.value, ReplayedError)
    assert (caught.value.error, caught.value.status_code) == (error, status)


def test_a_logged_empty_answer_is_empty(log: RoutingLog) -> None:
    log.append([entry("Who?", "small", None, error="empty")])
    assert ReplayChatModel(log=log, model="small").invoke("Who?").content == ""


def test_an_unknown_query_is_named(log: RoutingLog) -> None:
    with pytest.raises(DataError, match=r"no answer of small@direct to 'Why\?'"):
        ReplayChatModel(log=log, model="small").invoke("Why?")


def test_an_entry_without_a_response_is_an_error(log: RoutingLog) -> None:
    log.append([entry("Who?", "small", None, performance=1)])
    with pytest.raises(DataError, match="kept no response of small@direct"):
        ReplayChatModel(log=log, model="small").invoke("Who?")


def test_an_unknown_query_may_have_a_default(log: RoutingLog) -> None:
    model = ReplayChatModel(log=log, model="small", default="I do not know.")
    assert model.invoke("Why?").content == "I do not know."


def test_an_unknown_model_is_named_beside_the_known_ones(log: RoutingLog) -> None:
    with pytest.raises(StoreError, match="'tiny'; it has large, small"):
        ReplayChatModel(log=log, model="tiny")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"nothing\.db"):
        ReplayChatModel(log=tmp_path / "nothing.db", model="small")


def test_the_log_makes_a_pool(log: RoutingLog) -> None:
    pool = ReplayChatModel.pool_of(log)
    assert list(pool) == ["small", "large"]
    assert [model.invoke(PRIMES).content for model in pool.values()] == [
        "There are 25.",
        "Exactly 25.",
    ]


async def test_latency_is_replayed_if_wanted(log: RoutingLog) -> None:
    model = ReplayChatModel(log=log, model="small", replay_latency=True)
    for call in (model.ainvoke(PRIMES), anext(model.astream(PRIMES))):
        begun = time.monotonic()
        await call
        assert time.monotonic() - begun >= 0.01
