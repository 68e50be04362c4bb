"""Attacks on the sandbox, honest programs in it, and what it costs.

Run from the project's root: `python -m benchmarks.sandbox [--data ../shared/data]`.
"""

import argparse
import gzip
import json
import os
import secrets
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fusion_agents.metrics.base import Scored
from fusion_agents.metrics.code import Code
from fusion_agents.metrics.code_problem import CodeProblem
from fusion_agents.sandbox.bubblewrap import Bubblewrap
from fusion_agents.sandbox.choosing import find_sandbox, trials
from fusion_agents.sandbox.judging import Checks, judge
from fusion_agents.sandbox.limits import Limits
from fusion_agents.types import Query
from tests.sandbox.attacks import ESCAPES, EXHAUSTING, FORGERIES

Case = tuple[str, str, CodeProblem]
WORKERS = os.cpu_count() or 2


def rows(data: Path, name: str) -> Iterator[dict]:
    with gzip.open(data / f"{name}.jsonl.gz", "rt") as file:
        yield from map(json.loads, file)


def humaneval(data: Path) -> list[Case]:
    return [
        (
            row["task_id"],
            row["prompt"] + row["canonical_solution"],
            CodeProblem(
                kind="humaneval",
                prompt=row["prompt"],
                entry_point=row["entry_point"],
                test=row["test"],
            ),
        )
        for row in rows(data, "humaneval")
    ]


def mbpp(data: Path) -> list[Case]:
    return [
        (
            str(row["task_id"]),
            row["code"],
            CodeProblem(kind="mbpp", tests=tuple(row["test_list"]), setup=row["test_setup_code"]),
        )
        for row in rows(data, "mbpp")
    ]


def query(problem: CodeProblem) -> Query:
    return Query(text="program", ground_truth=problem.model_dump_json(), metric="code")


def score_all(cases: list[Case], workers: int) -> dict[str, Scored]:
    metric = Code()
    with ThreadPoolExecutor(workers) as pool:
        scored = pool.map(lambda case: metric.score(case[1], query(case[2])), cases)
        return {case[0]: result for case, result in zip(cases, scored, strict=True)}


def canonical(name: str, cases: list[Case]) -> None:
    began = time.perf_counter()
    scored = score_all(cases, WORKERS)
    took = time.perf_counter() - began
    passed = sum(result.score == 1 for result in scored.values())
    flagged = [n for n, r in scored.items() if (r.reason or "").startswith("forgeable")]
    failed = {n: r.reason for n, r in scored.items() if r.score != 1}
    print(f"{name}: {passed}/{len(cases)} pass, {len(flagged)} forgeable, {took:.1f} s; {failed}")


def escapes() -> None:
    """An escape is whatever an attack got, or a bait that was touched."""
    os.environ["SANDBOX_CANARY_KEY"] = secret = secrets.token_hex()
    with (
        tempfile.TemporaryDirectory() as folder,
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.socket(socket.AF_UNIX) as hidden,
    ):
        Path(folder).chmod(0o777)
        file = Path(folder, "canary")
        file.write_text(secret)
        file.chmod(0o666)
        hidden.bind(f"\0canary-{secret[:8]}")
        hidden.listen()
        server.setblocking(False)
        bait = {"file": str(file), "home": str(Path.home()), "port": server.getsockname()[1]}
        bait |= {"hidden": f"\0canary-{secret[:8]}", "pid": os.getpid()}
        checks = Checks(f"assert attack({bait!r}) == []", "attack")
        escaped = []
        for name, program in ESCAPES.items():
            verdict = judge(find_sandbox(), program, checks)
            got = (verdict.reason or "").startswith("a test failed")
            if got or secret in str(verdict) or file.read_text() != secret:
                escaped.append(name)
            elif not verdict.passed:
                print(f"  {name}: {verdict.reason}")
        try:
            server.accept()
            escaped.append("somebody connected")
        except BlockingIOError:
            pass
    print(f"escapes: {len(escaped)} of {len(ESCAPES)} {escaped}")


def exhausting() -> None:
    sandbox = Bubblewrap(limits=Limits(cpu=2, wall=6.0))
    before = peak_memory()
    slowest, passed = 0.0, []
    for name, program in EXHAUSTING.items():
        began = time.perf_counter()
        verdict = judge(sandbox, program, Checks("assert attack({}) == []", "attack"))
        slowest = max(slowest, time.perf_counter() - began)
        passed += [name] if verdict.passed else []
        print(f"  {name}: {verdict.reason}")
    rise = (peak_memory() - before) / 2**20
    print(
        f"exhausting: {len(passed)} of {len(EXHAUSTING)} pass; slowest {slowest:.1f} s of 6 s; "
        f"evaluator's peak memory +{rise:.1f} MiB"
    )


def peak_memory() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


