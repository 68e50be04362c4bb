"""What routers learn from: measured scores, what judges' scores are worth, and caps on names."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusion_agents.errors import ConfigError
from fusion_agents.stores import LogFilter, RoutingLog, TrainingPolicy
from fusion_agents.stores.capping import allowance
from fusion_agents.stores.training import Level, Trustee
from fusion_agents.types import Arm, Calibration, Judgement, LogEntry, Query

ARMS = Arm(model="small"), Arm(model="large", strategy="think")


@pytest.fixture
def log(tmp_path: Path) -> Iterator[RoutingLog]:
    with RoutingLog(tmp_path / "log.db") as opened:
        yield opened


def entry(i: int = 0, arm: Arm = ARMS[0], **fields: object) -> LogEntry:
    query = Query(text=f"{i} + {i}?")
    return LogEntry.model_validate({"query": query, "arm": arm, "response": "4", **fields})


def said(on: LogEntry, score: float | None = 1.0, judge: str = "rubric", **more: str) -> Judgement:
    return Judgement.model_validate(
        {"entry_key": on.key, "score": score, "judge": judge, "reason": str(more), **more}
    )


def line(judge: str = "rubric", version: str = "1", *, high: float = 0.8) -> Calibration:
    return Calibration(
        judge=judge, judge_version=version, scores=(0.0, 1.0), performances=(0.2, high), n=60
    )


def same(log: RoutingLog) -> bool:
    ours, theirs = log.training_outcomes().outcomes, log.outcomes()
    measures = ("performance", "judge", "cost", "latency", "propensity", "errors")
    return (ours.queries, ours.arms) == (theirs.queries, theirs.arms) and all(
        np.array_equal(getattr(ours, name), getattr(theirs, name), equal_nan=True)
        for name in measures
    )


def test_a_log_that_nothing_was_said_about_is_learned_from_as_it_is(log: RoutingLog) -> None:
    assert same(log)
    answers = [
        entry(i, arm, cost=0.5 * i, latency=1.0 + i, propensity=0.5, sample=sample, source=source)
        for i in range(5)
        for arm in ARMS[: 1 + i % 2]
        for sample, source in enumerate(["local", "file.csv"])
    ]
    measured = [one.model_copy(update={"performance": 0.25}) for one in answers[::3]]
    log.append([*measured, *answers, entry(7, error="timeout"), entry(1, error="empty", cost=0.1)])
    log.append_judgements(
        [
            said(answers[1], 0.5),
            said(answers[1], 0.75, judge="panel"),
            said(answers[0], 0.0, judge="panel"),
            said(answers[2], None),
        ]
    )

    assert same(log)
    assert log.training_outcomes().report.sentences() == []


def test_an_answer_without_performance_gets_what_its_score_is_worth(log: RoutingLog) -> None:
    answers = [entry(0), entry(1, performance=1.0), entry(2), entry(3), entry(4, error="timeout")]
    log.append(answers)
    log.append_judgements([said(answers[i], 0.5) for i in (0, 1, 4)])
    log.append_judgements([said(answers[2], 0.5, judge_version="2")])
    log.append_calibration(line(high=1.0))
    log.append_calibration(line())

    outcomes, report = log.training_outcomes()

    performance = outcomes.performance[:, 0]
    assert performance[:2].tolist() == [0.5, 1.0]
    assert np.isnan(performance[2:]).all()
    assert (report.measured, report.calibrated, report.judges) == (1, 1, {"rubric:1": 1})
    assert report.sentences() == ["1 scores are calibrated judgements: rubric:1 (1)"]


def test_a_policy_may_leave_judges_out(log: RoutingLog) -> None:
    answer = entry()
    log.append([answer])
    log.append_judgements([said(answer, 0.5), said(answer, 1.0, judge="panel")])
    log.append_calibration(line())
    log.append_calibration(line("panel", high=1.0))

    def performance(policy: TrainingPolicy) -> float:
        return float(log.training_outcomes(policy).outcomes.performance[0, 0])

    assert performance(TrainingPolicy()) == 1.0
    assert performance(TrainingPolicy(judges=("rubric",))) == 0.5
    assert np.isnan(performance(TrainingPolicy(calibrated=False)))
    assert np.isnan(performance(TrainingPolicy(judges=())))


def test_a_score_that_is_worth_nothing_known_does_not_hide_one_that_is(log: RoutingLog) -> None:
    answer = entry()
    log.append([answer])
    log.append_calibration(line())
    log.append_judgements([said(answer, 0.5), said(answer, 0.0, judge="feedback", source="user")])

    outcomes = log.training_outcomes().outcomes

    assert outcomes.performance.tolist() == [[0.5]]
    assert outcomes.judge.tolist() == [[0.5]]


def test_the_newest_feedback_counts_where_only_users_spoke(log: RoutingLog) -> None:
    answer = entry()
    log.append([answer])
    log.append_calibration(line("feedback"))
    log.append_judgements([said(answer, 0.0, "feedback", source="a")])
    log.append_judgements([said(answer, 1.0, "feedback", source="b")])

    assert log.training_outcomes().outcomes.performance.tolist() == [[0.8]]


def flood(log: RoutingLog, n_measured: int = 400, n_feedback: int = 600) -> None:
    """Measured answers, and answers that one user says are wonderful."""
    measured = [entry(i, performance=0.5) for i in range(n_measured)]
    others = [entry(1000 + i, ARMS[1], cost=0.25) for i in range(n_feedback)]
    log.append([*measured, *others])
    log.append_judgements(said(one, 1.0, "feedback", source="troll") for one in others)
    log.append_calibration(line("feedback"))


def test_feedback_of_one_source_gets_no_more_than_its_share(log: RoutingLog) -> None:
    flood(log)

    outcomes, report = log.training_outcomes()

    by_feedback = int((~np.isnan(outcomes.performance[:, 1])).sum())
    n_performance = int((~np.isnan(outcomes.performance)).sum())
    assert by_feedback == 100
    assert by_feedback <= 0.2 * n_performance
    assert outcomes.n_queries == 1000  # what the answers cost is known all the same
    assert (~np.isnan(outcomes.cost)).sum() == 600
    (troll,) = (one for one in report.contributions if one.name == "troll")
    assert (troll.level, troll.scored, troll.gave) == ("limited", 600, "judgements")
    assert report.left_out == troll.left_out == 500
    assert (~np.isnan(outcomes.judge)).sum() == 100
    assert "source 'troll' is limited" in report.sentences()[1]


def test_who_is_left_out_depends_on_keys_and_seed_only(log: RoutingLog, tmp_path: Path) -> None:
    flood(log)
    with RoutingLog(tmp_path / "reversed.db") as other:
        other.append(reversed(list(log.scan())))
        other.append_judgements(reversed(list(log.judgements())))
        other.append_calibration(line("feedback"))

        def chosen(log: RoutingLog, seed: int = 0) -> set[str]:
            outcomes = log.training_outcomes(TrainingPolicy(seed=seed)).outcomes
            rows = np.flatnonzero(~np.isnan(outcomes.performance).all(axis=1))
            return {outcomes.queries[row].id for row in rows}

        assert chosen(log) == chosen(other) == chosen(log)
        assert chosen(log) != chosen(log, seed=1)


def test_a_trusted_source_is_not_capped_and_a_suspended_one_is_left_out(log: RoutingLog) -> None:
    flood(log)

    log.set_trust("source", "troll", "trusted")
    assert log.training_outcomes().report.left_out == 0
    assert log.training_outcomes().report.calibrated == 600

    log.set_trust("source", "troll", "suspended")
    outcomes, report = log.training_outcomes()
    assert report.calibrated == 0
    assert np.isnan(outcomes.judge).all()
    assert report.sentences() == [
        "source 'troll' is suspended: its judgements do not count",
    ]


def test_entries_of_suspended_names_are_left_out_whole(log: RoutingLog) -> None:
    log.append(
        [
            entry(0, performance=1.0),
            entry(1, performance=1.0, source="bad.csv"),
            entry(2, performance=1.0, tenant="bad"),
        ]
    )
    log.set_trust("source", "bad.csv", "suspended")
    log.set_trust("tenant", "bad", "suspended")

    outcomes, report = log.training_outcomes()

    assert [query.text for query in outcomes.queries] == ["0 + 0?"]
    assert (report.entries, report.left_out) == (1, 2)
    assert log.trust() == {("source", "bad.csv"): "suspended", ("tenant", "bad"): "suspended"}


def test_limited_entries_are_left_out_whole_and_shares_hold_together(log: RoutingLog) -> None:
    log.append(entry(i, performance=0.5) for i in range(200))
    log.append(entry(1000 + i, performance=1.0, tenant="acme") for i in range(400))
    log.append(entry(2000 + i, performance=1.0, source="odd.csv") for i in range(300))
    log.set_trust("source", "odd.csv", "limited")

    report = log.training_outcomes().report

    kept = {
        (one.kind, one.name): one.scored - one.left_out
        for one in report.contributions
        if one.gave == "entries"
    }
    assert (
        kept["source", "local"]
        == kept["tenant", "default"] + kept["tenant", "acme"] - (kept["source", "odd.csv"])
    )
    assert kept["source", "odd.csv"] <= 0.2 * report.entries
    assert kept["tenant", "acme"] <= 0.5 * report.entries
    assert report.entries > 450


def test_a_tenant_may_learn_from_its_own_entries(log: RoutingLog) -> None:
    log.append(entry(i, performance=0.5) for i in range(10))
    log.append(entry(100 + i, performance=0.5, tenant="acme") for i in range(90))

    alone = log.training_outcomes(where=LogFilter(tenants=("acme",)))

    assert (alone.report.entries, alone.report.left_out) == (90, 0)


def test_a_share_of_nothing_leaves_all_limited_scores_out(log: RoutingLog) -> None:
    flood(log, n_measured=3)

    outcomes, report = log.training_outcomes(TrainingPolicy(max_source_share=0.0))

    assert report.calibrated == 0
    assert np.isnan(outcomes.judge).all()


def test_a_level_that_does_not_exist_is_refused(log: RoutingLog) -> None:
    with pytest.raises(ConfigError, match="'friendly' cannot be set: choose among trusted"):
        log.set_trust("source", "a", "friendly")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="'judge' cannot be set: choose among source, tenant"):
        log.set_trust("judge", "a", "trusted")  # type: ignore[arg-type]
    kinds: tuple[Trustee, ...] = ("source", "tenant")
    levels: tuple[Level, ...] = ("limited", "trusted")
    for kind in kinds:
        for level in levels:
            log.set_trust(kind, "a", level)
    assert log.trust() == {("source", "a"): "trusted", ("tenant", "a"): "trusted"}


def test_a_log_that_is_only_read_can_be_learned_from(log: RoutingLog) -> None:
    flood(log)
    with RoutingLog(log.path, read_only=True) as reader:
        assert reader.training_outcomes().report == log.training_outcomes().report
        assert reader.trust() == {}


@given(
    sizes=st.lists(st.integers(1, 500), min_size=1, max_size=8),
    others=st.integers(0, 500),
    share=st.floats(0.01, 1.0),
)
def test_nobody_keeps_more_than_their_share_nor_less_than_they_could(
    sizes: list[int], others: int, share: float
) -> None:
    level = allowance(sizes, others, share, others + sum(sizes), enough=0)

    def fits(level: int) -> bool:
        total = others + sum(min(size, level) for size in sizes)
        return min(level, max(sizes)) <= share * total + 1e-6

    assert fits(level)
    assert level >= max(sizes) or not fits(level + 1)


@pytest.mark.parametrize(
    ("sizes", "others", "kept"),
    [
        ([1000], 0, [1000]),  # nobody to compare with
        ([1000, 3], 0, [201, 3]),  # a tiny rival cuts nobody to its size
        ([500, 500], 0, [500, 500]),
        ([1000], 10, [202]),  # too few others to learn from them alone
        ([1000], 40, [10]),
        ([30] * 5, 0, [30] * 5),
    ],
)
def test_a_cap_is_loosened_where_it_would_leave_too_little(
    sizes: list[int], others: int, kept: list[int]
) -> None:
    level = allowance(sizes, others, 0.2, others + sum(sizes), enough=50)

    assert [min(size, level) for size in sizes] == kept
