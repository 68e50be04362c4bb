import gzip
import itertools
import json
import os
import re
import shlex
import signal
import stat
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from fusion_agents.chain import FusionRouterChain
from fusion_agents.cli.batch_run import BatchRun
from fusion_agents.errors import RowError
from fusion_agents.file_lock import locked
from fusion_agents.routers.artefact import load_router
from fusion_agents.steps.turn import Choices
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.testing.fake_chat import FakeChatModel
from fusion_agents.testing.openai_server import Behaviour, OpenAIServer, Request
from fusion_agents.types import Query
from tests.cli.conftest import KEY, Run

Rows = list[dict[str, Any]]
Batch = Callable[..., Result]
POSIX = pytest.mark.skipif(os.name != "posix", reason="signals, modes and limits of POSIX")


@pytest.fixture
def batch(run: Run, sums_router: Path, models: Path, tmp_path: Path) -> Batch:
    """Answer `queries.jsonl`, or another input, into `answers.jsonl`."""

    def invoke(*arguments: object, input: str = "queries.jsonl", code: int = 0) -> Result:
        where = ("--input", tmp_path / input, "--output", tmp_path / "answers.jsonl")
        common = ("--models", models, "--router", sums_router)
        return run("batch", *where, *common, *arguments, code=code)

    return invoke


@pytest.fixture
def command(sums_router: Path, models: Path, tmp_path: Path) -> list[str]:
    """The same for a process of its own."""
    python = [sys.executable, "-m", "fusion_agents", "batch"]
    where = ["--input", tmp_path / "queries.jsonl", "--output", tmp_path / "answers.jsonl"]
    return [*python, *map(str, where), "--models", str(models), "--router", str(sums_router)]


def write_queries(folder: Path, *rows: object) -> None:
    lines = (row if isinstance(row, str) else json.dumps(row) for row in rows)
    (folder / "queries.jsonl").write_text("".join(f"{line}\n" for line in lines))


def numbers(folder: Path, count: int) -> None:
    write_queries(folder, *({"query": f"query {i}"} for i in range(1, count + 1)))


def answers(folder: Path) -> Rows:
    text = (folder / "answers.jsonl").read_text()
    assert text == "" or text.endswith("\n")
    return sorted(map(json.loads, text.splitlines()), key=lambda row: row["line"])


def fails_for(*words: str) -> Callable[[Request], Behaviour | None]:
    return lambda request: Behaviour(status=400) if request.text in words else None


