"""A task from another distribution, found by its entry point."""

import os
import re
import subprocess
import sys
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs" / "tasks.md"

ASK = """
from fusion_agents.tasks import make_task, task_classes
rows = [{"country": f"{name}land", "capital": name} for name in ("Ash", "Birch", "Cedar")]
task = make_task("capitals")
for query in task.samples("test", 2, 0, loader=lambda part: rows):
    print(query.task, query.metric, query.ground_truth in query.text)
print(len(task_classes()))
"""


def test_the_documented_task_is_found_by_its_entry_point(tmp_path: Path) -> None:
    (source,) = re.findall(r"```python\n(from [^`]+class Capitals.+?)```", DOCS.read_text(), re.S)
    (tmp_path / "capitals.py").write_text(source)
    info = tmp_path / "capitals-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: capitals\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[fusion_agents.tasks]\ncapitals = capitals:Capitals\n")
    done = subprocess.run(
        [sys.executable, "-c", ASK], capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHONPATH": str(tmp_path)}, cwd=DOCS.parents[1],
    )  # fmt: skip
    assert done.stdout.splitlines() == ["capitals f1 True", "capitals f1 True", "15"], done.stderr
