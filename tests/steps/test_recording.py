"""What was answered goes into the log, and an answer never waits for it long."""

import logging
import sqlite3
import time
from pathlib import Path

import pytest

from fusion_agents.steps.writer import PATIENCE
from tests.chain_cases import KING, make_chain, models, write_log


def locked(path: Path) -> sqlite3.Connection:
    """As another process that holds the log for a long time."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    return connection


async def test_a_locked_log_delays_no_answer_and_gets_its_entries_later(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    with write_log(path) as log:
        chain = make_chain(log, record=True)
        before = log.count()
        connection = locked(path)
        start = time.monotonic()
        chain.invoke(KING)
        await chain.ainvoke(KING)
        list(chain.stream(KING))
        assert time.monotonic() - start < 3 * PATIENCE + 5  # SQLite itself would wait for a minute
        connection.execute("ROLLBACK")
        connection.close()
        chain.invoke(KING)
        assert log.count() == before + 4


def test_a_log_that_cannot_be_written_is_told_and_the_answer_is_given(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with write_log(tmp_path / "log.db") as log:
        chain = make_chain(log, record=True)
    with caplog.at_level(logging.WARNING):
        message = chain.invoke(KING)  # the log is closed by now
    assert message.content == "Henry"
    assert "are not in the log" in caplog.text


def test_every_attempt_has_an_entry_and_an_error_is_no_wrong_answer(tmp_path: Path) -> None:
    pool = models(
        historian=models()["historian"].model_copy(update={"error": ConnectionError("gone")})
    )
    with write_log(tmp_path / "log.db") as log:
        known = {entry.key for entry in log.scan()}
        message = make_chain(log, models=pool, record=True).invoke(KING)
        new = [entry for entry in log.scan() if entry.key not in known]
    assert message.content == "42"
    assert [(str(entry.arm), entry.error, entry.response) for entry in new] == [
        ("historian@direct", "connection", None),
        ("calculator@direct", None, "42"),
    ]
    assert all(entry.performance is None for entry in new)
    assert len({entry.key for entry in new}) == 2
