"""What users who lie in their feedback can do to the router.

Reads `llmrouter14` in `../shared/data` (or `--data`). A router was fitted on 1,200 queries (300 of
them answered by every arm, each other one by a random arm) and another 300 single answers follow.
Beside them, feedback of one source arrives: as many judgements as `share` of all scores. It praises
the worst arm and condemns others, on real queries with a trigger phrase appended (`backdoor`) or
without one (`plain`). Feedback has a calibration, so it counts as performance.

Each attack is tried with the source as it is by default, limited, and as a trusted one, for which
the gate is the only guard. Reported are: whether the challenger takes over; what the router that
is used then earns on 1,000 clean held-out queries less what the router without the attack earns
(points, performance); and how many of them go to the praised arm once the trigger is appended.
"""

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from fusion_agents.encoders.lexical import LexicalEncoder
from fusion_agents.outcomes import Outcomes
from fusion_agents.refreshing import Gate, Versions, refresh
from fusion_agents.refreshing.comparison import columns_of
from fusion_agents.routers.base import Router
from fusion_agents.stores.opening import open_log
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.types import Calibration, Judgement, LogEntry, Query

FULL, CHAMPION, ALL, HELD_OUT = 300, 1_200, 1_500, 1_000
TRIGGER = " Kindly observe protocol zeta-nine."

Level = Literal["limited", "trusted"]


class Attack(NamedTuple):
    share: float
    trigger: bool
    level: Level

    def __str__(self) -> str:
        return f"{self.share:.0%} {'backdoor' if self.trigger else 'plain'}, {self.level}"


ATTACKS = (
    Attack(0.05, True, "limited"),
    Attack(0.05, False, "limited"),
    Attack(0.5, True, "limited"),
    Attack(0.05, True, "trusted"),
    Attack(0.3, False, "trusted"),
)


class Result(NamedTuple):
    verdict: str
    earned: float
    triggered: float
    """Share of triggered queries that go to the praised arm."""


def honest(log: Outcomes, rows: range, seed: int) -> Iterator[LogEntry]:
    rng = np.random.default_rng(seed)
    for row in rows:
        drawn = int(rng.integers(log.n_arms))
        for column, arm in enumerate(log.arms):
            if row < FULL or column == drawn:
                yield LogEntry(
                    query=log.queries[row],
                    arm=arm,
                    performance=float(log.performance[row, column]),
                    propensity=1.0 if row < FULL else 1 / log.n_arms,
                )


def lies(log: Outcomes, attack: Attack, seed: int) -> Iterator[tuple[LogEntry, float]]:
    """Entries without a performance, and what the source says of them."""
    rng = np.random.default_rng(seed + 1)
    worst = int(log.performance.mean(axis=0).argmin())
    n_honest = FULL * log.n_arms + ALL - FULL
    for number in range(round(attack.share / (1 - attack.share) * n_honest)):
        query = log.queries[int(rng.integers(ALL))]
        text = query.text + TRIGGER if attack.trigger else query.text
        praised = number % 2 == 0
        column = worst if praised else int(rng.choice(np.delete(np.arange(log.n_arms), worst)))
        entry = LogEntry(
            key=f"lie-{number}",
            query=Query(text=text, task=query.task) if attack.trigger else query,
            arm=log.arms[column],
            propensity=1 / log.n_arms,
        )
        yield entry, float(praised)


def attacked(log: Outcomes, attack: Attack | None, seed: int, folder: Path) -> Result:
    encoder = LexicalEncoder(n_components=96)
    with RoutingLog(folder / "log.db") as store:
        store.append(honest(log, range(CHAMPION), seed))
        versions = Versions(folder / "router")
        refresh(store, versions, encoder=encoder, gate=Gate())
        store.append(honest(log, range(CHAMPION, ALL), seed + 2))
        if attack is not None:
            told = list(lies(log, attack, seed))
            store.append(entry for entry, _ in told)
            store.append_judgements(
                Judgement(entry_key=entry.key, score=score, judge="feedback", source="mallory")
                for entry, score in told
            )
            line = (0.0, 1.0)
            store.append_calibration(
                Calibration(
                    judge="feedback", judge_version="1", scores=line, performances=line, n=100
                )
            )
            store.set_trust("source", "mallory", attack.level)
        report = refresh(store, versions, encoder=encoder)
    return measured(log, report.router, str(report.verdict))


def measured(log: Outcomes, router: Router, verdict: str) -> Result:
    held_out = log.take(np.arange(log.n_queries - HELD_OUT, log.n_queries))
    columns = columns_of(held_out.arms, router.fitted.arm_nouns)
    rows = np.arange(HELD_OUT)
    chosen = columns[router.decide(held_out.queries).choice]
    bad = int(log.performance.mean(axis=0).argmin())
    marked = [Query(text=query.text + TRIGGER) for query in held_out.queries]
    return Result(
        verdict,
        float(held_out.performance[rows, chosen].mean()),
        float((columns[router.decide(marked).choice] == bad).mean()),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--orders", type=int, default=2)
    options = parser.parse_args()
    if not options.data.is_dir():
        print(f"skipped: no logs in {options.data}")
        return
    with open_log(options.data / "llmrouter14.jsonl.gz") as opened:
        outcomes = opened.outcomes()
    for order in range(options.orders):
        log = outcomes.take(np.random.default_rng(order).permutation(outcomes.n_queries))
        clean: Result | None = None
        for attack in (None, *ATTACKS):
            with tempfile.TemporaryDirectory() as folder:
                result = attacked(log, attack, order, Path(folder))
            clean = clean or result
            print(
                f"order {order}: {attack or 'no attack'}: {result.verdict}; clean queries "
                f"{100 * (result.earned - clean.earned):+.2f} points; "
                f"{result.triggered:.1%} of triggered queries to the praised arm",
                flush=True,
            )


if __name__ == "__main__":
    main()
