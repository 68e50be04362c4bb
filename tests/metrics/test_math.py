import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from fusion_agents.metrics import math_workers
from fusion_agents.metrics.base import Scored
from fusion_agents.metrics.math import Math
from fusion_agents.types import Query


def score(response: str, gold: str) -> Scored:
    return Math().score(response, Query(text="Solve it.", ground_truth=gold))


@pytest.mark.parametrize(
    ("response", "gold"),
    [
        (r"\boxed{\frac{1}{2}}", r"\frac12"), ("The answer is 0.5.", r"\frac{1}{2}"),
        (r"The answer is $\boxed{x^2+2x+1}$.", "(x+1)^2"), ("2√10", r"2\sqrt{10}"),
        (r"\boxed{\sqrt{40}}", r"2\sqrt{10}"), ('{"answer": "sqrt(2)/2"}', r"\frac{\sqrt{2}}{2}"),
        (r"\boxed{\{2, 1\}}", r"\{1,2\}"), (r"\boxed{[0, 1)}", "[0,1)"),
        (r"\boxed{(-\infty, 2] \cup [3, \infty)}", r"(-\infty,2]\cup[3,\infty)"),
        (r"$\boxed{(3, \frac{\pi}{2})}$", r"\left( 3, \frac{\pi}{2} \right)"),
        (r"\boxed{\text{Evelyn}}", r"\text{Evelyn}"), ("The answer is even.", r"\text{even}"),
        (r"\boxed{15\text{ pounds}}", "15"), (r"\boxed{90^\circ}", "90"), ("$10,080", "10080"),
        (r"\boxed{y = 2x + 1}", "y=2x+1"), (r"The answer is $x = 5$.", "5"), ("1/2", "0.5"),
        (r"So it is $\boxed{7}$, which is $3 + 4$.", r"We add: $\boxed{7}$"), ("-2", "-2"),
        (r"\boxed{\begin{bmatrix}1\\2\end{bmatrix}}", r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}"),
        (r"\boxed{0.1\overline{6}}", r"\frac16"), ("The answer is 2x + 1, since it fits.", "2x+1"),
        ("The answers are $x=1$ and $x=2$.", "1,2"), (r"{'answer': '\frac{1}{3}'}", r"\frac13"),
    ],
)  # fmt: skip
def test_equal_answers_are_right(response: str, gold: str) -> None:
    assert score(response, gold).score == 1.0


@pytest.mark.parametrize(
    ("response", "gold"),
    [
        (r"\boxed{(2,1)}", "(1,2)"), (r"\boxed{[0,1]}", "[0,1)"), (r"\boxed{2x}", "x^2"),
        (r"\boxed{\text{Mondya}}", r"\text{Monday}"), ("25.88", "26"), ("-2", "2"),
        (r"It is $\boxed{3}$. No, it is $\boxed{4}$.", "3"), ("It cannot be determined.", "3"),
        ("The answer is not 3.", "3"), (r"\boxed{1011_2}", "1011_3"), (r"\boxed{}", "3"),
        ("The wrong answer is 3.", "3"), (r"\boxed{0.\overline{3}}", "0.3"), ("35", "3.5"),
        (r"\boxed{x}", r"\text{x-axis}"), (r"\boxed{1,2}", "1"),
        ("__import__('os').system('true')", "3"), (r"\boxed{__import__('os').getpid()}", "x"),
    ],
)  # fmt: skip
def test_other_answers_are_wrong_with_a_reason(response: str, gold: str) -> None:
    scored = score(response, gold)
    assert scored.score == 0.0
    assert scored.reason


def test_an_answer_that_takes_for_ever_scores_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(math_workers, "CPU_SECONDS", 1.0)
    before = time.monotonic()
    scored = score(r"\boxed{9^{9^{9^{9}}} + x}", "y")
    assert scored.score == 0.0
    assert scored.reason == "the answer takes too long to compare"
    assert time.monotonic() - before < 50
    assert score(r"\boxed{x + x}", "2x").score == 1.0


def test_it_works_in_threads_other_than_the_main_one() -> None:
    with ThreadPoolExecutor(4) as threads:
        found = list(
            threads.map(lambda n: score(rf"\boxed{{{n}x + x}}", f"{n + 1}x"), range(2, 10))
        )
    assert [scored.score for scored in found] == [1.0] * 8


def test_a_lost_worker_is_replaced() -> None:
    assert score(r"\boxed{a + a}", "2a").score == 1.0
    math_workers._idle.queue[-1].process.kill()
    assert score(r"\boxed{b + b}", "2b").score == 1.0


def test_workers_that_cannot_be_kept_leave_the_answer_unscored(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    broken = tmp_path_factory.mktemp("worker") / "worker.py"
    broken.write_text("print('{\"ready\": true}', flush=True)\n")
    math_workers.close_workers()
    monkeypatch.setattr(math_workers, "_WORKER", broken)
    scored = score(r"\boxed{c + c}", "2c")
    assert scored.score is None
    assert scored.reason == "the process that compares answers was lost"


def test_without_the_library_only_answers_that_need_it_are_unscored(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    bare = tmp_path_factory.mktemp("worker") / "worker.py"
    bare.write_text("print('{\"missing\": true}', flush=True)\n")
    math_workers.close_workers()
    monkeypatch.setattr(math_workers, "_WORKER", bare)
    scored = score(r"\boxed{d + d}", "2d")
    assert scored.score is None
    assert "tasks" in str(scored.reason)
    assert score(r"\boxed{4}", "4").score == 1.0


def test_the_worker_says_so_where_the_library_is_missing() -> None:
    worker = [sys.executable, "-I", str(math_workers._WORKER), "[]"]
    found = subprocess.run(worker, capture_output=True, text=True, input="", check=False)
    assert '"missing"' in found.stdout or found.returncode != 0
