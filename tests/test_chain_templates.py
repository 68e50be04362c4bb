"""Thought templates in a chain: where they come from, who sees them, what is recorded."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain.agents import create_agent

from fusion_agents.chain import FusionRouterChain
from fusion_agents.errors import ConfigError
from fusion_agents.middleware import FusionRouterMiddleware
from fusion_agents.routers.knn import KNNRouter
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.stores.template_store import TemplateStore
from fusion_agents.templates.retrieving import ThoughtTemplateRetriever
from fusion_agents.testing.fake_chat import FakeChatModel
from fusion_agents.types import Arm, LogEntry, Query, ThoughtTemplate
from tests.chain_cases import KING, QUICK, SUM, make_chain, models, write_log

THOUGHT: Any = {"configurable": {"arm": "calculator@thought"}}


def template(name: str, tenant: str = "default") -> ThoughtTemplate:
    return ThoughtTemplate(
        problem=f"Add column by column, says {name}.",
        question=f"what is the sum of those other {name} numbers",
        query_id=name,
        tenant=tenant,
    )


@pytest.fixture
def log(tmp_path: Path) -> Iterator[RoutingLog]:
    with write_log(tmp_path / "log.db") as log:
        yield log


@pytest.fixture
def store(tmp_path: Path) -> Iterator[TemplateStore]:
    with RoutingLog(tmp_path / "templates.db") as log:
        store = TemplateStore(log)
        store.add(template(name) for name in ("odd", "even"))
        yield store


def wanting() -> tuple[FakeChatModel, dict[str, Any]]:
    """A model, and the models of a pool in which it asks for templates."""
    model = FakeChatModel(model="calculator-1", answer="42")
    return model, models(calculator={"model": model, "strategies": ["direct", "thought"]})


def last(model: FakeChatModel) -> str:
    return str(model.received[-1].messages[-1].content)


@pytest.mark.parametrize("kind", ["store", "retriever", "log", "path"])
def test_templates_are_shown_whatever_they_are_given_as(
    log: RoutingLog, store: TemplateStore, kind: str
) -> None:
    given = {
        "store": lambda: store,
        "retriever": lambda: ThoughtTemplateRetriever(store=store, k=1),
        "log": lambda: RoutingLog(store.path),
        "path": lambda: str(store.path),
    }[kind]()
    model, pool = wanting()
    chain = make_chain(log, models=pool, templates=given)

    message = chain.invoke(f"{SUM} 77", THOUGHT)

    assert "column by column" in last(model)
    assert 1 <= len(message.response_metadata["fusion"]["template_ids"]) <= 2


def test_templates_of_the_log_itself_are_found(log: RoutingLog) -> None:
    TemplateStore(log).add([template("odd")])
    for given in (log, log.path):
        model, pool = wanting()
        chain = FusionRouterChain.from_log(given, models=pool, router="knn", policy=QUICK)
        chain.invoke(f"{SUM} 77", THOUGHT)
        assert "says odd" in last(model)


def test_a_router_and_models_alone_use_them_too(log: RoutingLog, store: TemplateStore) -> None:
    router = KNNRouter().fit(log.outcomes())
    for make, begin in (
        (FusionRouterChain.from_router, router),
        (FusionRouterChain.from_models, None),
    ):
        model, pool = wanting()
        arguments = {"models": pool, "templates": store, "policy": QUICK}
        chain = make(**arguments) if begin is None else make(begin, **arguments)  # type: ignore[operator]
        chain.invoke(f"{SUM} 77", THOUGHT)
        assert "column by column" in last(model)


def test_without_templates_there_is_no_such_arm(log: RoutingLog) -> None:
    _, pool = wanting()
    chain = make_chain(log, models=pool)
    assert all(arm.strategy == "direct" for arm in chain.steps.arms)


def test_templates_that_no_arm_shows_are_warned_of(
    log: RoutingLog, store: TemplateStore, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        make_chain(log, templates=store)
    assert "no arm shows them" in caplog.text


def test_a_file_that_is_no_database_has_no_templates(log: RoutingLog, tmp_path: Path) -> None:
    path = tmp_path / "templates.txt"
    path.write_text("Add them up.")
    with pytest.raises(ConfigError, match="no database"):
        make_chain(log, templates=path)


def test_an_arm_that_the_log_has_with_templates_is_used_where_it_was_better(
    log: RoutingLog,
) -> None:
    """`thought` is an arm like any other: the router learns where it pays."""
    log.append(
        LogEntry(
            query=Query(text=f"{text} {number}"),
            arm=Arm(model="historian", strategy="thought"),
            performance=float(text == SUM),
            cost=0.001,
            template_ids=("t",),
        )
        for number in range(12)
        for text in (SUM, KING)
    )
    TemplateStore(log).add([template("odd")])
    chain = make_chain(log, objective="balance")
    assert str(chain.route(f"{SUM} 77").arm) == "historian@thought"
    assert str(chain.route(f"{KING} 77").arm) == "historian@direct"


def test_what_was_shown_is_in_the_log(log: RoutingLog, store: TemplateStore) -> None:
    _, pool = wanting()
    chain = make_chain(log, models=pool, templates=store, record=True)
    chain.invoke(f"{SUM} 77", THOUGHT)
    chain.invoke(f"{SUM} 77", {"configurable": {"arm": "calculator@direct"}})
    shown, plain = [entry for entry in log.scan() if entry.source == "fusion"]
    assert {store.get(name) is not None for name in shown.template_ids} == {True}
    assert plain.template_ids == ()


async def test_no_request_sees_templates_of_another_tenant(log: RoutingLog, tmp_path: Path) -> None:
    with RoutingLog(tmp_path / "shared.db") as shared:
        store = TemplateStore(shared)
        store.add(template(f"{tenant}-{n}", tenant) for tenant in ("a", "b") for n in range(5))
        model, pool = wanting()
        chain = make_chain(log, models=pool, templates=store, record=True)
        configs: list[Any] = [
            {"configurable": {"arm": "calculator@thought", "tenant": tenant}}
            for tenant in ("a", "b", "nobody") * 20
        ]
        inputs = [f"{SUM} {n} for {c['configurable']['tenant']}." for n, c in enumerate(configs)]
        chain.batch(inputs[:30], configs[:30])  # type: ignore[arg-type]
        await chain.abatch(inputs[30:], configs[30:])  # type: ignore[arg-type]

        entries = [entry for entry in log.scan() if entry.source == "fusion"]
        assert len(entries) == 60
        for entry in entries:
            tenants = {found.tenant for key in entry.template_ids if (found := store.get(key))}
            assert tenants == ({entry.tenant} - {"nobody"})
        for call in model.received:
            text = str(call.messages[-1].content)
            asker = text.partition(" for ")[2].partition(".")[0]
            other = {"a": "says b-", "b": "says a-", "nobody": "says "}[asker]
            assert other not in text


def test_an_agent_sees_the_templates_of_its_runs_tenant(store: TemplateStore) -> None:
    store.add([template("theirs", "them")])
    model, pool = wanting()
    middleware = FusionRouterMiddleware.from_models(pool, templates=store, policy=QUICK)
    agent = create_agent(middleware.first_model, middleware=[middleware])
    for tenant, seen, unseen in (("them", "theirs", "odd"), ("default", "odd", "theirs")):
        chosen = {"fusion_tenant": tenant, "fusion_arm": "calculator@thought"}
        agent.invoke({"messages": [("user", f"{SUM} 77")]}, {"configurable": chosen})
        assert f"says {seen}." in last(model)
        assert f"says {unseen}." not in last(model)
