import json
import os
from pathlib import Path

import pytest

from fusion_agents.distill.data.dataset import read_dataset
from fusion_agents.distill.selecting.holding_out import held_out_queries
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.types import Arm, LogEntry, Query
from tests.cli.conftest import Run

WORDS = (
    "apple",
    "river",
    "stone",
    "cloud",
    "tiger",
    "piano",
    "garden",
    "window",
    "bottle",
    "candle",
)


def question(number: int) -> Query:
    """No two of them alike."""
    thing, other = WORDS[number % 10], WORDS[number // 10]
    return Query(
        text=f"Question {number}: which is longer, the {thing} of {number * 37} or {other}?",
        task="things" if number % 4 else "others",
        ground_truth=f"{thing} {number}",
        metric="contains",
    )


def entries(n: int = 60) -> list[LogEntry]:
    said = [
        (question(number), arm, score)
        for number in range(n)
        for arm, score in (("large", 1.0), ("small", 0.0 if number % 2 else 1.0))
    ]
    return [
        LogEntry(
            key=f"{query.id}-{arm}",
            query=query,
            arm=Arm(model=arm),
            response=f"{arm} thinks of it and says: {query.ground_truth if score else 'nothing'}.",
            performance=score,
            source="ann" if place < 20 else "local",
        )
        for place, (query, arm, score) in enumerate(said)
    ]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A log of sixty questions, the first ten of them asked by ann."""
    path = tmp_path / "routing.db"
    with RoutingLog(path) as log:
        log.append(entries())
    return path


def flat(text: str) -> str:
    return " ".join(text.split())


def test_the_best_answers_are_written_for_trainers(run: Run, path: Path, tmp_path: Path) -> None:
    out = tmp_path / "data"
    formats = "openai-chat,sharegpt,alpaca,trl,dpo,openai-preference"
    result = run("distill", "export", "--log", path, "--format", formats, "--out", out)
    held = read_dataset(out)
    assert held.data.examples
    assert held.data.pairs
    said = flat(result.stdout)
    assert "examples by task" in said
    assert "examples by teacher" in said
    assert f"{len(held.data.examples):,} examples; the log has" in said
    for one in held.data.report.dropped:
        assert one.reason.split()[0] in said
    for name in held.manifest.files:
        assert name in result.stderr
    assert f"distill train --data {out} --log {path} --base MODEL" in result.stderr
    assert "--provider openai" in result.stderr
    assert "llamafactory-cli train llamafactory.yaml" in result.stderr


def test_what_is_tested_with_is_not_learned_from(run: Run, path: Path, tmp_path: Path) -> None:
    run("distill", "export", "--log", path, "--out", tmp_path / "data")
    learned = {one.query.id for one in read_dataset(tmp_path / "data").data.examples}
    with RoutingLog(path) as log:
        asked = {query.id for query in held_out_queries(log)}
    assert asked
    assert not learned & asked
    run("distill", "export", "--log", path, "--share", 0, "--out", tmp_path / "all")
    everything = {one.query.id for one in read_dataset(tmp_path / "all").data.examples}
    assert everything & asked


def test_a_file_of_queries_is_held_out_with_its_near_duplicates(
    run: Run, path: Path, tmp_path: Path
) -> None:
    first = question(30)
    (tmp_path / "exam.jsonl").write_text(json.dumps({"query": f"{first.text.upper()}  "}))
    options = ("--log", path, "--share", 0, "--out", tmp_path / "data")
    run("distill", "export", *options)
    assert first.id in {one.query.id for one in read_dataset(tmp_path / "data").data.examples}
    run("distill", "export", *options, "--held-out", tmp_path / "exam.jsonl")
    assert first.id not in {one.query.id for one in read_dataset(tmp_path / "data").data.examples}


def test_a_held_out_query_that_cannot_be_read_is_an_error(
    run: Run, path: Path, tmp_path: Path
) -> None:
    """Else it would be learned from."""
    (tmp_path / "exam.jsonl").write_text('{"query": "a?"}\n{"query": 1\n')
    arguments = ("--log", path, "--held-out", tmp_path / "exam.jsonl", "--out", tmp_path / "data")
    assert "exam.jsonl:2" in run("distill", "export", *arguments, code=2).stderr
    assert not (tmp_path / "data").exists()


def test_a_dry_run_reports_and_writes_nothing(run: Run, path: Path, tmp_path: Path) -> None:
    result = run("distill", "export", "--log", path, "--out", tmp_path / "data", "--dry-run")
    assert "examples by task" in result.stdout
    assert "wrote nothing" in result.stderr
    assert not (tmp_path / "data").exists()


def test_the_options_reach_the_selection_and_the_files(
    run: Run, path: Path, tmp_path: Path
) -> None:
    out = tmp_path / "data"
    run(
        "distill", "export", "--log", path, "--out", out, "--criterion", "performance", "--k", 1,
        "--per-task", 7, "--pairs", 0, "--tasks", "things,others", "--balance", "sqrt",
        "--exclude-models", "small", "--strategy", "think", "--base", "org/model", "--seed", 3,
        "--max-tokens", 0, "--tenant", "default", "--format", "alpaca",
    )  # fmt: skip
    held = read_dataset(out)
    wanted = {
        "criterion": "performance", "k": 1, "per_task": 7, "pairs": 0, "balance": "sqrt",
        "tasks": ["things", "others"], "exclude_models": ["small"], "seed": 3,
        "max_tokens": None, "tenants": ["default"],
    }  # fmt: skip
    assert wanted.items() <= held.manifest.options.items()
    assert set(held.data.report.by_task.values()) <= set(range(8))
    assert {one.teacher for one in held.data.examples} == {"large"}
    assert (held.manifest.strategy, held.manifest.base) == ("think", "org/model")
    assert 'model_name_or_path: "org/model"' in (out / "llamafactory.yaml").read_text()
    assert "step by step" in (out / "alpaca.json").read_text()


def test_the_report_comes_as_json_too(run: Run, path: Path, tmp_path: Path) -> None:
    out = tmp_path / "data"
    result = run("distill", "export", "--log", path, "--out", out, "--json", "-")
    found = json.loads(result.stdout)
    manifest = read_dataset(out).manifest
    assert found["fingerprint"] == manifest.fingerprint
    assert found["report"] == manifest.report.model_dump(mode="json")


def test_the_same_command_gives_the_same_data(run: Run, path: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        run("distill", "export", "--log", path, "--out", tmp_path / name)
    texts = [(tmp_path / name / "manifest.json").read_bytes() for name in ("a", "b")]
    assert texts[0] == texts[1]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--format", "csv"), "there is no export format 'csv'"),
        (("--strategy", "thought"), "changes with the log; take direct or think"),
        (("--min-performance", "1", "--tasks", "unheard"), "there is no example to learn from"),
        (("--log", "nowhere.db"), "there is no log at 'nowhere.db'"),
        (("--format", "dpo", "--pairs", "0"), "select pairs too (--pairs)"),
        (("--format", "openai-chat", "--per-task", "1"), "no fewer than 10 examples"),
    ],
)
def test_what_cannot_be_done_is_said_and_nothing_is_written(
    run: Run, path: Path, tmp_path: Path, arguments: tuple[str, ...], reason: str
) -> None:
    out = tmp_path / "data"
    result = run("distill", "export", "--log", path, "--out", out, *arguments, code=2)
    assert reason in flat(result.stderr)
    assert not out.exists()


def test_a_folder_with_other_files_is_left_alone(run: Run, path: Path, tmp_path: Path) -> None:
    result = run("distill", "export", "--log", path, "--out", tmp_path, code=2)
    assert "holds other files (routing.db" in flat(result.stderr)


def test_lineage_says_whose_data_it_is(run: Run, path: Path, tmp_path: Path) -> None:
    out = tmp_path / "data"
    run("distill", "export", "--log", path, "--out", out)
    data = read_dataset(out).data
    anns = [one for one in data.examples if "ann" in one.sources]
    assert anns
    said = flat(run("distill", "lineage", out).stdout)
    assert "ann" in said
    assert f"{len(data.examples)} of {len(data.examples)} examples" in said
    said = flat(run("distill", "lineage", out, "--source", "ann").stdout)
    assert f"{len(anns)} of {len(data.examples)} examples" in said
    lines = run("distill", "lineage", out, "--source", "ann", "--json").stdout.splitlines()
    held = [json.loads(line) for line in lines]
    assert [one["key"] for one in held if "key" in one] == [one.key for one in anns]
    key = anns[0].entry_keys[0]
    assert "1 of" in flat(run("distill", "lineage", out, "--entry", key).stdout)
    assert flat(run("distill", "lineage", out, "--tenant", "acme").stdout).startswith("0 of")


def test_lineage_takes_out_what_was_forgotten(run: Run, path: Path, tmp_path: Path) -> None:
    out = tmp_path / "data"
    run("distill", "export", "--log", path, "--out", out, "--format", "trl,alpaca")
    arguments = ("distill", "lineage", out, "--log", path)
    assert "nothing was withdrawn" in run(*arguments).stderr
    before = read_dataset(out)
    run("consent", "--log", path, "--source", "ann", "--refuse")
    assert "add --prune" in run(*arguments).stderr
    assert read_dataset(out) == before
    assert "train again" in run(*arguments, "--prune").stderr
    after = read_dataset(out)
    assert after.manifest.fingerprint != before.manifest.fingerprint
    assert not any("ann" in one.sources for one in (*after.data.examples, *after.data.pairs))
    assert "nothing was withdrawn" in run(*arguments, "--prune").stderr


def test_pruning_without_a_log_is_refused(run: Run, tmp_path: Path) -> None:
    said = run("distill", "lineage", tmp_path, "--prune", code=2).stderr
    assert "--prune needs the log" in flat(said)


@pytest.mark.skipif(os.name != "posix", reason="modes of files are POSIX's")
def test_only_the_user_may_read_the_data(run: Run, path: Path, tmp_path: Path) -> None:
    run("distill", "export", "--log", path, "--out", tmp_path / "data", "--json", tmp_path / "r")
    held = [tmp_path / "r", *(tmp_path / "data").iterdir()]
    assert {file.stat().st_mode & 0o777 for file in held} == {0o600}
