import pytest
from langchain_core.language_models import FakeListChatModel
from langchain_openai import ChatOpenAI

from fusion_agents.pool import Pool
from fusion_agents.testing.fake_chat import FakeChatModel
from fusion_agents.types import Arm


def arms(*names: str) -> list[Arm]:
    return [Arm.parse(name) for name in names]


def names(found: tuple[Arm, ...]) -> list[str]:
    return [str(arm) for arm in found]


POOL = Pool(
    {
        "small": {"model": "openai:gpt-5-mini", "strategies": ["direct", "think"]},
        "large": "openai:gpt-5",
        "new": "ollama:llama3.1:8b",
    }
)


def test_arms_that_the_log_knows_come_first() -> None:
    coverage = POOL.for_arms(arms("large@think", "small@think", "gone@direct"))
    assert names(coverage.arms) == ["small@think", "large@think", "small@direct", "new@direct"]
    assert names(coverage.learned) == ["small@think", "large@think"]
    assert names(coverage.unlearned) == ["small@direct", "new@direct"]
    assert names(coverage.unavailable) == ["gone@direct"]


def test_a_model_that_names_no_strategies_gets_those_of_the_log() -> None:
    coverage = POOL.for_arms(arms("large@think", "large@direct", "large@thought"))
    assert names(coverage.learned) == ["large@think", "large@direct"]
    assert names(coverage.unavailable) == ["large@thought"]


def test_without_a_log_every_arm_is_a_fallback() -> None:
    coverage = POOL.for_arms([])
    assert coverage.arms == coverage.unlearned == POOL.arms
    assert coverage.learned == coverage.unavailable == coverage.suggestions == ()


@pytest.mark.parametrize(
    ("logged", "name", "spec"),
    [
        ("gpt-5-mini", "small", "openai:gpt-5-mini"),
        ("openai/gpt-5-mini-2025-08-07", "small", "openai:gpt-5-mini"),
        ("meta-llama/Llama-3.1-8B-Instruct", "local", "ollama:llama3.1:8b"),
        ("claude-3-5-haiku", "fast", "anthropic:claude-3-5-haiku-20241022"),
        ("Small", "small", "openai:gpt-5-mini"),
    ],
)
def test_a_likely_renaming_is_suggested(logged: str, name: str, spec: str) -> None:
    coverage = Pool({name: spec, "other": "openai:o3"}).for_arms(arms(f"{logged}@direct"))
    assert len(coverage.suggestions) == 1
    assert f"the log's {logged!r} looks like the pool's {name!r} ({spec})" in coverage.report()


@pytest.mark.parametrize("logged", ["gpt-5-nano", "gpt-5", "gpt-4-mini", "llama-3.1-8b", "o3"])
def test_another_model_is_not_taken_for_a_renaming(logged: str) -> None:
    pool = Pool({"small": "openai:gpt-5-mini", "big": "ollama:llama3.1:70b"})
    assert pool.for_arms(arms(logged)).suggestions == ()


def test_a_given_chat_model_is_recognised_by_its_own_name(planted: str) -> None:
    pool = Pool({"small": ChatOpenAI(model="gpt-5-mini"), "fake": FakeChatModel(model="tiny-2")})
    said = pool.for_arms(arms("gpt-5-mini", "tiny-2")).report()
    assert "'gpt-5-mini' looks like the pool's 'small'" in said
    assert "'tiny-2' looks like the pool's 'fake'" in said


def test_a_chat_model_without_a_name_goes_by_its_class() -> None:
    pool = Pool({"small": FakeListChatModel(responses=["4"])})
    assert "FakeListChatModel" in pool.for_arms(arms("fakelistchatmodels")).report()


def test_the_report_says_it_in_words() -> None:
    said = POOL.for_arms(arms("small@direct", "small@thought", "gone@direct")).report()
    assert said.splitlines() == [
        "learned from the log: small@direct",
        "not in the log, so only fallbacks: small@think, large@direct, new@direct",
        "not in the pool, so never asked: small@thought, gone@direct",
        "the pool's 'small' is not prompted as 'thought'",
    ]
