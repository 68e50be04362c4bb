from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from fusion_agents.strategies.placing import after_system, extend_question, question_at

RESULTS = HumanMessage([{"type": "tool_result", "tool_use_id": "1", "content": "4"}])


def test_the_question_is_the_last_human_message() -> None:
    messages = [HumanMessage("Hello"), AIMessage("Hi."), HumanMessage("2 + 2?"), AIMessage("4")]
    assert question_at(messages) == 2


def test_a_human_message_that_only_carries_results_asks_nothing() -> None:
    assert question_at([HumanMessage("2 + 2?"), RESULTS]) == 0
    assert question_at([RESULTS]) is None
    assert after_system([RESULTS, HumanMessage("2 + 2?")]) is None


def test_an_empty_question_becomes_the_words_alone() -> None:
    assert extend_question([HumanMessage(" ")], "Think.")[0].content == "Think."


def test_a_question_in_blocks_gets_one_more() -> None:
    asked = HumanMessage(["2 + 2?", {"type": "text", "text": "Or 3?"}])
    sent = extend_question([asked], "Think.")
    assert sent[0].content == [*asked.content, {"type": "text", "text": "Think."}]
    assert len(asked.content) == 2


def test_examples_go_behind_all_leading_system_prompts() -> None:
    messages: list[BaseMessage] = [SystemMessage("a"), SystemMessage("b"), HumanMessage("c")]
    assert after_system(messages) == 2
    assert after_system(messages[:2]) is None
    assert after_system([AIMessage("a"), *messages]) is None