def until(condition: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@contextmanager
def started(command: list[str], *arguments: object) -> "Iterator[subprocess.Popen[str]]":
    """A process of its own, which ends with the block."""
    with subprocess.Popen(
        [*command, *map(str, arguments)],
        stderr=subprocess.PIPE,
        text=True,
        # a job in the background inherits that Ctrl-C is ignored
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        try:
            yield process
        finally:
            process.kill()


# -- rows ---------------------------------------------------------------------------------------


def test_each_query_gives_a_row(batch: Batch, tmp_path: Path) -> None:
    numbers(tmp_path, 150)
    result = batch()
    rows = answers(tmp_path)
    assert [row["line"] for row in rows] == list(range(1, 151))
    for row in rows:
        text = f"query {row['line']}"
        assert row["query_id"] == Query(text=text).id
        assert row["answer"] == f"small-model was asked: {text}"
        assert row["arm"] == row["fusion"]["answered_by"] == "small@direct"
        tokens = row["usage"]["input_tokens"], row["usage"]["output_tokens"]
        assert row["cost"] == pytest.approx((tokens[0] + 2 * tokens[1]) / 1e6)
        assert "forecast" not in row["fusion"]
    total = sum(row["cost"] for row in rows)
    assert "answered 150 queries; spent $0.00" in result.stderr
    assert result.stdout == ""
    spent = re.search(r"spent \$([\d.]+)", result.stderr)
    assert spent is not None
    assert float(spent[1]) == pytest.approx(total, rel=1e-3)


def test_what_was_expected_of_every_arm_goes_into_the_rows_if_wanted(
    batch: Batch, tmp_path: Path
) -> None:
    numbers(tmp_path, 1)
    batch("--explain")
    (row,) = answers(tmp_path)
    assert [f["arm"] for f in row["fusion"]["forecast"]] == ["small@direct", "large@direct"]


@pytest.mark.parametrize(
    ("name", "content", "lines"),
    [
        ("q.csv", b"query,task\nquery 1,t\nquery 2,t\n", [2, 3]),
        ("q.txt", b"query 1\n\nquery 2\n", [1, 3]),
        ("q.jsonl.gz", gzip.compress(b'{"query": "query 1"}\n{"query": "query 2"}\n'), [1, 2]),
    ],
)
def test_queries_come_from_files_of_several_kinds(
    batch: Batch, tmp_path: Path, name: str, content: bytes, lines: list[int]
) -> None:
    (tmp_path / name).write_bytes(content)
    batch(input=name)
    assert [row["line"] for row in answers(tmp_path)] == lines


def test_what_cannot_be_answered_is_a_row_and_the_others_are_answered(
    batch: Batch, server: OpenAIServer, tmp_path: Path
) -> None:
    write_queries(
        tmp_path, {"query": "a"}, "nonsense", {"query": "b"}, {"query": "c"}, {"query": 7}
    )
    server.rule = fails_for("b")
    result = batch()
    found = answers(tmp_path)
    assert ["error" in row for row in found] == [False, True, True, False, True]
    assert "queries.jsonl:2:" in found[1]["error"]
    assert "query_id" not in found[1]
    assert found[2]["query_id"] == Query(text="b").id
    assert found[2]["error_type"] == "AnswerError"
    assert [(a["arm"], a["error"]) for a in found[2]["attempts"]] == [
        ("small@direct", "bad_request"),
        ("large@direct", "bad_request"),
    ]
    assert "answered 2 queries; 3 failed" in result.stderr
    assert "2 x RowError" in result.stderr
    assert "1 x bad_request" in result.stderr


def test_a_query_for_which_every_arm_is_too_dear_is_a_row_and_costs_nothing(
    batch: Batch, server: OpenAIServer, tmp_path: Path
) -> None:
    numbers(tmp_path, 3)
    batch("--objective", "performance-first,max_cost=0.00000001")
    assert [row["error_type"] for row in answers(tmp_path)] == ["RouteError"] * 3
    assert server.hits == 0


def test_queries_are_routed_as_the_verb_route_routes_them(
    run: Run, batch: Batch, router: Path, models: Path, server: OpenAIServer, tmp_path: Path
) -> None:
    names = dict.fromkeys(arm.model for arm in load_router(router).fitted.arm_nouns)
    models.write_text(
        "".join(
            f'[models.{name}]\nmodel = "openai:{name}"\nbase_url = "{server.base_url}"\n'
            for name in names
        )
    )
    texts = [f"Spell the word number {i} backwards, or add {i} and {2 * i}." for i in range(80)]
    write_queries(tmp_path, *({"query": text} for text in texts))
    batch("--router", router, "--objective", "balance")
    result = run(
        "route", "--router", router, "--input", tmp_path / "queries.jsonl",
        "--objective", "balance",
    )  # fmt: skip
    routes = [json.loads(line)["route"] for line in result.stdout.splitlines()]
    wanted = [f"{route['arm']['model']}@{route['arm']['strategy']}" for route in routes]
    assert [row["fusion"]["arm"] for row in answers(tmp_path)] == wanted
    assert len(set(wanted)) > 1


def test_no_more_queries_than_wanted_are_asked_at_a_time(
    batch: Batch, server: OpenAIServer, tmp_path: Path
) -> None:
    numbers(tmp_path, 40)
    server.rule = lambda _: Behaviour(delay=0.05)
    batch("--concurrency", 8)
    assert server.peak == 8
    assert server.hits == 40


@POSIX
def test_only_the_user_may_read_the_answers(batch: Batch, tmp_path: Path) -> None:
    numbers(tmp_path, 1)
    batch()
    assert stat.S_IMODE((tmp_path / "answers.jsonl").stat().st_mode) == 0o600
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"answers.jsonl", "models.toml", "queries.jsonl"}


def test_what_is_recorded_carries_all_that_the_file_says_of_a_query(
    batch: Batch, tmp_path: Path
) -> None:
    write_queries(tmp_path, {"query": "6 * 7?", "task": "maths", "ground_truth": "42"})
    batch("--log", tmp_path / "new.db")
    with RoutingLog(tmp_path / "new.db", read_only=True) as log:
        (entry,) = log.scan()
    (row,) = answers(tmp_path)
    assert (entry.query.task, entry.query.ground_truth) == ("maths", "42")
    assert entry.query.id == row["query_id"]
    assert (str(entry.arm), entry.response, entry.cost) == (row["arm"], row["answer"], row["cost"])


async def test_memory_holds_a_window_of_the_queries_and_no_more() -> None:
    read, written = itertools.count(1), 0
    furthest = taken = 0

    def queries() -> Iterator[tuple[int, Query | RowError]]:
        nonlocal furthest, taken
        for taken in read:
            furthest = max(furthest, taken - written)
            yield taken, Query(text=f"query {taken}")

    def write(row: dict[str, Any]) -> None:
        nonlocal written
        written += 1
        if written == 500:
            run.stop(10.0)

    chain = FusionRouterChain.from_models({"one": FakeChatModel(answer="yes")})
    run = BatchRun(chain=chain, choices=Choices(), concurrency=4, explain=False, write=write)
    await run.run(queries())
    assert 500 <= written < 510
    assert furthest <= 2 * 64 + 4 + 1


async def test_if_a_row_cannot_be_written_nothing_more_is_asked() -> None:
    def write(row: dict[str, Any]) -> None:
        raise OSError("the disk is full")

    model = FakeChatModel(answer="yes")
    chain = FusionRouterChain.from_models({"one": model})
    run = BatchRun(chain=chain, choices=Choices(), concurrency=4, explain=False, write=write)
    endless = ((line, Query(text=f"query {line}")) for line in itertools.count(1))
    with pytest.raises(OSError, match="the disk is full"):
        await run.run(endless)


# -- going on -----------------------------------------------------------------------------------


def test_what_is_answered_is_not_asked_again(
    batch: Batch, server: OpenAIServer, tmp_path: Path
) -> None:
    numbers(tmp_path, 20)
    batch()
    before = (tmp_path / "answers.jsonl").read_bytes()
    result = batch()
    assert server.hits == 20
    assert (tmp_path / "answers.jsonl").read_bytes() == before
    assert "answered 0 queries; 20 were answered before" in result.stderr


def test_a_query_that_comes_twice_is_answered_once_for_each_line(
    batch: Batch, server: OpenAIServer, tmp_path: Path
) -> None:
    write_queries(tmp_path, {"query": "a"}, {"query": "a"})
    for _ in range(2):
        batch()
    assert [row["line"] for row in answers(tmp_path)] == [1, 2]
    assert server.hits == 2


def test_queries_that_are_added_at_the_end_are_answered(
    batch: Batch, server: OpenAIServer, tmp_path: Path
) -> None:
    numbers(tmp_path, 3)
    batch()
    numbers(tmp_path, 5)
    batch()
    assert [row["line"] for row in answers(tmp_path)] == [1, 2, 3, 4, 5]
    assert server.hits == 5


def test_errors_are_tried_again_and_their_rows_replaced(
    batch: Batch, server: OpenAIServer, tmp_path: Path
) -> None:
    write_queries(tmp_path, {"query": "a"}, "nonsense", {"query": "b"})
    server.rule = fails_for("b")
    batch()
    server.rule = None
    result = batch()
    rows = answers(tmp_path)
    assert [row["line"] for row in rows] == [1, 2, 3]
    assert rows[2]["answer"] == "small-model was asked: b"
    assert "answered 1 queries; 1 failed; 1 were answered before" in result.stderr


def test_errors_can_be_kept(batch: Batch, server: OpenAIServer, tmp_path: Path) -> None:
    write_queries(tmp_path, {"query": "a"}, {"query": "b"})
    server.rule = fails_for("b")
    batch()
    before = (tmp_path / "answers.jsonl").read_bytes()
    hits = server.hits
    result = batch("--keep-errors")
    assert server.hits == hits
    assert (tmp_path / "answers.jsonl").read_bytes() == before
    assert "1 were answered before; 1 failed before and are kept" in result.stderr


@pytest.mark.parametrize("left", [1, 8, 9, 40, -2, -1])
def test_a_last_line_that_is_torn_is_mended(
    batch: Batch, server: OpenAIServer, tmp_path: Path, left: int
) -> None:
    numbers(tmp_path, 3)
    batch("--concurrency", 1)
    whole = (tmp_path / "answers.jsonl").read_bytes()
    last = whole.splitlines(keepends=True)[-1]
    (tmp_path / "answers.jsonl").write_bytes(whole[: -len(last)] + last[:left])
    batch()
    assert [row["line"] for row in answers(tmp_path)] == [1, 2, 3]
    assert server.hits == (3 if left == -1 else 4)  # a row that lacks but its end of line is whole


def test_zeros_that_a_power_cut_left_are_cut_off(batch: Batch, tmp_path: Path) -> None:
    numbers(tmp_path, 2)
    batch("--concurrency", 1)
    with (tmp_path / "answers.jsonl").open("ab") as file:
        file.write(b'{"line": 3, "an\0\0\0\0')
    batch()
    assert [row["line"] for row in answers(tmp_path)] == [1, 2]


@pytest.mark.parametrize(
    "content",
    [
        b"my diary",
        b"my diary\n",
        b'{"query": "a"}\n',
        b"[1]\n",
        b'{"line": 1}\n',
        b'{"line": true, "answer": "a"}\n',
        b'{"line": 1, "answer": "a", "cost": "dear"}\n',
        b'{"line": 1, "answer": ' + b"[" * 100_000 + b"]" * 100_000 + b"}\n",
    ],
)
def test_a_file_of_another_kind_is_left_as_it_is(
    batch: Batch, server: OpenAIServer, tmp_path: Path, content: bytes
) -> None:
    numbers(tmp_path, 2)
    (tmp_path / "answers.jsonl").write_bytes(content)
    assert "answers.jsonl:1 is no row of a batch" in batch(code=2).stderr
    assert (tmp_path / "answers.jsonl").read_bytes() == content
    assert server.hits == 0


@pytest.mark.parametrize("name", ["answers.jsonl.gz", "answers.jsonl.GZ"])
def test_what_is_appended_to_is_not_called_compressed(
    run: Run, models: Path, tmp_path: Path, name: str
) -> None:
    numbers(tmp_path, 1)
    where = ("--input", tmp_path / "queries.jsonl", "--output", tmp_path / name)
    assert "cannot be compressed" in run("batch", *where, "--models", models, code=2).stderr


def test_answers_to_other_queries_are_not_mixed_with_these(
    batch: Batch, server: OpenAIServer, tmp_path: Path
) -> None:
    numbers(tmp_path, 3)
    batch()
    write_queries(tmp_path, {"query": "new"}, *({"query": f"query {i}"} for i in (1, 2, 3)))
    assert "holds answers to 3 queries that" in batch(code=2).stderr
    assert server.hits == 3
    assert len(answers(tmp_path)) == 3


def test_two_processes_cannot_write_one_file(
    batch: Batch, server: OpenAIServer, tmp_path: Path
) -> None:
    numbers(tmp_path, 2)
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "answers.jsonl")
    with locked(tmp_path / "link.jsonl"):
        assert "another process is writing" in batch(code=2).stderr
    assert server.hits == 0
    batch()
    assert len(answers(tmp_path)) == 2


