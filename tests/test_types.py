import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from fusion_agents.types import (
    Arm,
    Judgement,
    LogEntry,
    ModelCard,
    Noun,
    Query,
    ThoughtTemplate,
    Usage,
    content_key,
)

ARM = Arm(model="m")
QUERY = Query(text="2 + 2?")

texts = st.text(max_size=30)
json_texts = st.text(st.characters(codec="utf-8"), max_size=30)
scores = st.floats(0, 1)
entries = st.builds(
    LogEntry,
    query=st.builds(Query, text=json_texts, task=st.none() | json_texts),
    arm=st.builds(
        Arm,
        model=st.text(st.characters(codec="utf-8"), min_size=1, max_size=10),
        strategy=st.sampled_from(["direct", "think", "thought-2"]),
    ),
    response=st.none() | json_texts,
    usage=st.builds(Usage, input_tokens=st.none() | st.integers(0, 10**9)),
    cost=st.none() | st.floats(0, 1e6),
    performance=st.none() | scores,
    propensity=st.floats(1e-6, 1),
    sample=st.integers(0, 5),
    time=st.none() | st.datetimes(timezones=st.just(UTC)),
)


@given(entries)
def test_a_log_entry_survives_json(entry: LogEntry) -> None:
    assert LogEntry.model_validate_json(entry.model_dump_json()) == entry


def test_a_log_entry_survives_json_in_strict_mode() -> None:
    query = Query(text="2 + 2?", ground_truth=("4", "four"))
    entry = LogEntry(
        query=query, arm=ARM, template_ids=("t",), time=datetime(2026, 1, 1, tzinfo=UTC)
    )
    without_key = entry.model_dump_json(exclude={"key": True, "query": {"id"}})
    assert LogEntry.model_validate_json(entry.model_dump_json(), strict=True) == entry
    assert LogEntry.model_validate_json(without_key, strict=True) == entry


@given(entries)
def test_the_key_of_an_entry_follows_from_its_content_and_not_from_its_time(
    entry: LogEntry,
) -> None:
    content = entry.model_dump(exclude={"key", "time"})
    later = LogEntry.model_validate({**content, "time": datetime(2030, 1, 1, tzinfo=UTC)})
    assert later.key == entry.key


@pytest.mark.parametrize(
    "change",
    [
        {"query": Query(text="2 + 3?")},
        {"arm": Arm(model="m", strategy="think")},
        {"response": "4"},
        {"performance": 1.0},
        {"sample": 1},
        {"source": "elsewhere"},
        {"tenant": "other"},
    ],
)
def test_entries_that_differ_have_different_keys(change: dict[str, object]) -> None:
    plain: dict[str, object] = {"query": QUERY, "arm": ARM}
    assert LogEntry(**plain).key != LogEntry(**{**plain, **change}).key


def test_the_same_entry_written_with_nouns_or_with_dicts_has_the_same_key() -> None:
    nouns = LogEntry(query=QUERY, arm=ARM, usage=Usage(input_tokens=3))
    dicts = LogEntry.model_validate(
        {
            "query": QUERY.model_dump(),
            "arm": ARM.model_dump(),
            "usage": Usage(input_tokens=3).model_dump(),
        }
    )
    assert nouns.key == dicts.key


def test_values_that_are_spelled_out_and_values_that_are_left_out_give_the_same_key() -> None:
    short = LogEntry(query=QUERY, arm=ARM)
    long = LogEntry.model_validate({**short.model_dump(), "key": None})
    assert long.key == short.key


def test_an_entry_with_a_lone_surrogate_has_a_key() -> None:
    first = LogEntry(query=QUERY, arm=ARM, response="a\ud800")
    second = LogEntry(query=QUERY, arm=ARM, response="a\ud801")
    assert first.key != second.key


def test_a_given_key_is_kept_and_an_empty_one_is_refused() -> None:
    assert LogEntry(key="call-17", query=QUERY, arm=ARM).key == "call-17"
    with pytest.raises(ValidationError, match="key"):
        LogEntry(key="", query=QUERY, arm=ARM)


def test_a_query_is_named_by_its_task_and_text() -> None:
    assert Query(text="a").id == Query(text="a", ground_truth="b").id
    assert Query(text="a").id != Query(text="b").id
    assert Query(text="a", task="t").id != Query(text="a").id
    assert Query(text="a", id="mine").id == "mine"
    assert Query.model_validate({"text": "a", "id": None}).id == Query(text="a").id
    with pytest.raises(ValidationError, match="id"):
        Query(text="a", id="")


def test_a_query_with_a_lone_surrogate_has_an_id() -> None:
    assert Query(text="a\ud800").id != Query(text="a\ud801").id


@given(st.lists(st.none() | st.integers() | texts, max_size=3))
def test_a_content_key_is_32_hexadecimal_digits(parts: list[object]) -> None:
    key = content_key(*parts)
    assert len(key) == 32
    assert set(key) <= set("0123456789abcdef")


def test_parts_of_a_content_key_do_not_run_into_each_other() -> None:
    assert content_key("ab", "c") != content_key("a", "bc")
    assert content_key("1") != content_key(1)


