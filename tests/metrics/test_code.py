import gzip
import json
from pathlib import Path

import pytest

from fusion_agents.errors import DataError
from fusion_agents.metrics.base import Metric
from fusion_agents.metrics.catalogue import metric_name, score
from fusion_agents.metrics.code import Code
from fusion_agents.metrics.code_problem import CodeProblem
from fusion_agents.testing.metric_contract import Cases, MetricContract
from fusion_agents.types import Query
from tests.sandbox.cases import Broken, needs_sandbox

DATA = Path(__file__).parents[3] / "shared" / "data"
PROMPT = 'def add(a, b):\n    """Add."""\n'
TEST = "def check(candidate):\n    assert candidate(1, 2) == 3\n"
HUMANEVAL = CodeProblem(kind="humaneval", prompt=PROMPT, entry_point="add", test=TEST)
MBPP = CodeProblem(kind="mbpp", tests=("assert add(1, 2) == 3", "assert add(0, 0) == 0"))
ADD = "def add(a, b):\n    return a + b"


def query(problem: CodeProblem) -> Query:
    return Query(text="Add.", ground_truth=problem.model_dump_json(), metric="code")


@needs_sandbox
class TestCode(MetricContract):
    seconds = 5.0

    def make(self) -> Metric:
        return Code()

    def cases(self) -> Cases:
        return Cases(query(MBPP), [ADD, f"```python\n{ADD}\n```"], ["add", "def add(a, b): pass"])


@needs_sandbox
@pytest.mark.parametrize("response", [ADD, "    return a + b", "return a + b"])
def test_both_kinds_of_problems_are_scored_by_their_tests(response: str) -> None:
    assert Code().score(response, query(HUMANEVAL)).score == 1.0
    assert Code().score("    return a - b", query(HUMANEVAL))[:2] == (0.0, "a test failed")


@needs_sandbox
@pytest.mark.parametrize(
    "truth",
    [
        "['assert add(1, 2) == 3', 'assert add(0, 0) == 0']",
        ("assert add(1, 2) == 3",),
        "assert add(1, 2) == 3",
        TEST,
    ],
)
def test_ground_truths_of_published_logs_are_understood(truth: str | tuple[str, ...]) -> None:
    asked = Query(text=PROMPT, ground_truth=truth, metric="code_eval")
    assert score(ADD, asked).score == 1.0
    assert score(ADD.replace("+", "-"), asked).score == 0.0


@pytest.mark.parametrize("truth", [None, "4", "[]", "[1]", '{"kind": "other"}', "def f(): pass"])
def test_a_query_without_tests_is_an_error_of_the_data(truth: str | None) -> None:
    with pytest.raises(DataError, match="no tests"):
        Code().score(ADD, Query(text="Add.", ground_truth=truth))


@pytest.mark.parametrize(
    "truth",
    [
        ("add(1, 2) == 3", "add(0, 0) == 0"),
        ("True",),
        ("assert add(1, 2) == 3", '{"kind": "mbpp"}'),
        "['add(1, 2)', 'x = 3']",
    ],
)
def test_tests_that_assert_nothing_are_an_error_of_the_data(truth: str | tuple[str, ...]) -> None:
    with pytest.raises(DataError, match="has no tests"):
        CodeProblem.of(Query(text="Add.", ground_truth=truth))


def test_a_problem_in_a_list_of_one_is_that_problem() -> None:
    truth = (MBPP.model_dump_json(),)
    assert CodeProblem.of(Query(text="Add.", ground_truth=truth)) == MBPP


def test_tests_that_are_no_python_are_an_error_of_the_data() -> None:
    broken = CodeProblem(kind="mbpp", entry_point="add", tests=("assert add(1,",))
    with pytest.raises(DataError, match="no Python"):
        Code(sandbox=Broken()).score(ADD, query(broken))


def test_a_response_without_a_program_is_zero_and_says_so() -> None:
    scored = Code(sandbox=Broken()).score("I do not know.", query(MBPP))
    assert scored == (0.0, "no program that defines 'add'", None)


def test_a_sandbox_that_breaks_leaves_the_response_unscored() -> None:
    scored = Code(sandbox=Broken(says="disk on fire")).score(ADD, query(MBPP))
    assert scored.score is None
    assert scored.reason == "sandbox_failed: a sandbox did not start: disk on fire"


@needs_sandbox
def test_a_verdict_that_could_be_forged_says_so() -> None:
    problem = CodeProblem(kind="mbpp", tests=("assert add(lambda x: x, 2) == 2",))
    scored = Code().score("def add(f, x):\n    return f(x)", query(problem))
    assert scored.score == 1.0
    assert scored.reason is not None
    assert scored.reason.startswith("forgeable: ")


@pytest.mark.parametrize(
    ("tests", "name"),
    [
        (("assert set(similar((1, 2))) == set((2,))",), "similar"),
        (("assert (height(root)) == 5",), "height"),
        (("assert sum(10, 15) == 6",), "sum"),
        (("assert math.isclose(area(2), 4.0)",), "area"),
        (("assert True",), ""),
    ],
)
def test_the_function_that_is_asked_for_is_read_out_of_the_tests(
    tests: tuple[str, ...], name: str
) -> None:
    assert CodeProblem(kind="mbpp", tests=tests).name == name


def test_published_names_mean_this_metric() -> None:
    assert {metric_name(name) for name in ("code_eval", "pass@1", "code")} == {"code"}


@needs_sandbox
@pytest.mark.skipif(not DATA.is_dir(), reason="the folder of real data is not here")
@pytest.mark.parametrize("name", ["humaneval", "mbpp"])
def test_every_tenth_canonical_solution_passes(name: str) -> None:
    with gzip.open(DATA / f"{name}.jsonl.gz", "rt") as file:
        rows = [json.loads(line) for line in file][:: 10 if name == "humaneval" else 40]
    for row in rows:
        if name == "humaneval":
            answer, problem = row["canonical_solution"], CodeProblem(kind="humaneval", **_he(row))
        else:
            tests, setup = tuple(row["test_list"]), row["test_setup_code"]
            answer, problem = row["code"], CodeProblem(kind="mbpp", tests=tests, setup=setup)
        assert Code().score(answer, query(problem))[:2] == (1.0, None), row["task_id"]


def _he(row: dict[str, str]) -> dict[str, str]:
    return {key: row[key] for key in ("prompt", "entry_point", "test")}
