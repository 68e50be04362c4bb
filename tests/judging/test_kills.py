"""A run that is killed goes on where it was."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_killed_run_loses_no_verdict_and_repeats_what_was_under_way() -> None:
    """The benchmark makes the checks and fails if one does not hold; here it is a short one."""
    command = ["-m", "benchmarks.judging", "--only", "kills", "--answers", "150", "--kills", "2"]
    done = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert '"not judged": 0, "judged twice in the log": 0' in done.stdout