def test_of_many_who_want_a_lock_one_has_it_at_a_time(tmp_path: Path) -> None:
    holders = most = 0
    lock = threading.Lock()

    def contend() -> None:
        nonlocal holders, most
        for _ in range(300):
            try:
                with locked(tmp_path / "file"):
                    with lock:
                        holders += 1
                        most = max(most, holders)
                    time.sleep(0)
                    with lock:
                        holders -= 1
            except ValueError:
                continue

    threads = [threading.Thread(target=contend) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert list(tmp_path.iterdir()) == []


# -- being refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--objective", "judge"), "judge"),
        (("--objective", "balance,arms=nobody"), "nobody"),
        (("--arm", "nobody"), "unknown arm 'nobody'"),
        (("--output", os.devnull), "--output must be a file"),
        (("--output", "-"), "--output must be a file"),
        (("--output", "answers.jsonl.gz"), "cannot be compressed"),
        (("--output", "no/answers.jsonl"), "there is no folder"),
    ],
)
def test_what_cannot_be_done_is_found_out_before_a_call(
    batch: Batch, server: OpenAIServer, tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    numbers(tmp_path, 2)
    assert words in batch(*arguments, code=2).stderr
    assert server.hits == 0
    assert not (tmp_path / "answers.jsonl").exists()


def test_the_input_is_not_overwritten(batch: Batch, tmp_path: Path) -> None:
    numbers(tmp_path, 2)
    result = batch("--output", tmp_path / "queries.jsonl", code=2)
    assert "is the input" in result.stderr


def test_a_missing_key_is_named_before_a_call(
    batch: Batch, models: Path, server: OpenAIServer, tmp_path: Path
) -> None:
    numbers(tmp_path, 2)
    tables = models.read_text().replace("price =", 'api_key_env = "FUSION_TEST_KEY"\nprice =')
    models.write_text(tables)
    assert "FUSION_TEST_KEY" in batch(code=2).stderr
    assert server.hits == 0


def test_a_key_that_a_server_repeats_is_written_nowhere(
    batch: Batch, server: OpenAIServer, tmp_path: Path
) -> None:
    numbers(tmp_path, 3)
    server.rule = lambda _: Behaviour(status=401, echo_key=True)
    result = batch("--log", tmp_path / "new.db")
    assert server.requests[0].key == KEY
    rows = answers(tmp_path)
    assert len(rows) == 3
    assert "[redacted]" in rows[0]["error"]
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not any(KEY.encode() in path.read_bytes() for path in files)
    assert KEY not in result.output


# -- being interrupted --------------------------------------------------------------------------


@POSIX
def test_whenever_it_is_killed_every_query_ends_up_answered_once(
    command: list[str], server: OpenAIServer, tmp_path: Path
) -> None:
    count, concurrency, kills = 120, 6, 0
    numbers(tmp_path, count)
    server.rule = lambda _: Behaviour(delay=0.03)
    for point in (1, 30, 64, 100):
        with started(command, "--concurrency", concurrency) as process:
            until(lambda point=point: server.hits >= point)  # type: ignore[misc]
            process.kill()
        kills += process.returncode == -signal.SIGKILL
    with started(command, "--concurrency", concurrency) as process:
        process.communicate()
    assert (process.returncode, kills) == (0, 4)
    assert [row["line"] for row in answers(tmp_path)] == list(range(1, count + 1))
    assert all("answer" in row for row in answers(tmp_path))
    asked = Counter(request.text for request in server.requests)
    assert len(asked) == count
    assert server.hits - count <= kills * concurrency


@POSIX
def test_ctrl_c_lets_calls_under_way_finish_and_says_how_to_go_on(
    command: list[str], server: OpenAIServer, tmp_path: Path
) -> None:
    numbers(tmp_path, 50)
    server.rule = lambda _: Behaviour(delay=0.5)
    with started(command, "--concurrency", 4) as process:
        until(lambda: server.hits >= 5)
        process.send_signal(signal.SIGINT)
        _, noise = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in noise
    assert len(answers(tmp_path)) == server.hits < 20
    assert f"interrupted: {50 - server.hits} queries are left" in noise
    server.rule = None
    again = shlex.split(noise.splitlines()[-1])
    assert again[0] == "fusion-agents"
    subprocess.run([sys.executable, "-m", "fusion_agents", *again[1:]], check=True)
    assert len(answers(tmp_path)) == server.hits == 50


@POSIX
def test_ctrl_c_twice_stops_at_once(
    command: list[str], server: OpenAIServer, tmp_path: Path
) -> None:
    numbers(tmp_path, 50)
    server.rule = lambda _: Behaviour(hang=True)
    with started(command, "--concurrency", 4, "--grace", 1000) as process:
        until(lambda: server.hits >= 4)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        assert "Ctrl-C again stops at once" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        _, noise = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "50 queries are left" in noise
    assert answers(tmp_path) == []
    until(lambda: server.closed_early == 4)


@POSIX
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_calls_that_take_longer_than_the_grace_are_given_up(
    command: list[str], server: OpenAIServer, tmp_path: Path, number: signal.Signals
) -> None:
    numbers(tmp_path, 50)
    server.rule = lambda _: Behaviour(hang=True)
    with started(command, "--concurrency", 4, "--grace", 0.2) as process:
        until(lambda: server.hits >= 4)
        process.send_signal(number)
        process.communicate(timeout=60)
    assert process.returncode == 130


@POSIX
def test_a_full_disk_ends_the_run_and_loses_nothing(
    command: list[str], batch: Batch, server: OpenAIServer, tmp_path: Path
) -> None:
    import resource  # noqa: PLC0415 - POSIX only

    numbers(tmp_path, 60)
    process = subprocess.run(
        [*command, "--concurrency", "2"],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (8_000, 8_000)),
    )
    assert process.returncode == 2
    assert process.stderr.startswith("error: ")
    assert "File too large" in process.stderr
    assert len(answers(tmp_path)) >= 1  # whole rows only
    asked = server.hits
    assert asked < 60
    batch()
    assert [row["line"] for row in answers(tmp_path)] == list(range(1, 61))
    assert server.hits <= 60 + 2
