import xml.etree.ElementTree as ET
from datetime import UTC, datetime
from pathlib import Path

from fusion_agents.distill.training.curve import write_curve
from fusion_agents.distill.training.progress import ProgressFile, ProgressRow, read_progress


def row(step: int, loss: float | None = None, eval_loss: float | None = None) -> ProgressRow:
    time = datetime(2026, 1, 1, tzinfo=UTC)
    return ProgressRow(step=step, steps=50, loss=loss, eval_loss=eval_loss, time=time)


def fill(path: Path, rows: list[ProgressRow], step: int = 0) -> None:
    file = ProgressFile(path, step)
    for one in rows:
        file.append(one)
    file.close()


def test_rows_come_back_and_only_the_user_may_read_them(tmp_path: Path) -> None:
    path = tmp_path / "progress.jsonl"

    fill(path, [row(1, 0.5), row(2, eval_loss=0.25)])

    assert read_progress(path) == [row(1, 0.5), row(2, eval_loss=0.25)]
    assert path.stat().st_mode & 0o777 == 0o600


def test_going_on_from_a_step_forgets_what_came_after_it(tmp_path: Path) -> None:
    path = tmp_path / "progress.jsonl"
    fill(path, [row(i, 1.0) for i in (1, 2, 3, 4)])

    fill(path, [row(3, 2.0)], step=2)

    assert [(one.step, one.loss) for one in read_progress(path)] == [(1, 1.0), (2, 1.0), (3, 2.0)]


def test_a_line_that_a_kill_cut_off_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "progress.jsonl"
    fill(path, [row(1, 1.0)])
    with path.open("a") as file:
        file.write('{"step": 2, "st')

    assert read_progress(path) == [row(1, 1.0)]
    fill(path, [row(2, 2.0)], step=1)
    assert [one.step for one in read_progress(path)] == [1, 2]


def test_the_curve_is_whole_xml_that_draws_every_loss_in_light_and_dark(tmp_path: Path) -> None:
    rows = [row(0, eval_loss=2.5), *(row(i, 2.0 - i / 50) for i in range(1, 51))]

    write_curve([*rows, row(50, eval_loss=1.5)], tmp_path / "curve.svg", "a <b> & c")

    text = (tmp_path / "curve.svg").read_text()
    root = ET.fromstring(text)
    space = "{http://www.w3.org/2000/svg}"
    lines = [one.get("points", "").split() for one in root.iter(f"{space}polyline")]
    assert [len(points) for points in lines] == [50, 50, 2]  # as it was, its mean, kept back
    assert [one.find(f"{space}title").text for one in root.iter(f"{space}circle")] == [  # type: ignore[union-attr]
        "step 0: 2.500",
        "step 50: 1.500",
    ]
    assert "prefers-color-scheme: dark" in text
    assert root.find(f"{space}title").text == "a <b> & c"  # type: ignore[union-attr]


def test_without_a_loss_no_curve_is_drawn(tmp_path: Path) -> None:
    write_curve([row(0, eval_loss=2.5)], tmp_path / "curve.svg", "none")

    assert not (tmp_path / "curve.svg").exists()