@pytest.mark.parametrize(
    ("name", "model", "strategy"),
    [
        ("gpt@think", "gpt", "think"),
        ("gpt", "gpt", "direct"),
        ("user@host/model@think", "user@host/model", "think"),
        ("org/model@2024-01", "org/model@2024-01", "direct"),
        ("model@", "model@", "direct"),
        ("@think", "@think", "direct"),
        ("model@Think", "model@Think", "direct"),
    ],
)
def test_an_arm_is_read_from_its_name(name: str, model: str, strategy: str) -> None:
    assert Arm.parse(name) == Arm(model=model, strategy=strategy)


@given(st.text(min_size=1, max_size=20), st.from_regex(r"[a-z][a-z0-9_-]{0,8}", fullmatch=True))
def test_an_arm_survives_being_written_and_read(model: str, strategy: str) -> None:
    arm = Arm(model=model, strategy=strategy)
    assert Arm.parse(str(arm)) == arm


def test_an_arm_without_a_model_is_refused() -> None:
    with pytest.raises(ValidationError):
        Arm.parse("")


@pytest.mark.parametrize("value", [-0.1, 1.1, math.nan, math.inf])
def test_a_performance_outside_of_0_and_1_is_refused(value: float) -> None:
    with pytest.raises(ValidationError, match="performance"):
        LogEntry(query=QUERY, arm=ARM, performance=value)


@pytest.mark.parametrize(
    "wrong",
    [
        {"cost": -1.0},
        {"cost": math.inf},
        {"latency": -0.5},
        {"propensity": 0.0},
        {"propensity": 1.5},
        {"sample": -1},
        {"usage": {"input_tokens": -1}},
        {"time": datetime(2026, 1, 1)},  # noqa: DTZ001 - the point of the test
        {"verdict": "fine"},
    ],
)
def test_values_that_make_no_sense_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        LogEntry.model_validate({"query": QUERY, "arm": ARM, **wrong})


def test_an_error_is_not_a_wrong_answer() -> None:
    assert LogEntry(query=QUERY, arm=ARM, error="timeout").performance is None
    with pytest.raises(ValidationError, match="error cannot have a performance"):
        LogEntry(query=QUERY, arm=ARM, error="timeout", performance=0.0)


def test_nouns_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        QUERY.text = "other"  # type: ignore[misc]


def test_a_judgement_that_failed_has_no_score_and_a_key_of_its_own() -> None:
    failed = Judgement(entry_key="e", score=None, judge="rubric")
    scored = Judgement(entry_key="e", score=0.0, judge="rubric")
    assert failed.score is None
    assert failed.key != scored.key


def test_judgements_by_a_new_version_of_a_judge_are_other_judgements() -> None:
    first = Judgement(entry_key="e", score=1.0, judge="rubric", judge_version="1")
    second = Judgement(entry_key="e", score=1.0, judge="rubric", judge_version="2")
    assert first.key != second.key
    assert first.key == first.model_copy(update={"time": datetime(2026, 1, 1, tzinfo=UTC)}).key


def test_a_model_card_with_a_size_of_nothing_is_refused() -> None:
    with pytest.raises(ValidationError, match="size"):
        ModelCard(model="m", size=0)


GOLDEN_QUERY = Query(text="2 + 2?", task="sums", ground_truth=("4", "four"))
GOLDEN_TEMPLATE = ThoughtTemplate(
    problem="Add.", reasoning="Count on.", question="2 + 2?", query_id="sum"
)


def test_derived_names_are_what_they_were_in_logs_that_exist() -> None:
    entry = LogEntry(
        query=GOLDEN_QUERY,
        arm=Arm(model="m", strategy="think"),
        response="4",
        usage=Usage(input_tokens=3),
        cost=0.5,
        performance=1.0,
        template_ids=("t",),
        time=datetime(2026, 1, 1, tzinfo=UTC),
    )
    estimated = LogEntry(query=GOLDEN_QUERY, arm=ARM, cost=0.5, cost_estimated=True)
    said = Judgement(entry_key="e", judge="rubric", score=0.7, reason="good")
    more = said.model_dump(exclude={"key"}) | {"usefulness": 0.5, "source": "user"}
    assert GOLDEN_QUERY.id == "5a17d8768e825584adc4c844e6c7148c"
    assert Query(text="Größe \ud800?").id == "4957a3c2bb17d92e6fb62068cd437775"
    assert entry.key == "e9c07b75f2e91db615965d0979777b1b"
    assert estimated.key == "44581ca409d3e7d464bb6946fd46d8fc"
    assert said.key == "133a281c790909a20af0e1f8f923432c"
    assert Judgement.model_validate(more).key == "41d6296b81eb42c8f1b1b08b1905a5f3"
    assert GOLDEN_TEMPLATE.id == "980a5371ea220a010fa64e771c744eaf"


@pytest.mark.parametrize(
    ("noun", "name"),
    [
        (GOLDEN_QUERY, "id"),
        (LogEntry(query=QUERY, arm=ARM), "key"),
        (Judgement(entry_key="e", judge="rubric", score=0.7), "key"),
        (GOLDEN_TEMPLATE, "id"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_name_that_is_none_is_derived_and_an_empty_one_is_refused(noun: Noun, name: str) -> None:
    content = noun.model_dump()
    assert type(noun).model_validate({**content, name: None}) == noun
    assert getattr(type(noun).model_validate({**content, name: "mine"}), name) == "mine"
    with pytest.raises(ValidationError, match=name):
        type(noun).model_validate({**content, name: ""})
    with pytest.raises(ValidationError, match=name):
        type(noun).model_validate({**content, name: 7})
