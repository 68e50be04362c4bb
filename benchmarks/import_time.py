"""How long it takes until the package, and the command line, are there.

Medians over fresh processes: `import fusion_agents` (at most 0.3 s), every public type
loaded, and `fusion-agents --help` (at most 1 s). `import langchain_core.runnables` stands beside
them, as what an app has loaded anyway.
"""

import statistics
import subprocess
import sys
import time

REPEATS = 7
CASES = {
    "python alone": ["-c", "pass"],
    "import langchain_core.runnables": ["-c", "import langchain_core.runnables"],
    "import fusion_agents": ["-c", "import fusion_agents"],
    "from fusion_agents import LogEntry": ["-c", "from fusion_agents import LogEntry"],
    "from fusion_agents import load_router": ["-c", "from fusion_agents import load_router"],
    "fusion-agents --help": ["-m", "fusion_agents", "--help"],
}
LIMITS = {"import fusion_agents": 0.3, "fusion-agents --help": 1.0}


def seconds(arguments: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    medians = {
        name: statistics.median(seconds(arguments) for _ in range(REPEATS))
        for name, arguments in CASES.items()
    }
    floor = medians["python alone"]
    for name, median in medians.items():
        limit = LIMITS.get(name)
        judged = "" if limit is None else f"   (limit {limit} s: {verdict(median - floor, limit)})"
        print(f"{name:40} {median:6.3f} s, {median - floor:6.3f} s over python{judged}")


def verdict(value: float, limit: float) -> str:
    return "kept" if value <= limit else "EXCEEDED"


if __name__ == "__main__":
    main()
