"""Bare queries out of files of many shapes."""

import gzip
import json
from pathlib import Path

import pytest

from fusion_agents.errors import DataError, RowError, UnknownFormatError
from fusion_agents.metrics import metric_name, score
from fusion_agents.metrics.code_problem import CodeProblem
from fusion_agents.stores.formats.queries import read_queries
from fusion_agents.tasks.math import boxed
from fusion_agents.types import Query

SHARED = Path(__file__).parents[2].parent / "shared" / "data"


def written(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_plain_text_is_one_query_a_line(tmp_path: Path) -> None:
    path = tmp_path / "queries.txt"
    path.write_text("Why, oh why?\n\nWhat is 2 + 2?\n", encoding="utf-8-sig")
    assert list(read_queries(path)) == [Query(text="Why, oh why?"), Query(text="What is 2 + 2?")]


@pytest.mark.parametrize("column", ["query", "text", "prompt", "question"])
def test_json_lines_name_their_column(tmp_path: Path, column: str) -> None:
    path = written(tmp_path / "q.jsonl", {column: "a?", "task": "t", "ground_truth": ["x", "y"]})
    (query,) = read_queries(path, split="train")
    assert query == Query(text="a?", task="t", ground_truth=("x", "y"), split="train")


def test_a_compressed_file_is_known_by_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "q"
    path.write_bytes(gzip.compress(b'{"query": "a?", "metric": "em"}\n'))
    assert list(read_queries(path)) == [Query(text="a?", metric="exact-match")]


def test_csv_with_one_column_or_several_is_read(tmp_path: Path) -> None:
    one, several = tmp_path / "one.csv", tmp_path / "several.csv"
    one.write_text('query\n"a, b?"\n')
    several.write_text("task,query\nt,a?\n")
    assert list(read_queries(one)) == [Query(text="a, b?")]
    assert list(read_queries(several)) == [Query(text="a?", task="t")]


def test_choices_and_tests_become_part_of_the_question(tmp_path: Path) -> None:
    path = written(
        tmp_path / "q.jsonl",
        {"query": "Which?", "choices": "{'text': ['x', 'y'], 'labels': ['A', 'B']}"},
        {"query": "Which?", "choices": "['x', 'y']"},
        {"query": "Write f.", "choices": "['assert f(1) == 2']"},
        {"query": "Which?", "choices": "__import__('os')"},
    )
    assert [query.text for query in read_queries(path) if isinstance(query, Query)] == [
        "Which?\nA) x\nB) y",
        "Which?\nA) x\nB) y",
        "Write f.\nYour code should pass these tests:\nassert f(1) == 2",
        "Which?",
    ]


def test_metrics_get_their_own_names_and_unknown_ones_keep_theirs(tmp_path: Path) -> None:
    names = {
        "em_mc": "multiple-choice", "GSM8K": "number", "f1_score": "f1", "code_eval": "code",
        "exact_match": "exact-match", "cem": "contains", "my_own": "my_own", "": None,
    }  # fmt: skip
    path = written(tmp_path / "q.jsonl", *({"query": "a?", "metric": name} for name in names))
    assert [query.metric for query in read_queries(path) if isinstance(query, Query)] == list(
        names.values()
    )


def test_a_users_own_task_is_a_file_with_a_metric_name(tmp_path: Path) -> None:
    path = written(
        tmp_path / "mine.jsonl",
        {"query": "Capital of Norway?", "ground_truth": ["Oslo"], "metric": "f1", "task": "mine"},
        {"query": "Which?", "choices": ["x", "y"], "ground_truth": "B", "metric": "mcq"},
    )
    first, second = (query for query in read_queries(path) if isinstance(query, Query))
    assert score("Answer: Oslo", first).score == 1
    assert score("Answer: B", second).score == 1
    assert score("Answer: A", second).score == 0


def test_a_bad_row_is_reported_and_the_others_are_read(tmp_path: Path) -> None:
    path = written(tmp_path / "q.jsonl", {"query": "a?"}, {"query": 7}, {"task": "t"})
    first, *errors = read_queries(path)
    assert first == Query(text="a?")
    assert [str(e) for e in errors if isinstance(e, RowError)] == [
        f"{path}:2: query is 7, not text",
        f"{path}:3: no query",
    ]


def test_columns_without_queries_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(UnknownFormatError, match="no column holds queries"):
        read_queries(written(tmp_path / "q.jsonl", {"frage": "warum?"}))


def test_a_missing_file_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        read_queries(tmp_path / "none.jsonl")


def test_the_real_queries_are_read_without_a_refused_row() -> None:
    path = SHARED / "fusion_queries.jsonl.gz"
    if not path.exists():
        pytest.skip("the real queries are not here")
    queries = list(read_queries(path))
    assert all(isinstance(query, Query) for query in queries)
    assert len({query.id for query in queries if isinstance(query, Query)}) > 0.99 * len(queries)


RIGHT = {
    "multiple-choice": lambda truth: f"It is so.\n\nAnswer: ({truth})",
    "number": lambda truth: f"It comes to {truth.rpartition('####')[2]}.",
    "math": lambda truth: f"So it is \\boxed{{{boxed(truth) or truth}}}.",
    "f1": lambda truth: f"Answer: {truth}",
    "coverage": lambda truth: f"I say: {truth}.",
}
"""What says the right answer, by metric."""


def test_the_real_queries_of_thirteen_tasks_are_scored_by_their_own_metrics() -> None:
    path = SHARED / "fusion_queries.jsonl.gz"
    if not path.exists():
        pytest.skip("the real queries are not here")
    tasks: dict[str | None, list[Query]] = {}
    for query in read_queries(path):
        assert isinstance(query, Query)
        tasks.setdefault(query.task, []).append(query)
    assert len(tasks) == 13
    for queries in tasks.values():
        for query in queries[:25]:
            assert metric_name(str(query.metric)) == query.metric
            if query.metric == "code":
                assert CodeProblem.of(query).name in query.text
            else:
                right = RIGHT[str(query.metric)](str(query.ground_truth))
                assert score(right, query).score == 1, query
                assert score("I do not know.", query).score == 0, query


def test_a_list_of_right_answers_in_words_may_be_printed_in_csv(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(
        'query,ground_truth,metric\nWho?,"[""Jane Austen"", ""Austen""]",f1\n'
        'f(1) == ??,"[""a""]",literal\nWhere?,[0],math\nHow?,[so],f1\n'
    )
    golds = [query.ground_truth for query in read_queries(path) if isinstance(query, Query)]
    assert golds == [("Jane Austen", "Austen"), '["a"]', "[0]", "[so]"]
