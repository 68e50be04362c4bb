from langchain_core.messages import HumanMessage, SystemMessage

from fusion_agents.strategies.direct import DirectStrategy
from fusion_agents.types import Query


def test_the_conversation_is_sent_as_it_is() -> None:
    messages = [SystemMessage("Be brief."), HumanMessage("2 + 2?")]
    prompt = DirectStrategy().prompt(messages, Query(text="2 + 2?"))
    assert prompt.messages == messages
    assert prompt.template_ids == ()
