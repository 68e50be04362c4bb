"""Who lets a student be trained on what they gave."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from fusion_agents.errors import ConfigError
from fusion_agents.stores.consent import may_train, objection
from fusion_agents.stores.migrations import MIGRATIONS
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.stores.sqlite_file import SQLiteFile
from fusion_agents.stores.training import Trustee
from fusion_agents.types import Arm, LogEntry, Query


@pytest.fixture
def log(tmp_path: Path) -> Iterator[RoutingLog]:
    with RoutingLog(tmp_path / "log.db") as opened:
        yield opened


def entry(i: int = 0, **fields: object) -> LogEntry:
    query = Query(text=f"{i} + {i}?")
    return LogEntry.model_validate(
        {"query": query, "arm": Arm(model="small"), "response": "4", **fields}
    )


def may(log: RoutingLog, source: str = "local", tenant: str = "default") -> bool:
    return may_train(log.consents(), log.trust(), source, tenant)


def test_only_the_operators_own_entries_may_train_unless_something_was_said(
    log: RoutingLog,
) -> None:
    assert log.consents() == {}
    assert may(log)
    assert not may(log, tenant="acme")


def test_a_tenant_may_consent_and_withdraw(log: RoutingLog) -> None:
    log.set_consent("tenant", "acme", True)
    assert may(log, tenant="acme")

    log.set_consent("tenant", "acme", False)
    assert not may(log, tenant="acme")
    assert log.consents() == {("tenant", "acme"): False}


def test_the_operator_may_refuse_too(log: RoutingLog) -> None:
    log.set_consent("tenant", "default", False)
    assert objection(log.consents(), log.trust(), "local", "default") == "tenant refused"


def test_a_refused_source_trains_nobody_whatever_its_tenant_says(log: RoutingLog) -> None:
    log.set_consent("source", "app", False)
    log.set_consent("tenant", "acme", True)
    assert not may(log, "app")
    assert not may(log, "app", "acme")
    assert may(log, "other", "acme")


def test_allowing_a_source_gives_no_consent_of_its_tenant(log: RoutingLog) -> None:
    log.set_consent("source", "app", True)
    assert may(log, "app")
    assert not may(log, "app", "acme")


def test_what_is_suspended_trains_nobody(log: RoutingLog) -> None:
    log.set_consent("tenant", "acme", True)
    log.set_trust("tenant", "acme", "suspended")
    log.set_trust("source", "app", "suspended")
    assert not may(log, tenant="acme")
    assert not may(log, "app")


@pytest.mark.parametrize(("kind", "name"), [("model", "small"), ("source", " ")])
def test_what_cannot_consent_is_refused(log: RoutingLog, kind: str, name: str) -> None:
    with pytest.raises(ConfigError):
        log.set_consent(cast("Trustee", kind), name, True)
    assert log.consents() == {}


def test_what_was_said_outlives_the_log_being_closed(tmp_path: Path) -> None:
    with RoutingLog(tmp_path / "log.db") as log:
        log.set_consent("source", "app", False)
        log.set_consent("tenant", "acme", True)
    with RoutingLog(tmp_path / "log.db", read_only=True) as log:
        assert log.consents() == {("source", "app"): False, ("tenant", "acme"): True}


def test_forgetting_keeps_a_refusal_and_drops_a_consent(log: RoutingLog) -> None:
    log.append([entry(0, source="app"), entry(1, tenant="acme")])
    log.set_consent("source", "app", False)
    log.set_consent("tenant", "acme", True)
    log.set_consent("tenant", "other", True)

    counted = log.forget(sources=["app"], tenants=["acme"], dry_run=True)
    gone = log.forget(sources=["app"], tenants=["acme"])

    assert counted == gone
    assert (gone.entries, gone.consents) == (2, 1)
    assert log.consents() == {("source", "app"): False, ("tenant", "other"): True}


def test_a_log_from_before_consents_is_migrated_with_all_that_is_in_it(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    before = [step.name for step in MIGRATIONS].index("ask whose entries may train a model")
    with RoutingLog(path) as log:
        log.append([entry(0, performance=1.0)])
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE consents")
        connection.execute("DELETE FROM migrations WHERE version > ?", (before,))
        connection.execute(f"PRAGMA user_version = {before}")
    connection.close()
    SQLiteFile(path, MIGRATIONS[:before]).close()  # it is a file of that version

    with RoutingLog(path) as log:
        assert log.count() == 1
        assert log.consents() == {}
        log.set_consent("tenant", "acme", True)
        assert may(log, tenant="acme")


def test_entries_are_found_by_their_keys(log: RoutingLog) -> None:
    some = [entry(i) for i in range(600)]
    log.append(some)
    wanted = [one.key for one in some[100:500]]
    found = [one.key for one in log.entries([*reversed(wanted), "nobody", wanted[0]])]
    assert sorted(found) == sorted(wanted)
    assert list(log.entries([])) == []
