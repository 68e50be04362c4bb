from langchain_core.language_models import FakeListChatModel
from langchain_openai import ChatOpenAI

from fusion_agents.pool import Pool
from fusion_agents.pool.cards import with_profile
from fusion_agents.testing.fake_chat import FakeChatModel
from fusion_agents.types import ModelCard


def test_a_models_own_profile_fills_in_the_card(planted: str) -> None:
    card = Pool({"small": "openai:gpt-5-mini"}).card("small")
    assert card.model == "small"
    assert card.tools
    assert card.vision
    assert card.structured_output
    assert card.context_window == ChatOpenAI(model="gpt-5-mini").profile["max_input_tokens"]  # type: ignore[index]
    assert card.description == "GPT-5 Mini"


def test_what_the_user_says_comes_first(planted: str) -> None:
    table = {
        "model": "openai:gpt-5-mini",
        "description": "ours",
        "context_window": 1_000,
        "vision": False,
        "price": {"input": 0.25, "output": 2.0},
        "size": 8,
    }
    card = Pool({"small": table}).card("small")
    assert (card.description, card.context_window, card.vision) == ("ours", 1_000, False)
    assert (card.input_price, card.output_price, card.size) == (0.25, 2.0, 8.0)
    assert card.tools is True


def test_a_model_without_a_profile_leaves_the_card_open() -> None:
    card = ModelCard(model="m")
    assert with_profile(card, FakeListChatModel(responses=["4"])) == card


def test_a_model_that_calls_tools_gives_structured_output() -> None:
    calling = FakeChatModel(profile={"tool_calling": True, "structured_output": False})
    unable = FakeChatModel(profile={"tool_calling": False, "structured_output": False})
    assert with_profile(ModelCard(model="m"), calling).structured_output is True
    assert with_profile(ModelCard(model="m"), unable).structured_output is False
