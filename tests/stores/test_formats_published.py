"""Logs that others publish, each on a small file in its published shape."""

import csv
import json
import shutil
from pathlib import Path

import pytest

from fusion_agents.stores.formats.base import format_of
from fusion_agents.types import Judgement
from tests.stores.reading import DATA, read, reasons

SHARED = Path(__file__).parents[2].parent / "shared" / "data"

LLMROUTER = DATA / "llmrouter_routing_train_data.jsonl"
ROUTERBENCH = DATA / "routerbench_0shot.csv"
ROUTERARENA = DATA / "routerarena_predictions.json"
LLMROUTERBENCH = DATA / "bench/aime/test/qwen3-8b/aime-test-qwen3-8b-20260101_120000.json"
FLAT = DATA / "flat.jsonl"


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (DATA / "fusionbench_train.csv", "fusionbench"),
        (LLMROUTER, "llmrouter"),
        (ROUTERBENCH, "routerbench"),
        (ROUTERARENA, "routerarena"),
        (LLMROUTERBENCH, "llmrouterbench"),
        (FLAT, "flat"),
    ],
)
def test_a_format_is_recognised_by_content_whatever_the_files_name(
    tmp_path: Path, path: Path, name: str
) -> None:
    nameless = tmp_path / "download"
    shutil.copy(path, nameless)
    assert format_of(path)[0].name == name
    assert format_of(nameless)[0].name == name


def test_llmrouter_puts_the_choices_into_the_question() -> None:
    records, _ = read(LLMROUTER)
    assert records[0].entry.query.text == "Which of these purrs?\nA) a stone\nB) a cat"
    assert records[3].entry.query.text == "Which is heavier?\nA) lead\nB) wool"
    assert records[0].entry.query == records[1].entry.query


def test_llmrouter_keeps_tokens_latency_and_score() -> None:
    entry = read(LLMROUTER)[0][0].entry
    assert (entry.usage.input_tokens, entry.usage.output_tokens) == (55, 5)
    assert (entry.latency, entry.performance, entry.query.split) == (1.25, 1.0, "train")


def test_llmrouter_marks_a_failed_call() -> None:
    entry = read(LLMROUTER)[0][2].entry
    assert (entry.error, entry.performance) == ("timeout", None)


def test_llmrouter_refuses_means_per_task_that_have_no_query() -> None:
    assert reasons(LLMROUTER) == [(5, "no query")]


def test_routerbench_has_an_entry_per_model_in_dollars() -> None:
    first, second = (record.entry for record in read(ROUTERBENCH)[0][:2])
    assert (first.arm.model, first.performance, first.cost) == (
        "WizardLM/WizardLM-13B-V1.2",
        0.0,
        2.19e-05,
    )
    assert (second.response, second.cost, second.query.task) == ("A", 0.00074, "mmlu-cats")


def test_routerbench_prompts_are_the_messages_not_their_printed_list() -> None:
    entries = [record.entry for record in read(ROUTERBENCH)[0]]
    assert entries[0].query.text.startswith("Answer with a letter.\n\nWhat purrs?")
    assert entries[2].query.text == "Say it.\n\nDon't say \\d it again."
    assert (entries[3].query.text, entries[3].response) == ("['unfinished", "plain")


def test_a_bad_cell_of_routerbench_does_not_touch_the_other_models() -> None:
    assert reasons(ROUTERBENCH) == [(3, "gpt-4-1106-preview is 1.5, which is outside [0, 1]")]
    assert [record.row for record in read(ROUTERBENCH)[0]] == [2, 2, 3, 4]


def test_routerbench_in_long_form_is_read(tmp_path: Path) -> None:
    path = tmp_path / "raw.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            ["sample_id", "model_name", "eval_name", "prompt", "model_response", "performance"]
        )
        writer.writerow(["a.1", "gpt-4", "arc", "['Hm?']", "['A']", "1.0"])
    (record,), errors = read(path)
    assert not errors
    assert (record.entry.query.text, record.entry.response) == ("Hm?", "A")


def test_routerarena_reads_answers_scores_tokens_and_cost() -> None:
    entry = read(ROUTERARENA)[0][0].entry
    assert (entry.query.task, entry.arm.model) == ("ArcMMLU", "gpt-5-nano")
    assert (entry.performance, entry.cost, entry.usage.input_tokens) == (1.0, 5.79e-05, 92)


def test_routerarena_compares_models_on_the_entries_added_for_optimality() -> None:
    first, second, *_ = (record.entry for record in read(ROUTERARENA)[0])
    assert first.query == second.query
    assert first.arm != second.arm


def test_routerarena_marks_failed_calls_and_refuses_mere_decisions() -> None:
    failed = read(ROUTERARENA)[0][2].entry
    assert (failed.error, failed.performance) == ("rate_limit", None)
    assert reasons(ROUTERARENA) == [(4, "a routing decision without an answer")]


