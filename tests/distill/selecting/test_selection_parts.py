"""Labels, balance between tasks, pairs and lengths."""

from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusion_agents.distill.nouns import TrainingData
from fusion_agents.distill.selecting.balancing import quotas_of
from fusion_agents.distill.selecting.labels import label_of
from fusion_agents.distill.selecting.lengths import longest_usual, strangeness, tokens
from fusion_agents.distill.selecting.options import SelectionOptions
from fusion_agents.distill.selecting.selection import select_training_data
from fusion_agents.metrics.catalogue import score
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.types import Arm, Calibration, Judgement, LogEntry, Query
from tests.distill.selecting.selecting_world import adds_up, answer, dropped, question, select

OPTIONS = "\n(A) slate\n(B) plum\n"
LINE = 'Choose one option and end with the line "Answer: X", X being its letter.'


@pytest.mark.parametrize(
    ("text", "truth", "metric", "label"),
    [
        (f"A fruit?{OPTIONS}{LINE}", "B", "multiple-choice", "Answer: B"),
        (f"A fruit?{OPTIONS}", "B", "em_mc", "B"),
        ("How many?", "3 * 6 = 18\n#### 18", "gsm8k", "18"),
        ('How many? End with the line "Answer: X", X being a number.', "18", "number",
         "Answer: 18"),
        ("Solve. Put the final answer in \\boxed{}.", "So $\\boxed{2}$.", "math", "\\boxed{2}"),
        ("Who wrote Emma?", ("Jane Austen", "Austen"), "exact-match", "Jane Austen"),
        ('Reply in JSON with the field "answer". f(2)?', "[1, 'a']", "literal",
         '{"answer": "[1, \'a\']"}'),
    ],
)  # fmt: skip
def test_a_label_has_the_form_that_was_asked_for_and_its_metric_accepts_it(
    text: str, truth: str | tuple[str, ...], metric: str, label: str
) -> None:
    query = Query(text=text, ground_truth=truth, metric=metric)
    assert label_of(query).text == label
    assert score(label, query).score == 1.0


@pytest.mark.parametrize(
    ("truth", "metric", "reason"),
    [
        (None, "number", "has no ground truth"),
        ("18", None, "has no metric to check a label with"),
        ("18", "accuracy", "has no metric to check a label with"),
        ("no number at all", "number", "its metric does not accept its label"),
        ("dog, ball", "coverage", "its ground truth is no answer, and no answer is right"),
        ("assert one() == 1", "code", "its ground truth is no answer, and no answer is right"),
        ("['assert one() == 1']", None, "its ground truth is no answer, and no answer is right"),
        ('{"kind": "mbpp", "tests": ["assert one() == 1"]}', "exact-match",
         "its ground truth is no answer, and no answer is right"),
    ],
)  # fmt: skip
def test_what_is_no_label_says_why(
    tmp_path: Path, truth: str | None, metric: str | None, reason: str
) -> None:
    query = question(0, ground_truth=truth, metric=metric)
    assert label_of(query).reason == reason
    data = select(tmp_path, [answer(query, "no", 0.0)], criterion="label")
    assert (data.examples, dropped(data, "questions")) == ((), {reason: 1})


@given(
    st.dictionaries(st.text(max_size=2), st.integers(1, 5000), max_size=6),
    st.sampled_from(["none", "even", "sqrt", "temperature"]),
    st.floats(1, 50),
    st.sampled_from([None, 1, 7, 100]),
)
def test_quotas_keep_the_rarest_task_whole_and_the_order_of_tasks(
    tasks: dict[str, int], balance: str, temperature: float, per_task: int | None
) -> None:
    options = SelectionOptions.model_validate(
        {"balance": balance, "temperature": temperature, "per_task": per_task}
    )
    quotas = quotas_of(tasks, options)
    cap = per_task or 10_000
    assert quotas.keys() == tasks.keys()
    for task, n in tasks.items():
        assert min(cap, min(tasks.values())) <= quotas[task] <= min(n, cap)
        assert all(quotas[task] <= quotas[other] for other in tasks if n <= tasks[other])
    if balance == "even":
        assert len(set(quotas.values())) <= 1


