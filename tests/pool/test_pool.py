import copy
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from langchain_core.messages import HumanMessage
from langchain_ollama import ChatOllama
from langchain_openai import ChatOpenAI

from fusion_agents.conversation import Needs
from fusion_agents.errors import ConfigError
from fusion_agents.pool import Pool, PoolModel
from fusion_agents.strategies.direct import DirectStrategy
from fusion_agents.testing.fake_chat import FakeChatModel
from fusion_agents.types import Arm, ModelCard, Usage

SMALL, LARGE = "openai:gpt-5-mini", "openai:gpt-5"


def arms(pool: Pool) -> list[str]:
    return [str(arm) for arm in pool.arms]


def test_models_are_known_by_the_users_names_in_the_order_given() -> None:
    pool = Pool({"small": SMALL, "large": LARGE})
    assert list(pool.models) == ["small", "large"]
    assert arms(pool) == ["small@direct", "large@direct"]


def test_strategies_make_arms() -> None:
    pool = Pool({"small": {"model": SMALL, "strategies": ["think", "direct", "think"]}})
    assert arms(pool) == ["small@think", "small@direct"]


def test_a_strategy_that_needs_a_log_gives_an_arm_once_it_is_there() -> None:
    pool = Pool({"small": {"model": SMALL, "strategies": ["direct", "few-shot"]}})
    assert arms(pool) == ["small@direct"]
    assert pool.missing_strategies == {"few-shot"}
    with pytest.raises(ConfigError, match="from_log"):
        pool.strategy("few-shot")
    whole = pool.with_strategies({"few-shot": DirectStrategy()})
    assert arms(whole) == ["small@direct", "small@few-shot"]
    assert whole.missing_strategies == frozenset()


def test_an_unknown_strategy_is_refused_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match=r"'small'.*unknown strategy 'ponder'.*direct.*think"):
        Pool({"small": {"model": SMALL, "strategies": ["ponder"]}})
    with pytest.raises(ConfigError, match="unknown strategy 'ponder'"):
        Pool({"small": SMALL}).strategy("ponder")


@pytest.mark.parametrize("name", ["", " ", " small", "small@think", "a\nb", "a\x00"])
def test_a_bad_name_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="cannot name a model"):
        Pool({name: SMALL})


@pytest.mark.parametrize("name", ["meta-llama/Llama-3.1-8B", "gpt-4o (eu)", "模型", "a:b"])
def test_ordinary_names_are_taken(name: str) -> None:
    assert Arm.parse(str(Pool({name: SMALL}).arms[0])) == Arm(model=name)


def test_an_empty_pool_is_refused() -> None:
    with pytest.raises(ConfigError, match="empty"):
        Pool({})


@pytest.mark.parametrize("models", [["openai:gpt-5"], "openai:gpt-5", None])
def test_what_is_no_dict_is_refused(models: object) -> None:
    with pytest.raises(ConfigError, match="dict"):
        Pool(models)  # type: ignore[arg-type]


def test_a_name_that_is_no_text_is_refused() -> None:
    with pytest.raises(ConfigError, match="must be a text"):
        Pool({3: SMALL})  # type: ignore[dict-item]


def test_one_model_under_two_names_is_refused() -> None:
    with pytest.raises(ConfigError, match="'a' and 'b' are the same model"):
        Pool({"a": SMALL, "b": SMALL})
    with pytest.raises(ConfigError, match="differ only in case"):
        Pool({"Small": SMALL, "small": LARGE})


def test_one_model_with_two_settings_is_two_models() -> None:
    pool = Pool({"cold": {"model": SMALL, "temperature": 0.0}, "warm": {"model": SMALL}})
    assert len(pool.arms) == 2


@pytest.mark.parametrize("value", [None, 3, ["openai:gpt-5"], ""])
def test_what_is_no_model_is_refused(value: object) -> None:
    with pytest.raises(ConfigError, match="small"):
        Pool({"small": value})  # type: ignore[dict-item]


def test_a_bound_model_is_refused_with_a_reason() -> None:
    with pytest.raises(ConfigError, match="without anything bound"):
        Pool({"small": FakeChatModel().bind(stop=["x"])})  # type: ignore[dict-item]


def test_a_pool_model_keeps_its_name() -> None:
    member = PoolModel(name="small", spec=SMALL, strategies=("think",))
    assert member.card.model == "small"
    assert arms(Pool({"small": member})) == ["small@think"]
    with pytest.raises(ConfigError, match="called 'small', not 'tiny'"):
        Pool({"tiny": member})


def test_chat_models_answer() -> None:
    pool = Pool({"small": FakeChatModel(answer="4"), "large": FakeChatModel(answer="four")})
    said = [pool.chat_model(name).invoke([HumanMessage("2 + 2?")]).text for name in pool.models]
    assert said == ["4", "four"]


def test_a_chat_model_is_made_once_whoever_asks(planted: str) -> None:
    pool = Pool({"small": SMALL})
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda _: pool.chat_model("small"), range(32)))
    assert len({id(model) for model in made}) == 1
    assert isinstance(made[0], ChatOpenAI)
    assert pool.with_strategies({}).chat_model("small") is made[0]


