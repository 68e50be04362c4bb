import random
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusion_agents.errors import ConfigError, DataError
from fusion_agents.outcomes import Outcomes, OutcomesBuilder
from fusion_agents.types import Arm, LogEntry, Query

A, B = Arm(model="a"), Arm(model="b", strategy="think")


def entry(text: str, arm: Arm = A, **values: object) -> LogEntry:
    return LogEntry.model_validate({"query": Query(text=text), "arm": arm, **values})


def log(n_queries: int, n_copies: int = 1, seed: int = 0) -> list[LogEntry]:
    """Queries that differ, each in `n_copies` near-identical wordings, answered by two arms."""
    rng = np.random.default_rng(seed)
    texts = [" ".join(f"w{rng.integers(10**6)}" for _ in range(20)) for _ in range(n_queries)]
    wordings = [f"{text}{'!' * copy}" for text in texts for copy in range(n_copies)]
    return [
        entry(text, arm, performance=float(rng.random()), cost=float(rng.random()))
        for text in wordings
        for arm in (A, B)
    ]


def ids(outcomes: Outcomes) -> set[str]:
    return {query.id for query in outcomes.queries}


def test_an_empty_log_gives_empty_arrays() -> None:
    outcomes = Outcomes.from_entries([])
    assert outcomes.performance.shape == (0, 0)
    assert outcomes.split(0.3).test.n_queries == 0
    assert len(outcomes.folds(5)) == 0
    assert len(outcomes.fingerprint) == 64


def test_what_an_arm_did_not_answer_is_not_known() -> None:
    outcomes = Outcomes.from_entries(
        [entry("q", A, performance=1.0, cost=0.5, latency=2.0), entry("r", B, performance=0.0)]
    )
    np.testing.assert_array_equal(outcomes.performance, [[1.0, np.nan], [np.nan, 0.0]])
    np.testing.assert_array_equal(outcomes.cost, [[0.5, np.nan], [np.nan, np.nan]])
    np.testing.assert_array_equal(outcomes.latency, [[2.0, np.nan], [np.nan, np.nan]])
    np.testing.assert_array_equal(outcomes.answered, [[True, False], [False, True]])
    assert np.isnan(outcomes.judge).all()


def test_several_answers_of_one_arm_are_averaged_each_value_over_those_that_have_it() -> None:
    outcomes = Outcomes.from_entries(
        [
            entry("q", performance=1.0, cost=0.2, sample=0),
            entry("q", performance=0.0, sample=1),
            entry("q", performance=0.5, cost=0.4, sample=2),
        ]
    )
    assert outcomes.performance.tolist() == [[0.5]]
    assert outcomes.cost[0, 0] == pytest.approx(0.3)


def test_a_failed_call_counts_as_an_error_and_as_nothing_else() -> None:
    outcomes = Outcomes.from_entries(
        [entry("q", error="timeout", cost=9.0, latency=60.0, sample=i) for i in range(2)]
        + [entry("q", performance=1.0, cost=0.1, latency=1.0)]
    )
    assert outcomes.errors.tolist() == [[2]]
    assert (outcomes.performance[0, 0], outcomes.cost[0, 0], outcomes.latency[0, 0]) == (1, 0.1, 1)


def test_judgements_are_found_by_the_key_of_their_entry() -> None:
    entries = [entry("q", A, performance=1.0), entry("q", B, performance=0.0)]
    outcomes = Outcomes.from_entries(entries, {entries[1].key: 0.25, "another log's": 1.0})
    np.testing.assert_array_equal(outcomes.judge, [[np.nan, 0.25]])


def test_an_answer_that_was_never_scored_is_still_an_answer_if_it_cost_something() -> None:
    outcomes = Outcomes.from_entries([entry("q", A, cost=0.1), entry("q", B)])
    assert outcomes.answered.tolist() == [[True, False]]


