"""Killed runs go on where they were."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("saver", "durability"), [("SqliteSaver", "sync"), ("AsyncSqliteSaver", "async")]
)
def test_a_killed_run_goes_on_to_the_state_of_an_undisturbed_one(
    saver: str, durability: str
) -> None:
    """The benchmark makes the checks and fails if one does not hold; here it is a short one."""
    chosen = ("--savers", saver, "--durabilities", durability, "--random", "2")

    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.graph_kills", *chosen],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert done.stderr == ""
    figures = json.loads(done.stdout)
    at_nodes = figures[f"{saver} {durability}, at nodes"]
    assert (at_nodes["cases"], at_nodes["kills"]) == (12, 12)
    assert at_nodes["recorded_again"] == 0 or durability != "sync"
    assert figures[f"{saver} {durability}, at random"]["kills"] >= 2