def test_a_pool_needs_neither_key_nor_package_until_a_model_is_asked() -> None:
    pool = Pool({"small": SMALL, "claude": "anthropic:claude-sonnet-4-5"})
    assert [pool.unfit(arm, Needs(tools=True)) for arm in pool.arms] == [None, None]
    assert pool.card("small") == ModelCard(model="small")
    assert pool.for_arms([]).arms == pool.arms
    with pytest.raises(ConfigError, match="OPENAI_API_KEY"):
        pool.chat_model("small")


def test_a_key_that_comes_later_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = Pool({"small": SMALL})
    assert pool.card("small").tools is None
    monkeypatch.setenv("OPENAI_API_KEY", "sk-late-0123456789")
    assert isinstance(pool.chat_model("small"), ChatOpenAI)
    assert pool.card("small").tools is True


def test_an_unknown_model_is_refused_with_those_there_are() -> None:
    pool = Pool({"small": SMALL})
    for ask in (pool.chat_model, pool.card, lambda name: pool.cost(name, Usage())):
        with pytest.raises(ConfigError, match=r"no model 'tiny'.*'small'"):
            ask("tiny")


def test_an_arm_is_unfit_for_what_its_model_cannot_do() -> None:
    able = {"tools": False, "vision": False, "structured_output": False}
    pool = Pool({"small": {"model": FakeChatModel(), **able}})
    arm = pool.arms[0]
    assert pool.unfit(arm, Needs()) is None
    assert "tools" in str(pool.unfit(arm, Needs(tools=True)))
    assert "pictures" in str(pool.unfit(arm, Needs(vision=True)))
    assert "structured output" in str(pool.unfit(arm, Needs(structured_output=True)))
    assert "thought" in str(pool.unfit(Arm(model="small", strategy="thought"), Needs()))


def test_an_arm_is_unfit_for_what_its_context_window_cannot_hold() -> None:
    pool = Pool(
        {
            "small": {
                "model": FakeChatModel(),
                "context_window": 1_356,
                "strategies": ["direct", "think"],
            }
        }
    )
    direct, think = pool.arms
    assert pool.unfit(direct, Needs(tokens=1_000)) is None
    assert "1358 tokens" in str(pool.unfit(direct, Needs(tokens=1_001)))
    assert pool.unfit(think, Needs(tokens=1_000)) is not None


def test_tokens_cost_what_the_settings_say() -> None:
    price = {"input": 1.0, "output": 10, "cached_input": 0.1}
    pool = Pool({"small": {"model": SMALL, "price": price}, "large": "ollama:qwen3"})
    usage = Usage(input_tokens=1_000_000, output_tokens=100_000, cached_tokens=500_000)
    assert pool.cost("small", usage) == pytest.approx(0.5 + 0.05 + 1.0)
    assert pool.cost("large", usage) is None
    assert pool.cost("small", Usage(input_tokens=3)) is None


def test_cached_tokens_cost_the_cards_price_unless_another_is_known() -> None:
    pool = Pool({"small": {"model": SMALL, "price": {"input": 1.0, "output": 10.0}}})
    usage = Usage(input_tokens=1_000_000, output_tokens=0, cached_tokens=2_000_000)
    assert pool.cost("small", usage) == pytest.approx(1.0)


def test_a_pool_is_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "models.toml"
    path.write_text('[models.small]\nmodel = "openai:gpt-5-mini"\n')
    assert arms(Pool.from_toml(path)) == ["small@direct"]


def test_a_key_is_in_no_repr_and_in_no_dump(planted: str) -> None:
    headers = {"Authorization": f"Bearer {planted}"}
    pool = Pool(
        {
            "small": SMALL,
            "given": ChatOpenAI(model="gpt-5", default_headers=headers),
            "ollama": ChatOllama(model="m", client_kwargs={"headers": headers}),
        }
    )
    for name in pool.models:
        pool.chat_model(name)
    shown = [repr(pool), str(pool), repr(pool.models), str(pool.models["given"])]
    shown += [repr(tool) for tool in pool.as_tools()] + [repr(pool.card("given"))]
    assert planted not in " ".join(shown)
    assert pool.secrets() == {planted, f"Bearer {planted}"}
    for held in (pool, pool.models["given"], pool.models["ollama"]):
        with pytest.raises(TypeError, match="holds a key"):
            pickle.dumps(held)


def test_a_pool_of_strings_is_pickled_without_its_keys(planted: str) -> None:
    pool = Pool({"small": {"model": SMALL, "strategies": ["think"]}})
    pool.chat_model("small")
    dumped = pickle.dumps(pool)
    assert planted.encode() not in dumped
    again = pickle.loads(dumped)
    assert again.arms == pool.arms
    assert again.chat_model("small").model_name == "gpt-5-mini"


def test_a_deep_copy_of_a_pool_is_the_pool(planted: str) -> None:
    pool = Pool({"given": ChatOpenAI(model="gpt-5")})
    assert copy.deepcopy(pool) is pool


def test_secrets_are_known_before_a_given_model_is_asked(planted: str) -> None:
    assert Pool({"given": ChatOpenAI(model="gpt-5")}).secrets() == {planted}
    assert Pool({"small": SMALL}).secrets() == frozenset()
