"""What a call used is counted once, whoever made the calls, and told in the right places."""

from pathlib import Path
from typing import Any

import pytest
from langchain_core.callbacks import UsageMetadataCallbackHandler
from langchain_core.messages import AIMessageChunk
from langchain_core.tracers.base import BaseTracer
from langchain_core.tracers.schemas import Run
from pydantic import BaseModel

from fusion_agents.chain import FusionRouterChain
from fusion_agents.errors import DataError
from fusion_agents.testing.fake_chat import FakeChatModel
from fusion_agents.testing.openai_server import Behaviour, OpenAIServer
from tests.chain_cases import KING, QUICK, make_chain, models, write_log


class City(BaseModel):
    """A city."""

    name: str


class Kept(BaseTracer):
    """Keeps the root runs."""

    def __init__(self) -> None:
        super().__init__()
        self.roots: list[Run] = []

    def _persist_run(self, run: Run) -> None:
        self.roots.append(run)


def total(handler: UsageMetadataCallbackHandler) -> int:
    return sum(usage["total_tokens"] for usage in handler.usage_metadata.values())


def test_the_call_of_a_model_that_chooses_is_counted_too() -> None:
    chain = FusionRouterChain.from_models(models(), classifier="calculator", policy=QUICK)
    heard, heard_again = UsageMetadataCallbackHandler(), UsageMetadataCallbackHandler()

    message = chain.invoke(KING, {"callbacks": [heard]})
    whole: Any = None
    for chunk in chain.stream(KING, {"callbacks": [heard_again]}):
        assert isinstance(chunk, AIMessageChunk)
        whole = chunk if whole is None else whole + chunk

    assert message.usage_metadata is not None
    assert message.usage_metadata["total_tokens"] == total(heard)
    assert whole.usage_metadata["total_tokens"] == total(heard_again)


def test_forecasts_are_told_with_the_chains_run_but_not_with_each_token_of_the_model(
    tmp_path: Path,
) -> None:
    tracer = Kept()
    with write_log(tmp_path / "log.db") as log:
        make_chain(log).invoke(KING, {"callbacks": [tracer], "metadata": {"mine": 1}})

    (run,) = tracer.roots
    (model,) = run.child_runs
    assert "forecast" in run.metadata["fusion"]
    assert "fusion" not in model.metadata
    assert model.metadata["fusion_arm"] == "historian@direct"
    assert model.metadata["mine"] == 1
    assert len(model.tags or []) == len(set(model.tags or []))


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
def test_a_reply_that_the_client_cannot_fit_into_the_schema_is_asked_for_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "test")
    with OpenAIServer() as server, write_log(tmp_path / "log.db") as log:
        server.script(Behaviour(text='{"nam'), Behaviour(text='{"name": "Paris"}'))
        pool = {
            name: {"model": f"openai:{name}", "base_url": server.base_url}
            for name in ("calculator", "historian")
        }
        policy = QUICK.model_copy(update={"attempts_per_arm": 2})
        chat = make_chain(log, models=pool, policy=policy).as_chat_model()
        given = chat.with_structured_output(City, include_raw=True).invoke(KING)

    assert given["parsed"] == City(name="Paris")
    attempts = given["raw"].response_metadata["fusion"]["attempts"]
    assert [attempt["error"] for attempt in attempts] == ["malformed", None]
    assert [request.model for request in server.requests] == ["historian", "historian"]


def test_an_input_that_breaks_while_it_is_read_is_the_only_one_of_its_batch(tmp_path: Path) -> None:
    class Odd(list):  # type: ignore[type-arg]
        def __len__(self) -> int:
            raise AttributeError("no length")

    with write_log(tmp_path / "log.db") as log:
        first, odd, last = make_chain(log).batch(
            [KING, {"input": Odd()}, KING], return_exceptions=True
        )
    assert first.content == last.content == "Henry"
    assert isinstance(odd, DataError)


def test_a_cap_that_cannot_be_checked_for_a_chosen_model_is_told(tmp_path: Path) -> None:
    with write_log(tmp_path / "log.db") as log:
        chain = make_chain(log, models=models(new=FakeChatModel(model="new")))
        options = {"model": "new", "objective": "performance-first,max_cost=0.001"}
        route = chain.route(KING, {"configurable": options})
    assert str(route.arm) == "new@direct"
    assert "no cap was checked" in route.reason