def test_balance_takes_a_best_answer_to_each_question_before_any_second(tmp_path: Path) -> None:
    words = ("red", "green blue", "black white grey", "pink")
    some = [
        answer(question(i, task="rare" if i == 5 else "often"), f"{words[j]} {i} x{j}")
        for i in range(6)
        for j in range(1 if i == 5 else 3)
    ]
    data = select(tmp_path, some, per_task=5)
    often = [one for one in data.examples if one.query.task == "often"]
    assert len({one.query.id for one in often}) == 5
    assert data.report.before_balance == {"often": 15, "rare": 1}
    assert data.report.by_task == {"often": 5, "rare": 1}
    assert dropped(data)["left out to balance tasks"] == 10
    assert "5 at most" in data.report.notes[0]
    even = select(tmp_path, some, balance="even")
    assert even.report.by_task == {"often": 1, "rare": 1}
    assert adds_up(data)
    assert adds_up(even)


def wrong(query: Query, text: str, performance: float = 0.0, **fields: object) -> LogEntry:
    return answer(query, text, performance, arm=Arm(model="small"), **fields)


def test_pairs_are_alike_in_length_so_that_length_is_not_what_is_learned(tmp_path: Path) -> None:
    right = [answer(question(0), f"{'so ' * n}it is four {n}") for n in (10, 40)]
    bad = [wrong(question(0), f"{'no ' * n}it is five {n}") for n in (2, 11, 38, 300)]
    data = select(tmp_path, [*right, *bad], pairs=5, outliers=None)
    assert [(p.chosen_keys, p.rejected_keys) for p in data.pairs] == [
        ((right[1].key,), (bad[2].key,)),
        ((right[0].key,), (bad[1].key,)),
    ]
    assert "median of its length" in data.report.notes[-1]


def test_only_what_was_measured_wrong_is_the_wrong_answer_of_a_pair(tmp_path: Path) -> None:
    query = question(0)
    good = answer(query, "It is four.")
    bad = [
        wrong(query, "It is a car.", error="timeout", performance=None),
        wrong(query, "It is odd.", finish_reason="length"),
        wrong(query, "It is even.", 0.8),
        wrong(query, "It is fine.", tenant="acme"),
        wrong(query, "It is mine.<|im_end|>"),
        wrong(query, "It is unknown.", performance=None),
    ]
    assert select(tmp_path, [good, *bad], pairs=5).pairs == ()
    cut = select(tmp_path, [good, *bad], pairs=5, pair_cut_off=True).pairs
    assert [pair.rejected for pair in cut] == ["It is odd."]
    graded = select(tmp_path, [good, *bad], pairs=5, pair_margin=0.1).pairs
    assert [pair.rejected for pair in graded] == ["It is even."]


Said = dict[str, tuple[str, str, float]]


def judged(folder: Path, said: Said, *, calibrated: Iterable[tuple[str, str]] = ()) -> TrainingData:
    """Select from answers that were not measured, each with judge, version and score."""
    some = {text: answer(question(0), text, None) for text in said}
    with RoutingLog(folder / "judged.db") as log:
        log.append(some.values())
        log.append_judgements(
            Judgement(entry_key=some[text].key, score=score, judge=judge, judge_version=version)
            for text, (judge, version, score) in said.items()
        )
        for judge, version in calibrated:
            log.append_calibration(
                Calibration(judge=judge, judge_version=version, scores=(0.0, 1.0),
                            performances=(0.0, 1.0), n=50)
            )  # fmt: skip
        return select_training_data(log, SelectionOptions(pairs=5))


@pytest.mark.parametrize(
    ("wrong_by", "calibrated", "n_pairs"),
    [
        (("kind", "1"), [], 1),
        (("strict", "1"), [], 0),
        (("kind", "2"), [], 0),
        (("strict", "1"), [("kind", "1")], 0),
        (("strict", "1"), [("strict", "1")], 0),
        (("strict", "1"), [("kind", "1"), ("strict", "1")], 1),
    ],
)
def test_scores_of_two_judges_make_no_pair_unless_both_were_calibrated(
    tmp_path: Path, wrong_by: tuple[str, str], calibrated: list[tuple[str, str]], n_pairs: int
) -> None:
    said: Said = {"It is four.": ("kind", "1", 0.9), "It is five.": (*wrong_by, 0.2)}
    data = judged(tmp_path, said, calibrated=calibrated)
    assert [one.answer for one in data.examples] == ["It is four."]
    assert [pair.rejected for pair in data.pairs] == ["It is five."] * n_pairs


