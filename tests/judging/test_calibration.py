"""What a judge is worth: figures with a known answer, intervals, refusals."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from fusion_agents.errors import StoreError
from fusion_agents.evaluation.calibration import calibration
from fusion_agents.judging.calibrating import calibrate, store
from fusion_agents.judging.isotonic import learn, out_of_fold
from fusion_agents.judging.judge_html import to_html
from fusion_agents.judging.judge_report import JudgeReport
from fusion_agents.judging.judge_text import to_markdown
from fusion_agents.judging.measures import auc, calibration_error, measures_of, spearman
from fusion_agents.judging.pairs import Pairs, read_pairs
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.types import Arm, Judgement, LogEntry, Query

SCORES = st.lists(
    st.tuples(st.sampled_from([0.0, 0.3, 0.6, 1.0]), st.sampled_from([0.0, 0.4, 1.0])),
    min_size=3,
    max_size=40,
)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[RoutingLog]:
    with RoutingLog(tmp_path / "log.db") as opened:
        yield opened


def fill(
    log: RoutingLog,
    n: int,
    score: Callable[[np.random.Generator, float, int, str], float],
    *,
    arms: tuple[str, ...] = ("a", "b"),
) -> None:
    """Measured answers to `n` queries, each judged once."""
    rng = np.random.default_rng(1)
    found: list[LogEntry] = []
    judged: list[Judgement] = []
    for number in range(n):
        for arm in arms:
            performance, length = float(rng.random() < 0.6), int(2 ** rng.uniform(4, 9))
            entry = LogEntry(
                query=Query(text=f"q{number}"), arm=Arm(model=arm), response="x" * length,
                performance=performance,
            )  # fmt: skip
            said = float(np.clip(score(rng, performance, length, arm), 0, 1))
            found.append(entry)
            judged.append(Judgement(entry_key=entry.key, score=said, judge="j", judge_version="1"))
    log.append(found)
    log.append_judgements(judged)


def noisy(rng: np.random.Generator, performance: float, length: int, arm: str) -> float:
    return 0.3 + 0.4 * performance + 0.1 * rng.normal()


def test_a_judge_that_knows_gets_a_calibration_that_is_stored(log: RoutingLog) -> None:
    fill(log, 150, noisy)
    report = calibrate(log, "j", "1", n_bootstrap=100)
    assert (report.n, report.n_queries, report.refusal) == (300, 150, None)
    assert report.auc.low is not None
    assert report.auc.low > 0.95
    assert report.error_before.value == pytest.approx(0.29, abs=0.04)
    assert report.error_after.value is not None
    assert report.error_after.value < 0.05
    assert report.calibration is not None
    assert report.calibration.performance(0.35) < 0.1
    assert report.calibration.performance(0.65) > 0.9

    store(log, report)
    (kept,) = log.calibrations()
    assert (kept.judge, kept.judge_version, kept.n) == ("j", "1", 300)
    assert kept.scores == report.calibration.scores


def test_a_judge_that_guesses_gets_none(log: RoutingLog) -> None:
    fill(log, 100, lambda rng, *_: rng.random())
    report = calibrate(log, "j", "1", n_bootstrap=100)
    assert report.calibration is None
    assert "do not tell right from wrong: AUC 0." in str(report.refusal)
    with pytest.raises(StoreError, match="there is no calibration to store: the scores do not"):
        store(log, report)
    assert not log.calibrations()


def test_a_judge_that_is_upside_down_gets_none(log: RoutingLog) -> None:
    fill(log, 100, lambda rng, performance, *_: 1 - performance)
    assert calibrate(log, "j", "1", n_bootstrap=50).calibration is None


@pytest.mark.parametrize(
    ("n", "arms", "why"),
    [
        (24, ("a", "b"), "it needs at least 50 answers with both score and performance, not 48"),
        (9, tuple("abcdefgh"), "it needs answers to at least 10 queries, not 9"),
    ],
)
def test_too_little_gets_none(log: RoutingLog, n: int, arms: tuple[str, ...], why: str) -> None:
    fill(log, n, lambda _, performance, *__: performance, arms=arms)
    assert calibrate(log, "j", "1", n_bootstrap=20).refusal == why


def test_answers_that_are_all_right_get_none(log: RoutingLog) -> None:
    one = LogEntry(query=Query(text="?"), arm=Arm(model="a"), response="!", performance=1.0)
    found = [one.model_copy(update={"key": str(i)}) for i in range(60)]
    log.append(found)
    log.append_judgements(Judgement(entry_key=e.key, score=0.9, judge="j") for e in found)
    report = calibrate(log, "j", "1", n_bootstrap=20)
    assert "all right or all wrong" in str(report.refusal)
    assert report.auc.value is None


def test_an_empty_log_is_a_report_that_says_so(log: RoutingLog) -> None:
    report = calibrate(log, "j", "1")
    assert report.n == 0
    assert "no answer has both" in str(report.refusal)
    assert "no answer has both" in to_markdown(report)
    assert "no answer has both" in to_html(report)


def test_a_bias_for_length_is_found_with_its_size(log: RoutingLog) -> None:
    fill(log, 200, lambda rng, p, length, _: 0.2 + 0.3 * p + 0.03 * np.log2(length))
    report = calibrate(log, "j", "1", n_bootstrap=100)
    assert report.length_slope.value == pytest.approx(0.03, abs=0.003)
    assert report.length_slope.excludes_zero
    assert report.length_correlation.value == pytest.approx(1.0, abs=0.02)
    assert "it prefers longer answers, beyond chance" in to_markdown(report)


def test_no_bias_is_found_where_there_is_none(log: RoutingLog) -> None:
    fill(log, 200, noisy)
    report = calibrate(log, "j", "1", is_own=lambda e: e.arm.model == "a", n_bootstrap=200)
    assert not report.length_slope.excludes_zero
    assert not report.own_family.excludes_zero
    assert "prefers" not in to_markdown(report)


def test_a_preference_for_its_own_family_is_found_with_its_size(log: RoutingLog) -> None:
    fill(log, 200, lambda rng, p, _, arm: 0.2 + 0.4 * p + 0.15 * (arm == "a"))
    report = calibrate(log, "j", "1", is_own=lambda e: e.arm.model == "a", n_bootstrap=100)
    assert report.own_family.value == pytest.approx(0.15, abs=1e-6)
    assert report.n_own_family == 200


def test_only_this_version_counts_and_of_its_scores_the_newest(log: RoutingLog) -> None:
    entry = LogEntry(query=Query(text="?"), arm=Arm(model="a"), response="four", performance=1.0)
    log.append([entry, LogEntry(query=Query(text="?"), arm=Arm(model="b"), response="unmeasured")])
    log.append_judgements(
        Judgement(entry_key=entry.key, score=score, judge="j", judge_version=version)
        for score, version in ((0.1, "1"), (0.7, "1"), (None, "1"), (0.2, "2"))
    )
    pairs = read_pairs(log, "j", "1")
    assert (pairs.score.tolist(), pairs.performance.tolist()) == ([0.7], [1.0])
    assert pairs.length.tolist() == [4.0]


@given(SCORES)
@settings(max_examples=40, deadline=None)
def test_measures_agree_with_those_of_other_libraries(said: list[tuple[float, float]]) -> None:
    score, performance = np.array(said).T
    once = np.ones(len(score))
    right = performance >= 0.5
    if right.any() and not right.all():
        expected = roc_auc_score(right, score)
        assert auc(score, performance)(once) == pytest.approx(expected)
    if len(set(score)) > 1 and len(set(performance)) > 1:
        expected = spearmanr(score, performance).statistic
        assert spearman(score, performance)(once) == pytest.approx(expected)
    found = calibration(score, performance)
    assert found is not None
    assert calibration_error(score, performance)(once) == pytest.approx(found.error)


@given(SCORES, st.integers(0, 5))
@settings(max_examples=30, deadline=None)
def test_a_weight_is_how_often_an_answer_is_there(
    said: list[tuple[float, float]], seed: int
) -> None:
    score, performance = np.array(said).T
    rng = np.random.default_rng(seed)
    times = rng.integers(0, 3, len(score))
    times[0] = 1
    pairs = Pairs(
        score, performance, rng.uniform(1, 99, len(score)), np.arange(len(score)),
        rng.random(len(score)) < 0.5,
    )  # fmt: skip
    drawn = pairs.take(np.repeat(np.arange(len(score)), times))
    weighted = measures_of(pairs, score)
    repeated = measures_of(drawn, drawn.score)
    for name, measure in weighted.items():
        if name == "spearman" and len(set(drawn.score)) < 2:
            continue
        expected = repeated[name](np.ones(len(drawn.score)))
        assert measure(times.astype(float)) == pytest.approx(expected, nan_ok=True, abs=1e-6)


@given(SCORES)
@settings(max_examples=30, deadline=None)
def test_what_a_score_is_worth_never_falls(said: list[tuple[float, float]]) -> None:
    score, performance = np.array(said).T
    none = np.zeros(len(score))
    pairs = Pairs(score, performance, none, np.arange(len(score)), none > 0)
    line = learn(pairs, "j", "1")
    worth = [line.performance(x) for x in np.linspace(0, 1, 21)]
    assert worth == sorted(worth)
    assert 0 <= worth[0] <= worth[-1] <= 1
    expected = out_of_fold(pairs)
    assert np.isfinite(expected).all()


def test_calibrated_scores_are_learned_on_other_queries() -> None:
    n = 40
    score, performance = np.linspace(0, 1, n), np.arange(n) % 2.0
    pairs = Pairs(score, performance, np.ones(n), np.repeat(np.arange(n // 2), 2), score > 2)
    held_out = out_of_fold(pairs)
    other = pairs._replace(performance=np.where(pairs.query == 3, 1 - performance, performance))
    same = pairs.query == 3
    assert np.array_equal(out_of_fold(other)[same], held_out[same])


def test_a_report_survives_json_and_hides_no_markup(log: RoutingLog) -> None:
    fill(log, 60, noisy)
    report = calibrate(log, "j", "1", n_bootstrap=20)
    assert JudgeReport.model_validate_json(report.model_dump_json()) == report
    named = report.model_copy(update={"judge_version": "<script>|*x*"})
    assert "<script>" not in to_html(named)
    assert "\\<script\\>\\|\\*x\\*" in to_markdown(named)
    assert "http" not in to_html(named).replace("http://www.w3.org", "")


def test_a_limited_tenant_cannot_outvote_the_rest_in_a_calibration(log: RoutingLog) -> None:
    def entries(tenant: str, n: int, right: bool) -> list[LogEntry]:
        return [
            LogEntry(
                query=Query(text=f"{tenant} {i}"), arm=Arm(model="a"), response="x",
                performance=float(right), tenant=tenant,
            )
            for i in range(n)
        ]  # fmt: skip

    mine, theirs = entries("default", 100, right=True), entries("loud", 900, right=False)
    log.append([*mine, *theirs])
    log.append_judgements(
        Judgement(entry_key=entry.key, score=0.9, judge="j", judge_version="1")
        for entry in (*mine, *theirs)
    )
    pairs = read_pairs(log, "j", "1")
    assert pairs.performance.sum() == 100
    assert len(pairs.performance) == 200  # half of what counts, as in training
    log.set_trust("tenant", "loud", "trusted")
    assert len(read_pairs(log, "j", "1").performance) == 1000


def test_what_is_suspended_teaches_no_calibration(log: RoutingLog) -> None:
    fill(log, 50, noisy)
    clean = read_pairs(log, "j", "1")
    liar = LogEntry(
        query=Query(text="q"), arm=Arm(model="a"), response="x", performance=0.0, source="liar"
    )
    lies = [
        Judgement(entry_key=key, score=0.987, judge="j", judge_version="1", source="liar")
        for key in (*(entry.key for entry in log.scan()), liar.key)
    ]
    log.append([liar])
    log.append_judgements(lies)
    assert set(read_pairs(log, "j", "1").score) == {0.987}
    log.set_trust("source", "liar", "limited")
    assert sorted(read_pairs(log, "j", "1").score) == sorted((*clean.score, 0.987))
    log.set_trust("source", "liar", "suspended")
    assert list(read_pairs(log, "j", "1").score) == list(clean.score)
