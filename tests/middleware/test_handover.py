from langchain_core.messages import AIMessage, AnyMessage, HumanMessage

from fusion_agents.middleware.handover import provider_named, provider_of, readable
from fusion_agents.pool.pool import Pool
from fusion_agents.testing.fake_chat import FakeChatModel
from tests.middleware.agents import OtherChatModel


def thought(provider: str | None, **extra: object) -> AIMessage:
    metadata = {} if provider is None else {"model_provider": provider}
    content: list[str | dict[str, object]] = [
        {"type": "thinking", "thinking": "hm", "signature": "x"},
        {"type": "text", "text": "Yes."},
    ]
    return AIMessage(content, response_metadata=metadata, additional_kwargs=dict(extra))


def test_thoughts_of_another_provider_are_left_out() -> None:
    history: list[AnyMessage] = [HumanMessage("Well?"), thought("anthropic", reasoning="hm", x=1)]
    found = readable(history, "openai")
    assert found[0] is history[0]
    assert found[1].content == [{"type": "text", "text": "Yes."}]
    assert found[1].additional_kwargs == {"x": 1}
    assert len(history[1].content) == 2


def test_thoughts_of_the_same_or_an_unknown_provider_stay() -> None:
    for message in (thought("google_genai"), thought("google-genai"), thought(None)):
        assert readable([message], "google_genai")[0] is message


def test_a_message_of_nothing_but_thoughts_becomes_empty() -> None:
    message = thought("anthropic")
    only = message.model_copy(update={"content": message.content[:1]})
    assert readable([only], "openai")[0].content == ""


def test_a_provider_is_known_from_a_models_name_or_from_the_model() -> None:
    pool = Pool({"a": "google-genai:gemini-3", "b": OtherChatModel(), "c": FakeChatModel()})
    assert [provider_named(pool, name) for name in "abc"] == ["google_genai", "other", "fake"]
    assert provider_of(OtherChatModel()) == "other"
