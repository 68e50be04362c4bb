"""What a log is given, it gives back: once, in order, whatever else happens."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fusion_agents.errors import DataError, StoreError
from fusion_agents.outcomes import Outcomes
from fusion_agents.stores import LogFilter, Refusal, RoutingLog
from fusion_agents.types import Arm, Calibration, Judgement, LogEntry, Query, Usage, content_key

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
SMALL, LARGE = Arm(model="small"), Arm(model="large", strategy="think")


@pytest.fixture
def log(tmp_path: Path) -> Iterator[RoutingLog]:
    with RoutingLog(tmp_path / "log.db") as opened:
        yield opened


def entry(text: str = "2 + 2?", arm: Arm = SMALL, **fields: object) -> LogEntry:
    return LogEntry.model_validate({"query": Query(text=text), "arm": arm, **fields})


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
counts = st.none() | st.integers(0, 2**63 - 1)
amounts = st.none() | st.floats(0, 1e9)
scores = st.floats(0, 1)
# Fixed offsets: Python holds no two times equal across zones where a clock is turned back.
zones = st.integers(-23, 23).map(lambda hours: timezone(timedelta(hours=hours)))
times = st.none() | st.integers(-(10**16), 10**16).flatmap(
    lambda n: zones.map((NOON + timedelta(microseconds=n)).astimezone)
)
queries = st.builds(
    Query,
    id=names,
    text=texts,
    task=st.none() | names,
    ground_truth=st.none() | texts | st.lists(texts).map(tuple),
    metric=st.none() | names,
    split=st.none() | names,
)
entries = st.builds(
    LogEntry,
    key=names,
    query=queries,
    arm=st.builds(Arm, model=names, strategy=st.from_regex(r"\A[a-z][a-z0-9_-]*\Z")),
    model_version=st.none() | texts,
    response=st.none() | texts,
    usage=st.builds(
        Usage,
        input_tokens=counts,
        output_tokens=counts,
        cached_tokens=counts,
        reasoning_tokens=counts,
    ),
    cost=amounts,
    input_price=amounts,
    output_price=amounts,
    latency=amounts,
    finish_reason=st.none() | texts,
    performance=st.none() | scores,
    propensity=st.floats(0, 1, exclude_min=True),
    sample=st.integers(0, 2**63 - 1),
    template_ids=st.lists(texts, max_size=3).map(tuple),
    source=texts,
    tenant=texts,
    time=times,
) | st.builds(LogEntry, key=names, query=queries, arm=st.just(SMALL), error=names)
judgements = st.builds(
    Judgement,
    entry_key=names,
    score=st.none() | scores,
    reason=st.none() | texts,
    correctness=st.none() | scores,
    reasoning=st.none() | scores,
    usefulness=st.none() | scores,
    judge=names,
    judge_version=texts,
    cost=amounts,
    source=texts,
    time=times,
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    given_entries=st.lists(entries, max_size=8, unique_by=(lambda e: e.key, lambda e: e.query.id)),
    verdicts=st.lists(judgements, max_size=8, unique_by=lambda j: j.key),
)
def test_a_log_returns_what_it_was_given(
    tmp_path_factory: pytest.TempPathFactory,
    given_entries: list[LogEntry],
    verdicts: list[Judgement],
) -> None:
    keys = [e.key for e in given_entries]
    known = (
        [v.model_copy(update={"entry_key": keys[i % len(keys)]}) for i, v in enumerate(verdicts)]
        if keys
        else []
    )
    known = list({v.key: v for v in known}.values())

    with RoutingLog(tmp_path_factory.mktemp("log") / "log.db") as log:
        assert log.append(given_entries) == len(given_entries)
        assert log.append_judgements(known) == len(known)

        assert list(log.scan()) == given_entries
        assert list(log.queries()) == [e.query for e in given_entries]
        assert list(log.judgements()) == known
        assert log.append(given_entries) == log.append_judgements(known) == 0


def test_a_log_is_still_there_after_closing_it(tmp_path: Path) -> None:
    with RoutingLog(tmp_path / "log.db") as log:
        log.append([entry(performance=1.0)])

    with RoutingLog(tmp_path / "log.db") as log:
        assert list(log.scan()) == [entry(performance=1.0)]


def test_writing_an_entry_twice_is_writing_it_once(log: RoutingLog) -> None:
    first, second = entry(), entry("3 + 3?")

    assert log.append([first, first, second]) == 2
    assert log.append([second, entry("4 + 4?"), first]) == 1
    assert log.count() == 3


def test_more_entries_than_a_batch_keep_their_order(log: RoutingLog) -> None:
    many = [entry(f"{i} + 1?") for i in range(5500)]

    assert log.append(iter(many)) == 5500

    assert list(log.scan()) == many


def test_long_responses_are_stored_in_batches_of_bounded_size(log: RoutingLog) -> None:
    seen: list[int] = []

    def source() -> Iterator[LogEntry]:
        for i in range(5):
            seen.append(log.count())
            yield entry(f"{i} + 1?", response="x" * 3_000_000)

    assert log.append(source()) == 5

    assert seen == [0, 0, 0, 3, 3]


def test_nothing_is_stored_of_nothing(log: RoutingLog) -> None:
    assert log.append([]) == log.append_judgements([]) == log.count() == 0
    assert list(log.scan()) == list(log.queries()) == list(log.judgements()) == []


def test_one_query_id_stands_for_one_text(log: RoutingLog) -> None:
    def about(text: str, key: str) -> LogEntry:
        return LogEntry(key=key, query=Query(id="q1", text=text), arm=SMALL)

    with pytest.raises(DataError, match=r"entry 'b': query id 'q1' stands for two.*rest is stored"):
        log.append([about("2 + 2?", "a"), about("3 + 3?", "b"), about("2 + 2?", "c")])

    assert [e.key for e in log.scan()] == ["a", "c"]
    with pytest.raises(DataError, match="two different texts"):
        log.append([about("3 + 3?", "d")])


def test_one_bad_entry_loses_no_other_in_any_batch(log: RoutingLog) -> None:
    refused: list[Refusal] = []
    many = [entry(f"{i} + 1?", key=str(i)) for i in range(5100)]
    many[2700] = LogEntry(key="bad", query=Query(id=many[3].query.id, text="no"), arm=SMALL)
    many[5099] = entry("lone surrogate \ud800", key="worse")

    assert log.append(many, on_refused=refused.append) == 5098

    assert [(r.position, r.key) for r in refused] == [(2700, "bad"), (5099, "worse")]
    assert all(isinstance(r.error, DataError) for r in refused)
    assert log.count() == 5098


@pytest.mark.parametrize(
    "bad",
    [
        {"text": "half a \ud83d smile"},
        {"response": "half a \ud83d smile"},
        {"source": "\udcff"},
        {"usage": {"input_tokens": 2**63}},
        {"sample": 2**70},
        {"time": datetime.min.replace(tzinfo=timezone(timedelta(hours=14)))},
    ],
)
def test_what_sqlite_cannot_hold_is_refused_and_leaves_nothing(
    log: RoutingLog, bad: dict[str, object]
) -> None:
    with pytest.raises(DataError, match="entry 'bad': it cannot be stored"):
        log.append([entry("good"), entry(**{"text": "of the bad one", "key": "bad", **bad})])  # type: ignore[arg-type]

    assert [q.text for q in log.queries()] == ["good"]
    assert log.stats().queries == 1


def test_a_nul_in_a_text_is_a_character_like_others(log: RoutingLog) -> None:
    odd = entry("a\0b", key="k\0y", response="\0")
    log.append([odd, entry("a", key="k")])

    assert next(log.scan()) == odd
    assert log.count(LogFilter(query_ids=(odd.query.id,))) == 1


def test_what_came_before_a_failure_of_the_source_is_stored(log: RoutingLog) -> None:
    def source() -> Iterator[LogEntry]:
        yield entry()
        raise RuntimeError("the provider is down")

    with pytest.raises(RuntimeError, match="the provider is down"):
        log.append(source())

    assert log.count() == 1


def test_what_is_learned_of_a_query_later_is_filled_in(log: RoutingLog) -> None:
    def about(**fields: object) -> Query:
        return Query.model_validate({"id": "q", "text": "2 + 2?", **fields})

    log.append([LogEntry(query=about(task="sums"), arm=SMALL)])
    log.append([LogEntry(query=about(task="maths", ground_truth=("4", "four")), arm=LARGE)])

    assert list(log.queries()) == [about(task="sums", ground_truth=("4", "four"))]


def test_a_new_judge_version_keeps_both_judgements(log: RoutingLog) -> None:
    judged = entry()
    log.append([judged])
    old = Judgement(entry_key=judged.key, score=0.25, judge="rubric", judge_version="1")
    new = Judgement(entry_key=judged.key, score=0.75, judge="rubric", judge_version="2")

    assert log.append_judgements([old, new, old]) == 2
    assert list(log.judgements()) == [old, new]
    assert log.outcomes().judge.tolist() == [[0.75]]


def test_a_judgement_without_its_entry_is_refused_by_name(log: RoutingLog) -> None:
    judged = entry()
    log.append([judged])
    good = Judgement(entry_key=judged.key, score=1, judge="rubric")

    with pytest.raises(StoreError, match="entry 'nobody': no such entry"):
        log.append_judgements([good.model_copy(update={"entry_key": "nobody"}), good])

    assert list(log.judgements()) == [good]


def test_a_signal_with_a_key_of_its_own_may_be_given_again(log: RoutingLog) -> None:
    judged = entry()
    log.append([judged])
    first = Judgement(key="a", entry_key=judged.key, score=1.0, judge="feedback")
    again = first.model_copy(update={"key": "b"})

    assert log.append_judgements([first, again, first]) == 2

    assert [j.key for j in log.judgements()] == ["a", "b"]


def test_what_a_judge_has_not_scored_is_found(log: RoutingLog) -> None:
    answers = [entry(f"{i} + 1?", response="2", source="ab"[i % 2]) for i in range(4)]
    log.append([*answers, entry("5 + 5?", error="timeout"), entry("6 + 6?", performance=1.0)])
    keys = [answer.key for answer in answers]
    log.append_judgements(
        [
            Judgement(entry_key=keys[0], score=0.5, judge="rubric", judge_version="2"),
            Judgement(entry_key=keys[1], score=None, judge="rubric", judge_version="2"),
            Judgement(entry_key=keys[2], score=0.5, judge="rubric", judge_version="1"),
            Judgement(entry_key=keys[3], score=0.5, judge="panel", judge_version="2"),
        ]
    )

    assert list(log.unjudged("rubric", "2")) == answers[1:]
    assert list(log.unjudged("rubric", "2", LogFilter(sources=("b",)))) == [answers[1], answers[3]]


def test_the_attempts_of_a_turn_are_found_in_their_order(log: RoutingLog) -> None:
    attempts = [entry(key=content_key("turn", "t", i), sample=i) for i in range(20)]
    log.append([*attempts[::-1], entry(key=content_key("turn", "u", 0))])

    assert log.entries_of_turn("t") == attempts
    assert log.entries_of_turn("nobody") == []


def test_the_newest_calibration_of_each_version_of_a_judge_counts(log: RoutingLog) -> None:
    def line(judge: str, version: str, high: float) -> Calibration:
        return Calibration(
            judge=judge,
            judge_version=version,
            scores=(0.0, 0.1 + 0.2, 1.0),
            performances=(0.0, 1 / 3, high),
            n=60,
            time=NOON,
        )

    stored = [line("b", "2", 0.6), line("b", "1", 0.5), line("a", "1", 0.9), line("b", "2", 0.7)]
    for calibration in stored:
        log.append_calibration(calibration)

    assert log.calibrations() == [stored[2], stored[1], stored[3]]
    assert log.calibrations("b") == [stored[1], stored[3]]
    assert log.calibrations("c") == []


def test_judgements_are_found_by_judge_and_by_entry(log: RoutingLog) -> None:
    one, two = entry(), entry(arm=LARGE)
    log.append([one, two])
    verdicts = [
        Judgement(entry_key=e.key, score=0.5, judge=judge)
        for judge in ("rubric", "panel")
        for e in (one, two)
    ]
    log.append_judgements(verdicts)

    assert list(log.judgements(judge="panel")) == verdicts[2:]
    assert list(log.judgements(LogFilter(models=("large",)))) == [verdicts[1], verdicts[3]]
    assert list(log.judgements(LogFilter(models=("large",)), judge="rubric")) == [verdicts[1]]


@pytest.fixture
def varied(log: RoutingLog) -> RoutingLog:
    """Entries a to f, which differ in everything that can be asked for."""
    sums = Query(id="sums", text="2 + 2?", task="maths", split="train")
    verbs = Query(id="verbs", text="What is a verb?", task="grammar", split="test")
    free = Query(id="free", text="Who are you?")
    log.append(
        [
            LogEntry(key="a", query=sums, arm=SMALL, time=NOON, performance=1.0, cost=0.5),
            LogEntry(key="b", query=sums, arm=LARGE, time=NOON + timedelta(hours=1), cost=1.5),
            LogEntry(key="c", query=verbs, arm=SMALL, source="file", performance=0.5),
            LogEntry(key="d", query=verbs, arm=LARGE, error="timeout"),
            LogEntry(key="e", query=free, arm=SMALL, tenant="acme"),
            LogEntry(key="f", query=free, arm=Arm(model="large"), time=NOON - timedelta(days=1)),
        ]
    )
    return log


@pytest.mark.parametrize(
    ("where", "keys"),
    [
        (LogFilter(), "abcdef"),
        (LogFilter(tasks=("maths", "grammar")), "abcd"),
        (LogFilter(models=("large",)), "bdf"),
        (LogFilter(arms=("large@think",)), "bd"),
        (LogFilter(arms=("large", "small@direct")), "abcdef"),
        (LogFilter(arms=("small@think",)), ""),
        (LogFilter(sources=("file",)), "c"),
        (LogFilter(tenants=("acme",)), "e"),
        (LogFilter(splits=("test",)), "cd"),
        (LogFilter(query_ids=("free", "sums", "unknown")), "abef"),
        (LogFilter(query_ids=tuple(map(str, range(30_000)))), ""),
        (LogFilter(since=NOON), "ab"),
        (LogFilter(until=NOON), "f"),
        (LogFilter(since=NOON.astimezone(timezone(timedelta(hours=5))), until=NOON), ""),
        (LogFilter(errors=True), "d"),
        (LogFilter(errors=False), "abcef"),
        (LogFilter(models=()), ""),
        (LogFilter(models=("small",), tasks=("maths",)), "a"),
        (LogFilter(models=("large",), arms=("small",)), ""),
        (LogFilter(tasks=("' OR 1=1 --",)), ""),
    ],
)
def test_a_filter_picks_what_satisfies_all_its_fields(
    varied: RoutingLog, where: LogFilter, keys: str
) -> None:
    picked = list(varied.scan(where))

    assert "".join(e.key for e in picked) == keys
    assert varied.count(where) == len(keys)
    assert list(varied.queries(where)) == list(dict.fromkeys(_by_id(picked).values()))
    assert varied.outcomes(where).fingerprint == Outcomes.from_entries(picked).fingerprint


def _by_id(picked: list[LogEntry]) -> dict[str, Query]:
    return {e.query.id: e.query for e in picked}


def test_statistics_count_what_is_there(varied: RoutingLog) -> None:
    varied.append_judgements(
        [
            Judgement(entry_key="a", score=0.5, judge="rubric"),
            Judgement(entry_key="a", score=0.6, judge="panel"),
            Judgement(entry_key="b", score=None, judge="rubric"),
        ]
    )

    stats = varied.stats()

    assert (stats.entries, stats.queries, stats.errors, stats.scored, stats.judged) == (
        6,
        3,
        1,
        2,
        1,
    )
    assert (stats.performance, stats.cost) == (0.75, 2.0)
    assert (stats.first, stats.last) == (NOON - timedelta(days=1), NOON + timedelta(hours=1))
    arms = {g.name: (g.entries, g.queries, g.errors, g.scored, g.performance) for g in stats.arms}
    assert arms == {
        "large@direct": (1, 1, 0, 0, None),
        "large@think": (2, 2, 1, 0, None),
        "small@direct": (3, 3, 0, 2, 0.75),
    }
    assert [(g.name, g.entries, g.cost) for g in stats.tasks] == [
        ("grammar", 2, None),
        ("maths", 2, 2.0),
    ]
    assert [(g.name, g.entries) for g in stats.sources] == [("file", 1), ("local", 5)]
    assert [(g.name, g.entries) for g in stats.tenants] == [("acme", 1), ("default", 5)]


def test_statistics_of_an_empty_log_have_no_means(log: RoutingLog) -> None:
    stats = log.stats()

    assert (stats.entries, stats.performance, stats.cost, stats.first) == (0, None, None, None)
    assert stats.arms == ()


def test_outcomes_are_those_of_the_entries(varied: RoutingLog) -> None:
    varied.append(
        [entry("2 + 3?", performance=p, sample=i, cost=p) for i, p in enumerate((0.2, 0.6))]
    )

    outcomes = varied.outcomes()

    same = Outcomes.from_entries(varied.scan())
    assert (outcomes.queries, outcomes.arms) == (same.queries, same.arms)
    for name in ("performance", "judge", "cost", "latency", "propensity", "errors"):
        np.testing.assert_array_equal(getattr(outcomes, name), getattr(same, name))
    assert outcomes.performance[-1, 0] == pytest.approx(0.4)


def test_outcomes_of_an_empty_log_are_empty(log: RoutingLog) -> None:
    assert (log.outcomes().n_queries, log.outcomes().n_arms) == (0, 0)


def test_the_newest_judgement_with_a_score_counts(log: RoutingLog) -> None:
    judged, other = entry(), entry("3 + 3?")
    log.append([judged, other])
    for judge, version, score in (
        ("rubric", "1", 0.1),
        ("panel", "1", 0.9),
        ("rubric", "2", 0.3),
        ("metric", "1", None),
    ):
        log.append_judgements(
            [Judgement(entry_key=judged.key, score=score, judge=judge, judge_version=version)]
        )

    def scores(judge: str | None = None) -> list[float]:
        column: list[float] = log.outcomes(judge=judge).judge[:, 0].tolist()
        return column

    np.testing.assert_equal(scores(), [0.3, np.nan])
    np.testing.assert_equal(scores("panel"), [0.9, np.nan])
    np.testing.assert_equal(scores("metric"), [np.nan, np.nan])


def test_appending_during_a_scan_neither_blocks_nor_lengthens_it(log: RoutingLog) -> None:
    log.append(entry(f"{i} + 1?") for i in range(600))

    seen = [log.append([e.model_copy(update={"key": f"copy {e.key}"})]) for e in log.scan()]

    assert seen == [1] * 600
    assert log.count() == 1200


def test_a_scan_can_be_left_halfway(log: RoutingLog) -> None:
    log.append(entry(f"{i} + 1?") for i in range(600))

    scan = log.scan()
    next(scan)
    del scan

    assert log.append([entry("one more")]) == 1


def test_threads_share_a_log(log: RoutingLog) -> None:
    start = threading.Barrier(8)

    def work(thread: int) -> int:
        start.wait()
        stored = 0
        for i in range(20):
            stored += log.append([entry(f"{thread} and {i}"), entry(f"everyone's {i}")])
            assert log.count() >= i
        return stored

    with ThreadPoolExecutor(8) as pool:
        stored = sum(pool.map(work, range(8)))

    assert stored == log.count() == 8 * 20 + 20


def test_a_closed_log_says_so(tmp_path: Path) -> None:
    log = RoutingLog(tmp_path / "log.db")
    log.close()
    log.close()

    for use in (log.count, lambda: log.append([entry()]), lambda: list(log.scan())):
        with pytest.raises(StoreError, match="is closed"):
            use()


def test_the_repr_shows_where_and_nothing_of_what(log: RoutingLog) -> None:
    log.append([entry("a secret")])

    assert repr(log) == f"RoutingLog({str(log.path)!r})"
