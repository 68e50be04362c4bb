"""What was acknowledged outlives the process, wherever that is killed."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_killed_writers_lose_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    """The benchmark makes the checks and fails if one does not hold; here it is a short one."""
    small = ("--kills", "8", "--entries", "1500", "--folder", str(tmp_path))

    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.durability", *small],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.stderr == ""
    assert json.loads(done.stdout)["kills"] >= 8