def forgeries(cases: list[Case]) -> None:
    metric = Code()

    def forge(case: Case, program: str) -> Scored:
        return metric.score(program.replace("NAME", case[2].name), query(case[2]))

    with ThreadPoolExecutor(WORKERS) as pool:
        for name, program in FORGERIES.items():
            scored = list(pool.map(lambda case, p=program: forge(case, p), cases))
            passed = sum(result.score == 1 for result in scored)
            unscored = sum(result.score is None for result in scored)
            print(f"  {name}: {passed}/{len(cases)} pass, {unscored} unscored")


def overhead(runs: int = 100) -> None:
    """A run through the metric against a bare interpreter that runs program and tests."""
    sandbox = find_sandbox()
    program, test = "def add(a, b):\n    return a + b\n", "assert add(1, 2) == 3"
    bare, shut_in = [], []
    for _ in range(runs):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-I", "-c", f"{program}\n{test}"], check=True, env={})
        bare.append(time.perf_counter() - began)
        began = time.perf_counter()
        assert judge(sandbox, program, Checks(test, "add")).passed
        shut_in.append(time.perf_counter() - began)
    added = [1000 * (b - a) for a, b in zip(bare, shut_in, strict=True)]
    middle = [1000 * statistics.median(times) for times in (bare, shut_in)]
    print(
        f"overhead: bare {middle[0]:.1f} ms, sandbox {middle[1]:.1f} ms, "
        f"median difference {statistics.median(added):.1f} ms"
    )


def leftovers(hostile: int = 100) -> None:
    sandbox = Bubblewrap(limits=Limits(cpu=1, wall=3.0))
    orphan = ESCAPES["orphans"]

    def count() -> tuple[int, int, int]:
        entries = len(list(Path(tempfile.gettempdir()).glob("fusion-agents*")))
        return len(os.listdir("/proc/self/fd")), len(children()), entries  # noqa: PTH208

    def run(_: int) -> None:
        judge(sandbox, orphan, Checks("assert attack({}) == []", "attack"))

    run(0)
    before = count()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(run, range(hostile)))
    time.sleep(1)
    print(f"leftovers of {hostile} hostile runs: fds, children, folders {before} -> {count()}")
    print(f"orphans alive after 1 s: {len(boxes())}")


def children() -> list[str]:
    path = Path(f"/proc/self/task/{os.getpid()}/children")
    return path.read_text().split() if path.exists() else []


def boxes() -> list[int]:
    """Processes of sandboxes anywhere on this machine."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if b"fusion_agents.sandbox.inside" in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def killed_evaluator() -> None:
    code = (
        "from fusion_agents.sandbox.bubblewrap import Bubblewrap\n"
        "from fusion_agents.sandbox.judging import Checks, judge\n"
        "import threading\n"
        f"p = {ESCAPES['orphans']!r} + '    while True: pass'\n"
        "p = p.replace('    return got', '')\n"
        "for _ in range(4):\n"
        "    threading.Thread(target=judge, args=(Bubblewrap(), p, Checks('attack({})', 'attack')))"
        ".start()\n"
    )
    before = set(boxes())
    evaluator = subprocess.Popen([sys.executable, "-c", code])
    time.sleep(3)
    alive = set(boxes()) - before
    evaluator.send_signal(signal.SIGKILL)
    began = time.perf_counter()
    evaluator.wait()
    while alive & set(boxes()) and time.perf_counter() - began < 10:
        time.sleep(0.02)
    print(
        f"evaluator killed with {len(alive)} processes alive: "
        f"all gone after {time.perf_counter() - began:.2f} s"
    )


def parallel(cases: list[Case]) -> None:
    forking = (
        "import os\ndef f():\n    n = 0\n    for _ in range(5):\n        if os.fork() == 0:\n"
        "            os._exit(0)\n        os.wait()\n        n += 1\n    return n"
    )
    problem = CodeProblem(kind="mbpp", tests=("assert f() == 5",))
    cases = [*cases[:80], *((f"fork {n}", forking, problem) for n in range(24))]
    one, eight = score_all(cases, 1), score_all(cases, 8)
    print(f"8 in parallel equals serial: {one == eight} ({len(cases)} programs)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--forgeries", type=int, default=164, help="problems to forge")
    options = parser.parse_args()
    for trial in trials():
        print(trial.sandbox.name, trial.problem or "works")
        print("  " + ", ".join(f"{c.name}: {c.detail}" for c in trial.canaries))
    escapes()
    exhausting()
    overhead()
    leftovers()
    killed_evaluator()
    cases = humaneval(options.data)
    canonical("HumanEval", cases)
    parallel(cases)
    canonical("MBPP", mbpp(options.data))
    print("forgeries:")
    forgeries(cases[: options.forgeries])


if __name__ == "__main__":
    main()
