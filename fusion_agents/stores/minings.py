"""The account of mining: which templates were asked for, and what came of that.

The intent to ask is on the disk before the request, and its end after it. So whatever ends the
process, a template that is there is not paid for again, and a call that was cut off is known.
"""

import time
from collections.abc import Sequence
from typing import Literal, NamedTuple

from fusion_agents.stores.sqlite_file import SQLiteFile
from fusion_agents.stores.template_writing import pages
from fusion_agents.types import Dollars, ThoughtTemplate

MiningState = Literal["intent", "again", "done", "rejected", "error"]
"""`again`: what was written was turned down once, and is to be asked for once more."""


class KnownMining(NamedTuple):
    """What the account knows of a template that was asked for."""

    state: MiningState
    reason: str | None
    """What was wrong with what was written."""
    stored: bool
    """Whether its template is in the store, with whatever status."""

    @property
    def settled(self) -> bool:
        """Whether there is nothing left to ask for: it is there, or was turned down twice."""
        return self.state == "rejected" or (self.state == "done" and self.stored)


class MiningTotals(NamedTuple):
    """All minings together."""

    cost: Dollars = 0.0
    """Of all calls that ended, as far as it is known."""
    lost: Dollars = 0.0
    """What calls that never ended may have cost: providers may bill them too."""


class MiningLedger:
    """The account in the file of the templates; get it as `TemplateStore.minings`.

    Safe to share between threads. What a method has returned for is on the disk.

    Args:
        file: Where it is.
    """

    def __init__(self, file: SQLiteFile) -> None:
        self._file = file

    def known(self, keys: Sequence[str]) -> dict[str, KnownMining]:
        """Look up minings; those that never began are missing."""
        found: dict[str, KnownMining] = {}
        with self._file.reading() as connection:
            for marks, page in pages(keys):
                sql = f"""
                    SELECT key, state, reason, template IS NOT NULL FROM minings
                    WHERE key IN ({marks})
                """
                for key, state, reason, stored in connection.execute(sql, page):
                    found[key] = KnownMining(state, reason, bool(stored))
        return found

    def begin(self, key: str, expected: Dollars) -> None:
        """Note that the summariser is about to be asked.

        Args:
            key: Of the mining.
            expected: Dollars that the call may cost.
        """
        sql = """
            INSERT INTO minings (key, state, attempts, expected, time)
            VALUES (?, 'intent', 1, ?, ?)
            ON CONFLICT (key) DO UPDATE SET
                attempts = attempts + 1,
                lost = lost + CASE state WHEN 'intent' THEN expected ELSE 0 END,
                state = 'intent', expected = excluded.expected, time = excluded.time
        """
        with self._file.writing() as connection:
            connection.execute(sql, (key, expected, _now()))

    def end(
        self,
        key: str,
        state: MiningState,
        cost: Dollars = 0.0,
        *,
        reason: str | None = None,
        template_id: str | None = None,
    ) -> None:
        """Note what came of it.

        Args:
            key: Of the mining.
            state: How it stands now.
            cost: Dollars of the call that ended.
            reason: What was wrong with what was written; without one, an earlier one stands.
            template_id: Of the template that was stored.
        """
        sql = """
            UPDATE minings SET state = ?, cost = cost + ?, reason = coalesce(?, reason), time = ?,
                template = (SELECT id FROM templates WHERE key = ?)
            WHERE key = ?
        """
        with self._file.writing() as connection:
            connection.execute(sql, (state, cost, reason, _now(), template_id, key))

    def find_template(self, like: ThoughtTemplate) -> str | None:
        """Id of a template that was mined in the same way from the same query, if there is one.

        A run that was killed may have stored it without having noted that.
        """
        sql = """
            SELECT key FROM templates
            WHERE query_id = ? AND tenant = ? AND criterion = ? AND summarizer = ?
                AND prompt_version = ? AND pitfall = ?
        """
        values = (like.query_id, like.tenant, like.criterion, like.summarizer, like.prompt_version)
        with self._file.reading() as connection:
            row = connection.execute(sql, (*values, int(like.pitfall))).fetchone()
        return None if row is None else str(row[0])

    def totals(self) -> MiningTotals:
        """Sum up all minings."""
        sql = """
            SELECT coalesce(sum(cost), 0.0),
                coalesce(sum(lost + CASE state WHEN 'intent' THEN expected ELSE 0 END), 0.0)
            FROM minings
        """
        with self._file.reading() as connection:
            return MiningTotals(*connection.execute(sql).fetchone())


def _now() -> int:
    return time.time_ns() // 1000
