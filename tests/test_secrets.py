"""A planted key is found nowhere: not in logs, traces, checkpoints, databases, errors or reprs."""

import base64
import logging
import pickle
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from langchain.agents import create_agent
from langchain_core.load import dumps
from langchain_core.runnables import RunnableConfig
from langchain_core.tracers.base import BaseTracer
from langchain_core.tracers.schemas import Run
from langgraph.checkpoint.sqlite import SqliteSaver

from fusion_agents.answering.policy import AnswerPolicy
from fusion_agents.chain import FusionRouterChain
from fusion_agents.errors import AnswerError
from fusion_agents.graphs.query_level import build_query_level_graph
from fusion_agents.middleware import FusionRouterMiddleware
from fusion_agents.pool.pool import Pool
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.testing.openai_server import Behaviour, OpenAIServer, Request
from tests.chain_cases import write_log

KEY = "planted/" + "7f3k9Qz+Rw5LmN2xVb8T" * 2
FORMS = (KEY, quote(KEY, safe=""), base64.b64encode(KEY.encode()).decode()[4:-4])
POLICY = AnswerPolicy(deadline=10, first_backoff=0.01, max_attempts=3)


class Keeper(BaseTracer):
    """Keeps every run as a tracer would send it."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[str] = []

    def _persist_run(self, run: Run) -> None:
        self.kept.append(run.model_dump_json() if hasattr(run, "model_dump_json") else repr(run))

    def _on_run_update(self, run: Run) -> None:
        self.kept.append(f"{run.error} {run.inputs} {run.outputs} {run.extra} {run.serialized}")


def refuse(request: Request) -> Behaviour:
    """As a provider that repeats the key which it does not accept."""
    return Behaviour(status=401, message=f"Incorrect API key provided: {KEY}", echo_key=True)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAIServer]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with OpenAIServer() as server:
        yield server


@pytest.fixture
def heard() -> Iterator[list[str]]:
    """Everything that anybody logs, at the lowest level, with tracebacks."""
    lines: list[str] = []
    handler = logging.Handler(level=0)
    formatter = logging.Formatter("%(name)s %(message)s")
    handler.emit = lambda record: lines.append(formatter.format(record))  # type: ignore[method-assign]
    root = logging.getLogger()
    named = [log for log in root.manager.loggerDict.values() if isinstance(log, logging.Logger)]
    before = [(log, log.level, log.disabled, log.propagate) for log in (root, *named)]
    silent = root.manager.disable
    logging.disable(logging.NOTSET)
    for log, *_ in before:
        log.setLevel(1)
        log.disabled, log.propagate = False, True
    root.addHandler(handler)
    yield lines
    root.removeHandler(handler)
    for log, level, disabled, propagate in before:
        log.setLevel(level)
        log.disabled, log.propagate = disabled, propagate
    logging.disable(silent)


def pool(server: OpenAIServer) -> Pool:
    return Pool(
        {
            name: {"model": f"openai:{name}", "base_url": server.base_url}
            for name in ("calculator", "historian")
        }
    )


def failing(call: Callable[[], object]) -> str:
    try:
        call()
    except AnswerError as error:
        attempts = " ".join(map(repr, error.attempts))
        return f"{error!r} {error} {attempts} {''.join(traceback.format_exception(error))}"
    raise AssertionError("it answered")


@pytest.mark.parametrize("refused", [False, True], ids=["answers", "refuses"])
def test_a_key_is_found_nowhere(
    server: OpenAIServer, heard: list[str], tmp_path: Path, refused: bool
) -> None:
    if refused:
        server.rule = refuse
    tracer = Keeper()
    thread: RunnableConfig = {"callbacks": [tracer], "configurable": {"thread_id": "1"}}
    question = {"messages": [("user", "which king won that battle 99")]}
    said: list[str] = []
    with (
        write_log(tmp_path / "routing.db") as log,
        SqliteSaver.from_conn_string(str(tmp_path / "checkpoints.db")) as saver,
    ):
        chain = FusionRouterChain.from_log(
            log, models=pool(server), router="knn", policy=POLICY, record=True
        )
        model = chain.as_chat_model()
        graph = build_query_level_graph(chain.steps, checkpointer=saver)
        middleware = FusionRouterMiddleware(chain.steps)
        agent = create_agent(
            model=middleware.first_model, middleware=[middleware], checkpointer=saver
        )
        calls: list[Callable[[], object]] = [
            lambda: chain.invoke("what is the sum of these numbers 99", thread),
            lambda: list(chain.stream("what is the sum of these numbers 98", thread)),
            lambda: model.invoke("which king won that battle 98", thread),
            lambda: list(model.stream("which king won that battle 97", thread)),
            lambda: graph.invoke(question, thread),
            lambda: agent.invoke(question, {**thread, "configurable": {"thread_id": "2"}}),
        ]
        for call in calls:
            said.append(failing(call) if refused else repr(call()))
        for thing in (chain, chain.pool, *chain.pool.models.values(), model, chain.steps, graph):
            said += [repr(thing), str(thing), dumps(thing)]
        said += [repr(chain.pool.chat_model("historian")), str(vars(chain.pool))]
        log.backup(tmp_path / "copy.db")
    files = [path.read_bytes() for path in tmp_path.iterdir()]
    everything = "\n".join([*said, *heard, *tracer.kept]).encode() + b"\n".join(files)

    assert server.requests
    assert all(KEY in str(request.headers) for request in server.requests)
    assert len(heard) > 20
    assert len(tracer.kept) >= len(calls)
    if refused:
        assert b"Incorrect API key provided" in everything
    assert [form for form in FORMS if form.encode() in everything] == []


def test_a_pool_cannot_be_pickled_with_its_keys(server: OpenAIServer) -> None:
    made = pool(server)
    made.chat_model("historian")
    assert KEY.encode() not in pickle.dumps(made)


def test_the_log_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    with RoutingLog(tmp_path / "routing.db"):
        pass
    assert (tmp_path / "routing.db").stat().st_mode & 0o077 == 0
