"""A key that a provider repeats is found nowhere afterwards."""

import json
import logging
import traceback
from collections.abc import Callable

import pytest
from langchain_core.tracers.base import BaseTracer
from langchain_core.tracers.schemas import Run

from fusion_agents.answering.answerer import Answerer
from fusion_agents.answering.policy import AnswerPolicy
from fusion_agents.errors import AnswerError
from fusion_agents.pool.pool import Pool
from fusion_agents.testing.openai_server import Behaviour, OpenAIServer
from tests.answering.asking import WAYS, Way, ask, call_of
from tests.answering.conftest import MakePool

KEY = "canary-4f9c2b7d1e8a6350-nobody-may-see-this"
ONCE = AnswerPolicy(max_attempts=2, first_backoff=0.0, deadline=20)


class Collector(BaseTracer):
    """Keeps all runs."""

    def __init__(self, *, run_inline: bool) -> None:
        super().__init__()
        self.run_inline = run_inline
        self.runs: list[Run] = []

    def _persist_run(self, run: Run) -> None:
        self.runs.append(run)


@pytest.fixture(
    params=[
        Behaviour(status=401, echo_key=True),
        Behaviour(status=400, echo_key=True),
        Behaviour(status=500, echo_key=True),
        Behaviour(status=429, echo_key=True),
        Behaviour(body=f"<html>bad key {KEY}</html>"),
        Behaviour(body=json.dumps({"error": {"message": f"bad key {KEY}", "code": 401}})),
    ],
    ids=["401", "400", "500", "429", "html", "error in 200"],
)
def pool(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    server: OpenAIServer,
    closing: Callable[[Pool], Pool],
) -> Pool:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    server.rule = lambda _: request.param
    return closing(Pool({"a": {"model": "openai:gpt-x", "base_url": server.base_url}}))


def shown(error: BaseException) -> str:
    parts = [str(error), repr(error), *traceback.format_exception(error), repr(vars(error))]
    link: BaseException | None = error
    while link is not None:
        parts += [repr(link), repr(vars(link))]
        link = link.__cause__ or link.__context__
    return "\n".join(parts)


@pytest.mark.parametrize("run_inline", [True, False])
@pytest.mark.parametrize("way", WAYS)
async def test_a_key_is_in_no_log_no_exception_and_no_trace(
    way: Way,
    run_inline: bool,
    pool: Pool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    collector = Collector(run_inline=run_inline)
    answerer = Answerer(pool, ONCE)

    with pytest.raises(AnswerError) as caught:
        await ask(answerer, way, call_of("a"), {"callbacks": [collector]})

    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    assert KEY not in shown(caught.value)
    assert collector.runs
    assert all(run.error for run in collector.runs)
    assert KEY not in "".join(str(run.model_dump(mode="python")) for run in collector.runs)
    assert caplog.records
    formatter = logging.Formatter()
    assert KEY not in "".join(map(formatter.format, caplog.records))
    assert KEY not in "".join(repr(vars(record)) for record in caplog.records)


def test_a_key_that_comes_back_in_a_header_is_in_no_exception_and_no_trace(
    server: OpenAIServer, pool_of: MakePool
) -> None:
    server.rule = lambda _: Behaviour(status=401, headers={"x-your-key": KEY})
    collector = Collector(run_inline=True)
    answerer = Answerer(pool_of("a", api_key=KEY), ONCE)

    with pytest.raises(AnswerError) as caught:
        answerer.answer(call_of("a"), {"callbacks": [collector]})

    assert KEY not in shown(caught.value)
    assert "x-your-key" in str(collector.runs[0].outputs)
    assert KEY not in str(collector.runs[0].model_dump(mode="python"))


def test_the_message_says_where_a_key_was(server: OpenAIServer, pool_of: MakePool) -> None:
    server.rule = lambda _: Behaviour(status=401, echo_key=True)

    with pytest.raises(AnswerError, match=r"auth \(.*\[redacted\]"):
        Answerer(pool_of("a", api_key=KEY), ONCE).answer(call_of("a"))