def test_llmrouterbench_takes_model_task_and_split_from_the_document() -> None:
    entry = read(LLMROUTERBENCH)[0][0].entry
    assert (str(entry.arm), entry.query.task, entry.query.split) == (
        "qwen3-8b@direct",
        "aime",
        "test",
    )
    assert (entry.response, entry.performance) == ("The sum is 4.", 1.0)


def test_llmrouterbench_without_a_model_asks_the_folders_and_then_gives_up(tmp_path: Path) -> None:
    document = json.loads(LLMROUTERBENCH.read_text())
    for name in ("model_name", "dataset_name", "split"):
        del document[name]
    folder = tmp_path / "math" / "test" / "some-model"
    folder.mkdir(parents=True)
    (folder / "20260101_120000.json").write_text(json.dumps(document))
    (tmp_path / "x.json").write_text(json.dumps(document))
    entry = read(folder / "20260101_120000.json")[0][0].entry
    assert (entry.arm.model, entry.query.task) == ("some-model", "math")
    assert len(reasons(tmp_path / "x.json")) == 3


def test_llmrouterbench_falls_back_to_the_prediction_and_marks_silence() -> None:
    _, extracted, silent = (record.entry for record in read(LLMROUTERBENCH)[0])
    assert (extracted.response, extracted.performance) == ("4", 0.0)
    assert silent.error == "empty"


def test_flat_rows_keep_their_strategy_in_plain_letters() -> None:
    assert str(read(FLAT)[0][0].entry.arm) == "small@few_shot_cot"


def test_one_id_for_two_texts_does_not_merge_them() -> None:
    france, spain, *_ = (record.entry for record in read(FLAT)[0])
    assert france.query.id != spain.query.id
    assert spain.query.ground_truth == ("Madrid", "madrid")


def test_what_a_judge_scored_is_a_judgement_only() -> None:
    record = read(FLAT)[0][2]
    assert (record.entry.performance, record.entry.query.metric) == (None, None)
    assert record.judgements == (
        Judgement(entry_key=record.entry.key, score=0.6, judge="gpt4_judge_1_10"),
    )


def test_a_metric_and_a_judge_stand_side_by_side() -> None:
    record = read(FLAT)[0][0]
    assert (record.entry.performance, record.judgements[0].score) == (1.0, 0.9)


def test_a_blank_response_in_flat_rows_is_a_failed_attempt() -> None:
    record = read(FLAT)[0][3]
    assert (record.entry.error, record.entry.performance, record.judgements) == ("empty", None, ())


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"score": "1.0"}, "score is '1.0', not a number"),
        ({"score": 1.01}, "score is 1.01, which is outside [0, 1]"),
        ({"score": float("nan")}, "score is nan, not a finite number"),
        ({"model": None}, "no model"),
        ({"model": 7}, "model is 7, not text"),
        ({"cost_usd": -0.1}, "cost_usd is -0.1, which is negative"),
        ({"input_tokens": 2.5}, "input_tokens is 2.5, not a count"),
        ({"input_tokens": 10**400}, f"input_tokens is 1{'0' * 56}..., which is too large"),
        ({"output_tokens": True}, "output_tokens is True, not a number"),
        ({"strategy": "5-shot"}, "strategy '5-shot' does not match [a-z][a-z0-9_-]*"),
        ({"response": None, "score": None}, "neither a response nor a score"),
        ({"response": "\ud83d half"}, "response is not valid Unicode"),
        ({"time": "yesterday"}, "time is 'yesterday', not a time in ISO 8601"),
        ({"propensity": 0}, "propensity: Input should be greater than 0"),
    ],
)
def test_a_wrong_flat_row_is_refused_by_number_and_reason(
    tmp_path: Path, change: dict[str, object], reason: str
) -> None:
    good = {"query": "a?", "model": "m", "score": 1.0}
    path = tmp_path / "log.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in (good, good | change, good)))
    assert reasons(path) == [(2, reason)]
    assert len(read(path)[0]) == 2


def test_flat_rows_may_be_csv(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text(
        "query,model,strategy,response,score,cost,time\n"
        '"a, b?",m,Think,yes,1,0.5,2026-05-01T12:00:00\n'
        "c?,m,,,0,,\n"
        "d?,m\n"
    )
    records, errors = read(path)
    assert [(str(r.entry.arm), r.entry.performance, r.entry.error) for r in records] == [
        ("m@think", 1.0, None),
        ("m@direct", 0.0, None),
    ]
    assert records[0].entry.time is not None
    assert [error.reason for error in errors] == ["2 values under 7 columns"]


@pytest.mark.parametrize(
    "name",
    [
        "arena_bench",
        "llmrouter14",
        "metaprompting_gpt4",
        "routellm_pair",
        "routeprofile12",
        "routerarena",
        "routerbench3",
    ],
)
def test_a_real_log_is_read_without_a_refused_row(name: str) -> None:
    path = SHARED / f"{name}.jsonl.gz"
    if not path.exists():
        pytest.skip("the real logs are not here")
    records, errors = read(path)
    assert not errors
    scored = [r for r in records if r.entry.performance is not None or r.judgements]
    assert len(scored) >= len(records) - 1
