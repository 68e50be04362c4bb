"""A collection that is killed goes on where it was."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_killed_collection_loses_nothing_and_pays_nothing_again() -> None:
    """The benchmark makes the checks and fails if one does not hold; here it is a short one."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.collect_kills", "--calls", "150", "--kills", "2"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "2 SIGKILLs of a collection of 150 calls" in done.stdout
    assert "lost answers 0" in done.stdout