def test_the_margin_of_calibrated_scores_is_in_what_they_are_worth(tmp_path: Path) -> None:
    some = [answer(question(0), text, None) for text in ("It is four.", "It is five.")]
    with RoutingLog(tmp_path / "log.db") as log:
        log.append(some)
        log.append_judgements(
            Judgement(entry_key=one.key, score=score, judge="rubric")
            for one, score in zip(some, (0.6, 0.4), strict=True)
        )
        log.append_calibration(
            Calibration(judge="rubric", judge_version="1", scores=(0.4, 0.6),
                        performances=(0.1, 0.9), n=50)
        )  # fmt: skip
        (pair,) = select_training_data(log, SelectionOptions(pair_margin=0.7)).pairs
        assert (pair.chosen, pair.rejected) == ("It is four.", "It is five.")
        assert select_training_data(log, SelectionOptions(pair_margin=0.9)).pairs == ()


def test_what_is_measured_and_what_is_judged_make_no_pair(tmp_path: Path) -> None:
    some = [
        answer(question(0), "It is four.", None),
        answer(question(0), "It is five.", 0.0),
    ]
    with RoutingLog(tmp_path / "log.db") as log:
        log.append(some)
        log.append_judgements(
            Judgement(entry_key=one.key, score=score, judge="rubric")
            for one, score in zip(some, (0.9, 0.1), strict=True)
        )
        data = select_training_data(log, SelectionOptions(pairs=5))
    assert [one.answer for one in data.examples] == ["It is four."]
    assert data.pairs == ()


def test_what_a_judge_says_that_is_not_trusted_makes_nothing_right(tmp_path: Path) -> None:
    said = {"It is four.": ("local", 0.9), "It is five.": ("user", 1.0), "It is six.": ("bad", 1.0)}
    some = {text: answer(question(0), text, None) for text in said}
    with RoutingLog(tmp_path / "log.db") as log:
        log.append(some.values())
        log.append_judgements(
            Judgement(entry_key=some[text].key, score=score, judge=judge, source=source)
            for text, (source, score) in said.items()
            for judge in ["feedback" if source == "user" else "rubric"]
        )
        log.set_trust("source", "bad", "suspended")
        data = select_training_data(log)
    assert [one.answer for one in data.examples] == ["It is four."]
    assert dropped(data) == {"not known whether it is right": 2}


def test_each_question_gives_as_many_pairs_as_asked_and_no_wrong_answer_twice(
    tmp_path: Path,
) -> None:
    good = answer(question(0), "It is surely four.")
    bad = [wrong(question(0), f"It is surely {n}.", sample=n) for n in (5, 6, 7, 7)]
    data = select(tmp_path, [good, *bad, wrong(question(1), "It is ten.")], pairs=9)
    assert sorted(pair.rejected[-2] for pair in data.pairs) == ["5", "6", "7"]
    assert len(select(tmp_path, [good, *bad], pairs=2).pairs) == 2
    assert select(tmp_path, [good, *bad], pairs=0).pairs == ()
    assert all(pair.query.id == question(0).id for pair in data.pairs)


@given(st.integers(1, 5000), st.integers(1, 5000))
def test_of_two_lengths_as_far_from_the_usual_the_shorter_is_less_strange(a: int, b: int) -> None:
    assert strangeness(a, float(a)) == 0
    assert strangeness(a * b, float(a)) >= strangeness(a, float(a * b))


def test_few_answers_have_no_outliers_and_tokens_are_counted_on_the_safe_side() -> None:
    assert longest_usual([1] * 19, 3.5) == float("inf")
    assert longest_usual([1] * 99, None) == float("inf")
    assert tokens("a" * 300) == 100
    assert tokens("\u4f60" * 100) == 100
