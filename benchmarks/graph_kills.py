"""Kill runs of the query-level graph at every node and at random, and see what a resumed run gives.

A conversation of two turns is kept in SQLite. A process is killed (SIGKILL) while it answers the
second one: at the start of a node, in the middle of its work, or after its work but before its
checkpoint; then another process goes on. What must hold: the final state equals that of a run that
nobody disturbed, times and generated names aside; the log has the turn's answer once for each call
that was answered at most; and with durability `sync`, exactly once. The turn's answer has
exactly one verdict of the judge, however often it was judged, and each judging gives another score;
an answer that was recorded and then given anew has one at most.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import random
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import BaseMessage, HumanMessage
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from fusion_agents.classifiers.base import Classifier, Question
from fusion_agents.graphs.query_level import QueryContext, build_query_level_graph
from fusion_agents.judges.base import Case as JudgedCase
from fusion_agents.judges.base import Judge, Verdict
from fusion_agents.objective import Objective
from fusion_agents.pool.pool import Pool
from fusion_agents.steps.judging import JudgePolicy
from fusion_agents.steps.query_steps import QuerySteps
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.testing.fake_chat import FakeChatModel
from fusion_agents.types import ArmForecast, LogEntry, Route

_FORK = multiprocessing.get_context("fork")  # a new process in milliseconds, not in seconds
NODES = ("classify", "answer", "judge", "record")
MOMENTS = ("start", "middle", "end")
DURABILITIES = ("sync", "async", "exit")
SAVERS = ("SqliteSaver", "AsyncSqliteSaver")
QUESTIONS = ("How many prime numbers are there below 100?", "And below 1,000?")
THREAD = {"configurable": {"thread_id": "conversation"}}
_DELAY = 0.02
_BEGUN, _ENDED = b"(", b")"
_KILLS_IN_A_ROW = 3
VARYING = {"seconds", "waited", "latency", "message_id", "id", "key", "entry_key", "score", "time"}


@dataclass(frozen=True)
class Case:
    """Where the run of the second turn is killed; no node: nowhere, by itself."""

    saver: str = SAVERS[0]
    durability: str = "sync"
    node: str = ""
    moment: str = ""
    delay: float = 0.0
    """Seconds that the model takes."""

    def kills(self, node: str, moment: str) -> None:
        if (self.node, self.moment) == (node, moment):
            os.kill(os.getpid(), signal.SIGKILL)


class Killer(BaseCallbackHandler):
    """Kills the process as a node begins, or when its work is done but not yet kept.

    Tells the parent when a run begins and ends.
    """

    run_inline = True

    def __init__(self, case: Case, pipe: int) -> None:
        self.case = case
        self.pipe = pipe
        self.names: dict[Any, str] = {}

    def on_chain_start(self, *_: Any, run_id: Any, **options: Any) -> None:
        name = self.names[run_id] = options.get("name") or ""
        if name == "query_level":
            os.write(self.pipe, _BEGUN)
        self.case.kills(name, "start")

    def on_chain_end(self, *_: Any, run_id: Any, **options: Any) -> None:
        if self.names[run_id] == "query_level":
            os.write(self.pipe, _ENDED)
        self.case.kills(self.names[run_id], "end")


class FirstArm(Classifier):
    """Chooses the first arm, or dies over it."""

    def __init__(self, case: Case) -> None:
        self.case = case

    def routes(
        self, questions: Sequence[Question], objective: Objective, config: Any = None
    ) -> list[Route]:
        self.case.kills("classify", "middle")
        return [
            Route(
                arm=question.arms[0],
                ranking=tuple(ArmForecast(arm=arm) for arm in question.arms),
                objective=objective.name,
                router="first",
                router_version="1",
                reason="it is the first",
            )
            for question in questions
        ]


class MortalJudge(Judge):
    """Never says the same twice, and dies over it."""

    name = "mortal"
    version = "1"

    def __init__(self, case: Case, folder: Path) -> None:
        self.case = case
        self.verdicts = folder / "verdicts"

    def judge(self, case: JudgedCase, config: Any = None) -> Verdict:
        with self.verdicts.open("a") as verdicts:
            verdicts.write("-")
        self.case.kills("judge", "middle")
        return Verdict(score=1 / self.verdicts.stat().st_size, reason="a matter of taste")


class MortalLog(RoutingLog):
    """Kills the process when entries are on the disk, before anybody is told."""

    case = Case()

    def append(self, entries: Iterable[LogEntry], **options: Any) -> int:
        stored = super().append(entries, **options)
        self.case.kills("record", "middle")
        return stored


@contextmanager
def prepared(folder: Path, case: Case) -> Iterator[QuerySteps]:
    def answer(messages: list[BaseMessage]) -> str:
        case.kills("answer", "middle")
        with (folder / "calls").open("a") as calls:
            calls.write(f"{len(messages)}\n")
        return f"That takes some counting: {len(messages)}."

    with MortalLog(folder / "routing.db") as log:
        log.case = case
        models = {name: FakeChatModel(model=name, answer=answer, delay=case.delay) for name in "ab"}
        judging = JudgePolicy(MortalJudge(case, folder))
        yield QuerySteps(
            pool=Pool(models), classifier=FirstArm(case), record_to=log, judging=judging
        )


def run(folder: Path, case: Case, turns: int, pipe: int) -> None:
    """Answer turns until there are so many, as a process that starts anew."""
    options: Any = {
        "config": {**THREAD, "callbacks": [Killer(case, pipe)]},
        "context": QueryContext(tenant="bench"),
        "durability": case.durability,
    }
    with prepared(folder, case) as steps:
        if case.saver == "SqliteSaver":
            with SqliteSaver.from_conn_string(str(folder / "graph.db")) as saver:
                graph = build_query_level_graph(steps, checkpointer=saver)
                while (given := _next_input(graph.get_state(THREAD), turns)) is not False:
                    graph.invoke(given, **options)
        else:
            asyncio.run(_arun(folder, steps, options, turns))


async def _arun(folder: Path, steps: QuerySteps, options: Any, turns: int) -> None:
    async with AsyncSqliteSaver.from_conn_string(str(folder / "graph.db")) as saver:
        graph = build_query_level_graph(steps, checkpointer=saver)
        while (given := _next_input(await graph.aget_state(THREAD), turns)) is not False:
            await graph.ainvoke(given, **options)


def _next_input(state: Any, turns: int) -> Any:
    """A question that was not kept yet, nothing to go on with a begun run, False at the end."""
    humans = sum(message.type == "human" for message in state.values.get("messages", ()))
    if state.tasks:  # `next` leaves out a node whose result is kept and yet to be applied
        return None
    if humans < turns:
        return {"messages": [HumanMessage(QUESTIONS[humans], id=f"question-{humans}")]}
    return False


def final_state(folder: Path) -> dict[str, Any]:
    with SqliteSaver.from_conn_string(str(folder / "graph.db")) as saver:
        values = build_query_level_graph(_never, checkpointer=saver).get_state(THREAD).values
    return json.loads(json.dumps(values, default=lambda message: message.model_dump()))


def _never() -> QuerySteps:
    raise AssertionError("nothing is run")


def comparable(value: Any) -> Any:
    """A state without what two runs cannot share: times and generated names."""
    if isinstance(value, dict):
        return {
            name: comparable(inner)
            for name, inner in value.items()
            if name not in VARYING and not (name == "turn" and isinstance(inner, str))
        } | ({"entries": len(value["entries"])} if "entries" in value else {})
    return [comparable(inner) for inner in value] if isinstance(value, list) else value


def begun(folder: Path, case: Case) -> Path:
    """Have the first turn answered undisturbed."""
    folder.mkdir()
    quiet = Case(saver=case.saver, durability=case.durability)
    assert _exit_code(folder, quiet, turns=1) == 0
    return folder


def _exit_code(folder: Path, case: Case, turns: int) -> int:
    """Have turns answered, and see how the process ended."""
    return _course(folder, case, turns).exit_code


class _Course(NamedTuple):
    exit_code: int
    was_running: bool
    """Whether the process ended within a run."""
    seconds: float
    """From the beginning of the run."""


def _course(folder: Path, case: Case, turns: int, kill_after: float | None = None) -> _Course:
    reading, writing = os.pipe()
    process = _FORK.Process(target=run, args=(folder, case, turns, writing))
    process.start()
    os.close(writing)
    told = os.read(reading, 1)
    began = time.monotonic()
    if kill_after is not None:
        process.join(kill_after)
        process.kill()
    process.join(60)
    seconds = time.monotonic() - began
    assert process.exitcode is not None, "the run hangs"
    told += os.read(reading, 100)
    os.close(reading)
    return _Course(process.exitcode, told[-1:] == _BEGUN, seconds)


def checked(folder: Path, case: Case, expected: Any, kills: int) -> Counter[str]:
    """Figures of a resumed conversation; fails if what must hold does not."""
    state = final_state(folder)
    assert comparable(state) == expected, (case, comparable(state), expected)
    calls = Counter((folder / "calls").read_text().split())
    with RoutingLog(folder / "routing.db") as log:
        entries = [entry for entry in log.scan() if entry.query.text == QUESTIONS[1]]
        verdicts = {one.entry_key: one.score for one in log.judgements()}
        judged = Counter(one.entry_key for one in log.judgements())
    (key,) = state["entries"]
    answered = calls["3"]
    assert [entry.key for entry in entries].count(key) == 1, case
    assert all(entry.response == state["messages"][-1]["content"] for entry in entries), case
    assert 1 <= len(entries) <= answered, (case, len(entries), answered)
    assert judged[key] == 1, (case, judged)
    assert all(judged[entry.key] <= 1 for entry in entries), (case, judged)
    if case.durability == "sync":
        assert len(entries) == 1, case
        assert state["judgement"]["score"] == verdicts[key], case
    return Counter(
        cases=1, kills=kills, answered_again=answered - 1, recorded_again=len(entries) - 1
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--random", type=int, default=200, help="kills at random points")
    parser.add_argument("--savers", nargs="*", default=SAVERS)
    parser.add_argument("--durabilities", nargs="*", default=DURABILITIES)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    figures: dict[str, Counter[str]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        quiet = begun(folder / "quiet", Case())
        undisturbed = _course(quiet, Case(delay=_DELAY), turns=2)
        assert undisturbed.exit_code == 0
        expected = comparable(final_state(quiet))
        at_nodes(folder, given, expected, figures)
        at_random(folder, given, expected, figures, undisturbed.seconds)
    print(json.dumps(figures, indent=2))


def at_nodes(
    folder: Path, given: argparse.Namespace, expected: Any, figures: dict[str, Counter[str]]
) -> None:
    cases = product(given.savers, given.durabilities, NODES, MOMENTS)
    for number, (saver, durability, node, moment) in enumerate(cases):
        case = Case(saver, durability, node, moment)
        place = begun(folder / f"node-{number}", case)
        killed = _exit_code(place, case, turns=2)
        assert killed == -signal.SIGKILL, (case, killed)
        assert _exit_code(place, Case(saver, durability), turns=2) == 0
        at = figures.setdefault(f"{saver} {durability}, at nodes", Counter())
        at.update(checked(place, case, expected, 1))


def at_random(
    folder: Path,
    given: argparse.Namespace,
    expected: Any,
    figures: dict[str, Counter[str]],
    seconds: float,
) -> None:
    rng = random.Random(given.seed)
    kills = number = 0
    while kills < given.random:
        case = Case(rng.choice(given.savers), rng.choice(given.durabilities), delay=_DELAY)
        place, number = begun(folder / f"random-{number}", case), number + 1
        mine = 0
        for _ in range(_KILLS_IN_A_ROW):
            course = _course(place, case, turns=2, kill_after=rng.uniform(0, seconds))
            mine += course.was_running
            if not course.was_running:
                break
        assert _exit_code(place, case, turns=2) == 0
        at = figures.setdefault(f"{case.saver} {case.durability}, at random", Counter())
        at.update(checked(place, case, expected, mine))
        kills += mine


if __name__ == "__main__":
    main()