def test_one_query_id_for_two_texts_is_refused() -> None:
    entries = [
        LogEntry(query=Query(id="1", text="first"), arm=A),
        LogEntry(query=Query(id="1", text="second"), arm=A),
    ]
    with pytest.raises(DataError, match=r"'1'.*two different texts"):
        Outcomes.from_entries(entries)


def test_arms_are_left_out_by_name_or_by_model() -> None:
    entries = [entry("q", Arm(model="a", strategy=s)) for s in ("direct", "think")]
    outcomes = Outcomes.from_entries([*entries, entry("q", B)])
    assert outcomes.without_arms(["a"]).arms == (B,)
    assert outcomes.without_arms(["a@think", "b@think"]).arms == (A,)
    assert outcomes.without_arms([]).arms == outcomes.arms


def test_leaving_out_an_arm_that_does_not_exist_is_refused_and_names_those_that_do() -> None:
    with pytest.raises(ConfigError, match=r"'c'.*a@direct, b@think"):
        Outcomes.from_entries([entry("q", A), entry("q", B)]).without_arms(["c"])


def test_rows_and_arms_are_taken_in_the_order_that_was_asked_for() -> None:
    outcomes = Outcomes.from_entries(log(5))
    taken = outcomes.take([3, 1]).take_arms([1, 0])
    assert [q.id for q in taken.queries] == [outcomes.queries[3].id, outcomes.queries[1].id]
    assert taken.arms == (B, A)
    np.testing.assert_array_equal(taken.performance, outcomes.performance[[3, 1]][:, [1, 0]])
    assert outcomes.take([]).n_queries == 0
    assert outcomes.take(np.array([True, False, False, False, True])).n_queries == 2


def test_groups_travel_with_the_queries_that_are_taken() -> None:
    outcomes = Outcomes.from_entries(log(6, n_copies=2))
    before = outcomes.groups
    np.testing.assert_array_equal(outcomes.take([7, 0, 1]).groups, before[[7, 0, 1]])


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, 1.5, float("nan")])
def test_a_test_fraction_that_leaves_one_side_empty_is_refused(fraction: float) -> None:
    with pytest.raises(ConfigError, match="between 0 and 1"):
        Outcomes.from_entries(log(4)).split(fraction)


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.floats(0.1, 0.9))
def test_a_split_divides_the_queries(seed: int, fraction: float) -> None:
    outcomes = Outcomes.from_entries(log(40, n_copies=2))
    train, test = outcomes.split(fraction, seed)
    assert ids(train) | ids(test) == ids(outcomes)
    assert not ids(train) & ids(test)
    assert abs(test.n_queries - fraction * outcomes.n_queries) <= 2


def test_all_answers_to_a_query_are_on_one_side() -> None:
    train, test = Outcomes.from_entries(log(30)).split(0.3)
    for side in (train, test):
        assert not np.isnan(side.performance).any()


@pytest.mark.parametrize("seed", range(5))
def test_near_duplicates_are_on_one_side_and_in_one_fold(seed: int) -> None:
    outcomes = Outcomes.from_entries(log(30, n_copies=3))
    train, test = outcomes.split(0.4, seed)

    def stem(side: Outcomes) -> set[str]:
        return {query.text.rstrip("!") for query in side.queries}

    assert train.n_queries
    assert test.n_queries
    assert not stem(train) & stem(test)
    folds = outcomes.folds(5, seed)
    for group in set(outcomes.groups.tolist()):
        assert len(set(folds[outcomes.groups == group].tolist())) == 1


def test_the_same_seed_gives_the_same_split_and_another_seed_another() -> None:
    outcomes = Outcomes.from_entries(log(50))
    assert ids(outcomes.split(0.3, 1).test) == ids(
        Outcomes.from_entries(log(50)).split(0.3, 1).test
    )
    assert ids(outcomes.split(0.3, 1).test) != ids(outcomes.split(0.3, 2).test)


