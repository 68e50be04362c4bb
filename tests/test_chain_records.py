"""What callbacks see of the chain, what it counts, and what it writes into the log."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.callbacks import UsageMetadataCallbackHandler
from langchain_core.runnables import RunnableLambda

from fusion_agents.errors import AnswerError, DataError
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.testing.fake_chat import FakeChatModel
from fusion_agents.types import LogEntry
from tests.chain_cases import KING, SUM, make_chain, models, write_log
from tests.chat_model.conftest import Runs


@pytest.fixture
def log(tmp_path: Path) -> Iterator[RoutingLog]:
    with write_log(tmp_path / "log.db") as opened:
        yield opened


# -- whose it is ----------------------------------------------------------------------------------


def test_a_tenant_may_be_a_number(log: RoutingLog) -> None:
    chain = make_chain(log, record=True)

    assert chain.invoke(SUM, {"configurable": {"tenant": 7}}).content == "42"

    assert [entry.tenant for entry in log.scan() if entry.source == "fusion"] == ["7"]


# -- usage and runs -------------------------------------------------------------------------------


def test_usage_counts_once(log: RoutingLog) -> None:
    counted = UsageMetadataCallbackHandler()

    answer = make_chain(log).invoke(SUM, {"callbacks": [counted]})

    assert answer.usage_metadata is not None
    assert (
        counted.usage_metadata["calculator-1"]["total_tokens"]
        == (answer.usage_metadata["total_tokens"])
    )


@pytest.mark.parametrize("streams", [False, True])
def test_a_rejected_answer_is_paid_for_too(log: RoutingLog, streams: bool) -> None:
    empty = FakeChatModel(model="empty", answer="")
    chain = make_chain(log, models=models(calculator=empty))
    counted = UsageMetadataCallbackHandler()

    if streams:
        chunks = list(chain.stream(SUM, {"callbacks": [counted]}))
        usage = sum(c.usage_metadata["total_tokens"] for c in chunks if c.usage_metadata)
    else:
        usage = chain.invoke(SUM, {"callbacks": [counted]}).usage_metadata["total_tokens"]

    assert set(counted.usage_metadata) == {"empty", "historian-1"}
    assert usage == sum(one["total_tokens"] for one in counted.usage_metadata.values())


def test_a_call_is_a_run_with_the_route_in_it(log: RoutingLog) -> None:
    runs = Runs()

    make_chain(log).invoke(SUM, {"callbacks": [runs], "tags": ["mine"], "run_name": "asked"})

    (root,) = runs.roots
    (child,) = root.child_runs
    assert (root.name, root.run_type, child.run_type) == ("asked", "chain", "llm")
    assert {"mine", "fusion", "route:calculator@direct"} <= set(root.tags or ())
    assert (root.metadata or {})["fusion"]["arm"] == "calculator@direct"
    assert {"mine", "fusion", "arm:calculator@direct"} <= set(child.tags or ())
    assert (child.metadata or {})["fusion_attempt"] == 1
    assert child.trace_id == root.trace_id


def test_failed_attempts_are_runs_too(log: RoutingLog) -> None:
    runs = Runs()
    failing = FakeChatModel(error=ConnectionError("refused"))

    make_chain(log, models=models(calculator=failing)).invoke(SUM, {"callbacks": [runs]})

    assert [child.error is None for child in runs.roots[0].child_runs] == [False, True]


def test_a_caller_may_keep_the_run_around_it_away(log: RoutingLog) -> None:
    runs, chain = Runs(), make_chain(log)
    node = RunnableLambda(lambda text: chain.invoke(text, {"callbacks": []}))

    node.invoke(SUM, {"callbacks": [runs]})

    assert runs.tree() == [("chain", [])]


def test_a_bad_input_is_a_failed_run(log: RoutingLog) -> None:
    runs = Runs()

    with pytest.raises(DataError):
        make_chain(log).invoke([], {"callbacks": [runs]})

    assert [run.error is None for run in runs.roots] == [False]


# -- recording ------------------------------------------------------------------------------------


def recorded(log: RoutingLog) -> list[LogEntry]:
    return [entry for entry in log.scan() if entry.source == "fusion"]


async def test_answers_and_errors_are_recorded(log: RoutingLog) -> None:
    failing = FakeChatModel(error=ConnectionError("refused"))
    chain = make_chain(log, models=models(calculator=failing), record=True)
    config: Any = {"configurable": {"tenant": "acme"}}

    chain.invoke(SUM, config)
    list(chain.stream(KING, config))
    await chain.ainvoke(KING, config)
    [_ async for _ in chain.astream(KING, config)]

    entries = recorded(log)
    assert [(entry.arm.model, entry.error) for entry in entries] == [
        ("calculator", "connection"),
        ("historian", None),
        ("historian", None),
        ("historian", None),
        ("historian", None),
    ]
    assert {entry.tenant for entry in entries} == {"acme"}
    assert entries[1].response == "Henry"
    assert entries[1].model_version == "historian-1"
    assert entries[1].usage.output_tokens


def test_a_query_that_nobody_answers_is_recorded(log: RoutingLog) -> None:
    failing = FakeChatModel(error=ConnectionError("refused"))
    chain = make_chain(log, models={"calculator": failing, "historian": failing}, record=True)

    with pytest.raises(AnswerError) as caught:
        chain.invoke(SUM)
    with pytest.raises(AnswerError):
        list(chain.stream(SUM))

    assert len(recorded(log)) >= len(caught.value.attempts) >= 2
    assert all(entry.error for entry in recorded(log))


def test_another_log_may_be_recorded_to_and_none_is_by_default(
    log: RoutingLog, tmp_path: Path
) -> None:
    with RoutingLog(tmp_path / "other.db") as other:
        make_chain(log, record=other).invoke(SUM)
        make_chain(log).invoke(SUM)

        assert len(recorded(other)) == 1
        assert recorded(log) == []


def test_a_log_that_cannot_be_written_loses_no_answer(
    log: RoutingLog, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = RoutingLog(tmp_path / "other.db")
    chain = make_chain(log, record=other)
    other.close()

    assert chain.invoke(SUM).content == "42"
    assert "are not in the log" in caplog.text