@settings(max_examples=15)
@given(st.randoms(use_true_random=False), st.integers(0, 99))
def test_the_order_of_the_log_changes_neither_split_nor_folds_nor_fingerprint(
    rng: random.Random, seed: int
) -> None:
    entries = log(25, n_copies=2)
    shuffled = list(entries)
    rng.shuffle(shuffled)
    one, other = Outcomes.from_entries(entries), Outcomes.from_entries(shuffled)
    assert ids(one.split(0.3, seed).test) == ids(other.split(0.3, seed).test)
    assert one.fingerprint == other.fingerprint

    def by_query(outcomes: Outcomes) -> dict[str, int]:
        return dict(
            zip(
                (query.id for query in outcomes.queries),
                outcomes.folds(5, seed).tolist(),
                strict=True,
            )
        )

    assert by_query(one) == by_query(other)


def test_renaming_the_queries_changes_no_split() -> None:
    def renamed(prefix: str) -> Outcomes:
        return Outcomes.from_entries(
            e.model_copy(update={"query": e.query.model_copy(update={"id": prefix + e.query.text})})
            for e in log(30)
        )

    def texts(outcomes: Outcomes) -> Sequence[str]:
        return sorted(query.text for query in outcomes.queries)

    assert texts(renamed("x").split(0.3).test) == texts(renamed("y").split(0.3).test)


def test_folds_have_nearly_equal_sizes() -> None:
    folds = Outcomes.from_entries(log(100)).folds(5)
    assert np.bincount(folds).tolist() == [20] * 5


def test_more_folds_than_queries_leave_some_empty() -> None:
    folds = Outcomes.from_entries(log(3)).folds(5)
    assert len(set(folds.tolist())) == 3
    assert folds.max() < 5


def test_a_log_of_one_question_stays_whole() -> None:
    train, test = Outcomes.from_entries(log(1, n_copies=5)).split(0.3)
    assert sorted([train.n_queries, test.n_queries]) == [0, 5]


@pytest.mark.parametrize(
    "change",
    [
        {"performance": 0.5},
        {"cost": 0.5},
        {"latency": 0.5},
        {"propensity": 0.5},
        {"query": Query(text="other")},
        {"arm": Arm(model="other")},
    ],
)
def test_the_fingerprint_changes_with_the_content(change: dict[str, object]) -> None:
    first = entry("q", performance=1.0, cost=0.1, latency=1.0)
    second = LogEntry.model_validate({**first.model_dump(exclude={"key"}), **change})
    rest = log(3)
    assert (
        Outcomes.from_entries([first, *rest]).fingerprint
        != Outcomes.from_entries([second, *rest]).fingerprint
    )


def test_names_that_are_no_proper_unicode_have_a_fingerprint() -> None:
    def fingerprint(query_id: str) -> str:
        query = Query.model_construct(id=query_id, text="what\udfff")
        builder = OutcomesBuilder()
        builder.add(query, Arm.model_construct(model="m\udc80"), performance=1.0)
        return builder.build().fingerprint

    assert fingerprint("q\ud800") != fingerprint("q\ud801")


def test_the_fingerprint_depends_on_judgements() -> None:
    entries = log(2)
    judged = Outcomes.from_entries(entries, {entries[0].key: 1.0})
    assert judged.fingerprint != Outcomes.from_entries(entries).fingerprint


def test_scales_go_from_the_cheapest_to_the_dearest_arm() -> None:
    outcomes = Outcomes.from_entries(
        [
            entry("q", A, cost=0.1, latency=5.0),
            entry("r", A, cost=0.3, latency=7.0),
            entry("q", B, cost=1.0, latency=1.0),
        ]
    )
    scales = outcomes.scales()
    assert scales.cost == pytest.approx((0.2, 1.0))
    assert scales.latency == pytest.approx((1.0, 6.0))


def test_scales_of_what_nobody_measured_are_not_known() -> None:
    scales = Outcomes.from_entries([entry("q", performance=1.0)]).scales()
    assert np.isnan(scales.cost).all()
    assert np.isnan(scales.latency).all()
