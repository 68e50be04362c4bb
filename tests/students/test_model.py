import asyncio
import copy
import pickle
import threading
import time
from pathlib import Path

import pytest
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)

from fusion_agents.answering.faults import classify
from fusion_agents.errors import ConfigError
from fusion_agents.students import StudentChatModel
from fusion_agents.students.errors import ContextOverflowError, InvalidRequestError

peft = pytest.importorskip("peft")
torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
tiny = pytest.importorskip("tests.students.tiny", exc_type=ImportError)

LONG = 5_000_000
"""Tokens that take hours."""


def ask(folder: Path, question: str = "Hello", **options: object) -> AIMessage:
    return StudentChatModel(folder=str(folder), max_tokens=24, **options).invoke(question)


def streamed(model: StudentChatModel, question: str = "Hello") -> tuple[list[str], AIMessageChunk]:
    chunks = list(model.stream(question))
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    return [str(chunk.content) for chunk in chunks], whole


def busy(model: StudentChatModel) -> bool:
    """Whether the thread of the model begins."""
    for _ in range(6000):
        if not model.load().engine.idle:
            return True
        time.sleep(0.01)
    return False


def idle(model: StudentChatModel) -> bool:
    """Whether the thread of the model ends, long before a long answer would be there."""
    for _ in range(6000):
        if model.load().engine.idle:
            return True
        time.sleep(0.01)
    return False


def test_the_answer_is_the_one_that_transformers_gives_without_the_question(base: Path) -> None:
    tokenizer = tiny.tiny_tokenizer()
    prompt = tokenizer.apply_chat_template(
        [{"role": "user", "content": "Hello"}], add_generation_prompt=True, return_tensors="pt"
    )["input_ids"]
    model = transformers.LlamaForCausalLM.from_pretrained(base).eval()
    with torch.inference_mode():
        for _ in range(24):
            token = model(input_ids=prompt).logits[:, -1].argmax(-1, keepdim=True)
            prompt = torch.cat([prompt, token], dim=1)
    assert ask(base).content == tokenizer.decode(prompt[0, -24:], skip_special_tokens=True)


def test_usage_and_the_finish_reason_are_those_of_the_tokens(base: Path) -> None:
    answer = ask(base)
    expected = len("Hello") + len("user\nassistant\n\n") + 4
    assert answer.usage_metadata == {
        "input_tokens": expected,
        "output_tokens": 24,
        "total_tokens": expected + 24,
    }
    assert answer.response_metadata["finish_reason"] == "length"
    assert answer.response_metadata["model_name"] == base.name


def test_an_answer_that_comes_to_its_end_says_so(tmp_path: Path) -> None:
    folder = tiny.make_base(tmp_path / "base")
    model = transformers.LlamaForCausalLM.from_pretrained(folder)
    with torch.no_grad():  # whatever is asked, the turn ends at once
        model.lm_head.weight[:] = 0.0
        model.model.norm.weight[:] = 0.0
        model.lm_head.weight[3] = 1.0
        model.model.norm.weight[:] = 0.0
    model.generation_config.eos_token_id = [0, 3]
    model.save_pretrained(folder)
    answer = ask(folder)
    assert answer.response_metadata["finish_reason"] == "stop"
    assert answer.content == ""
    assert answer.usage_metadata is not None
    assert answer.usage_metadata["output_tokens"] == 1


def test_a_student_answers_otherwise_than_its_base_and_its_sibling(
    base: Path, student: Path, other: Path
) -> None:
    answers = [ask(folder).content for folder in (base, student, other)]
    assert len(set(answers)) == 3
    assert [ask(folder).content for folder in (base, student, other)] == answers


def test_base_and_students_share_one_copy_of_the_weights(
    base: Path, student: Path, other: Path
) -> None:
    models = [StudentChatModel(folder=str(folder)) for folder in (base, student, other, student)]
    assert len({id(model.load().engine) for model in models}) == 1
    assert models[1].load() is models[3].load()


def test_a_student_is_what_peft_makes_of_it(base: Path, student: Path, tmp_path: Path) -> None:
    merged = peft.PeftModel.from_pretrained(
        transformers.LlamaForCausalLM.from_pretrained(base), student / "adapter"
    )
    merged.merge_and_unload().save_pretrained(tmp_path / "merged")
    tiny.tiny_tokenizer().save_pretrained(tmp_path / "merged")
    assert ask(tmp_path / "merged").content == ask(student).content


def test_merged_weights_are_taken_where_there_are_some(student: Path, tmp_path: Path) -> None:
    (tmp_path / "student.json").write_text((student / "student.json").read_text())
    tiny.make_base(tmp_path / "merged", seed=7)
    assert ask(tmp_path).content == ask(tmp_path / "merged").content
    assert ask(tmp_path).response_metadata["model_name"] == "student"


def test_a_folder_of_an_adapter_alone_is_a_student(student: Path) -> None:
    assert ask(student / "adapter").content == ask(student).content


def test_waiting_calls_get_the_answers_that_they_get_alone(base: Path, student: Path) -> None:
    questions = ["Hello " * n for n in range(1, 9)]
    models = [StudentChatModel(folder=str(folder), max_tokens=24) for folder in (base, student)]
    alone = [models[n % 2].invoke(question).content for n, question in enumerate(questions)]

    async def together() -> list[BaseMessage]:
        calls = (models[n % 2].ainvoke(question) for n, question in enumerate(questions))
        return list(await asyncio.gather(*calls))

    assert [answer.content for answer in asyncio.run(together())] == alone


def test_a_recommended_penalty_is_not_applied(base: Path) -> None:
    assert transformers.GenerationConfig.from_pretrained(base).repetition_penalty == 1.8
    config = StudentChatModel(folder=str(base)).load().engine.decoding
    assert (config.repetition_penalty or 1.0, config.do_sample) == (1.0, False)


def test_a_stream_says_the_same_as_one_answer(student: Path) -> None:
    model = StudentChatModel(folder=str(student), max_tokens=40)
    pieces, whole = streamed(model)
    answer = model.invoke("Hello")
    assert len([piece for piece in pieces if piece]) > 3
    assert whole.content == answer.content
    assert whole.usage_metadata == answer.usage_metadata
    assert whole.response_metadata == answer.response_metadata


async def test_an_asynchronous_stream_says_the_same(student: Path) -> None:
    model = StudentChatModel(folder=str(student), max_tokens=40)
    pieces = [str(chunk.content) async for chunk in model.astream("Hello")]
    assert "".join(pieces) == model.invoke("Hello").content


def test_an_answer_ends_before_a_stop_sequence_in_a_stream_too(student: Path) -> None:
    model = StudentChatModel(folder=str(student), max_tokens=40)
    whole = str(model.invoke("Hello").content)
    stop = whole[12:15]
    model = StudentChatModel(folder=str(student), max_tokens=40, stop=["nowhere", stop])
    answer = model.invoke("Hello")
    assert answer.content == whole[: whole.index(stop)]
    assert answer.response_metadata["finish_reason"] == "stop"
    pieces, streamed_whole = streamed(model)
    assert "".join(pieces) == answer.content
    assert streamed_whole.usage_metadata == answer.usage_metadata


def test_draws_are_those_of_the_seed_alone_or_in_a_batch(student: Path) -> None:
    drawn = StudentChatModel(folder=str(student), max_tokens=24, temperature=5.0, seed=3)
    alone = drawn.invoke("Hello").content
    assert alone != ask(student).content
    assert drawn.invoke("Hello", seed=4).content != alone
    assert [a.content for a in drawn.batch(["Hello", "What?", "Hello"])][::2] == [alone, alone]


def test_the_random_numbers_of_the_process_are_left_alone(student: Path) -> None:
    model = StudentChatModel(folder=str(student), max_tokens=24, temperature=5.0)
    model.load()
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    model.invoke("Hello")
    assert torch.equal(torch.rand(1), expected)


def test_a_conversation_with_a_system_message_is_read_as_the_template_has_it(base: Path) -> None:
    messages = [SystemMessage("Be brief."), HumanMessage("One?"), AIMessage("1"), HumanMessage("?")]
    roles = [{"role": role} for role in ("system", "user", "assistant", "user")]
    turns = [{**turn, "content": str(m.content)} for turn, m in zip(roles, messages, strict=True)]
    tokenizer = tiny.tiny_tokenizer()
    expected = tokenizer.apply_chat_template(turns, add_generation_prompt=True)["input_ids"]
    assert StudentChatModel(folder=str(base)).load().tokens_of(messages) == expected


@pytest.mark.parametrize(
    "message",
    [
        ToolMessage("4", tool_call_id="1"),
        AIMessage("", tool_calls=[{"name": "add", "args": {}, "id": "1"}]),
        HumanMessage([{"type": "image", "url": "http://127.0.0.1/a.png"}]),
    ],
)
def test_what_is_no_text_is_refused(base: Path, message: BaseMessage) -> None:
    with pytest.raises(InvalidRequestError, match="a student") as caught:
        StudentChatModel(folder=str(base)).invoke([HumanMessage("?"), message])
    assert classify(caught.value).kind == "bad_request"


def test_a_template_that_knows_no_system_message_says_so(tmp_path: Path) -> None:
    template = (
        "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
        + tiny.TEMPLATE
    )
    folder = tiny.make_base(tmp_path / "base", template=template)
    with pytest.raises(InvalidRequestError, match=r"system, user\): no system"):
        StudentChatModel(folder=str(folder)).invoke([SystemMessage("."), HumanMessage("?")])


def test_a_model_without_a_chat_template_is_refused(tmp_path: Path) -> None:
    folder = tiny.make_base(tmp_path / "base", template=None)
    with pytest.raises(ConfigError, match="has no chat template"):
        ask(folder)


def test_too_long_a_question_is_the_fault_that_answering_knows(base: Path) -> None:
    with pytest.raises(ContextOverflowError, match="tokens, and the context window") as caught:
        ask(base, "word " * 300)
    assert classify(caught.value).kind == "context_overflow"


def test_an_answer_ends_where_the_context_window_does(base: Path) -> None:
    model = StudentChatModel(folder=str(base), max_tokens=1024)
    answer = model.invoke("a" * (tiny.WINDOW - 30))
    assert answer.usage_metadata is not None
    assert answer.usage_metadata["total_tokens"] == tiny.WINDOW
    assert answer.response_metadata["finish_reason"] == "length"


def test_an_option_that_it_does_not_know_is_refused(base: Path) -> None:
    with pytest.raises(InvalidRequestError, match=r"'top_p': it knows max_tokens"):
        StudentChatModel(folder=str(base)).invoke("?", top_p=0.5)
    with pytest.raises(InvalidRequestError, match="temperature: "):
        StudentChatModel(folder=str(base)).invoke("?", temperature=-1)


def test_a_call_that_takes_too_long_is_given_up(endless: Path) -> None:
    model = StudentChatModel(folder=str(endless), max_tokens=LONG, timeout=0.05)
    model.load()
    for call in (model.invoke, lambda text: list(model.stream(text))):
        with pytest.raises(TimeoutError) as caught:
            call("Hello")
        assert classify(caught.value).kind == "timeout"
    assert idle(model)


async def test_a_cancelled_call_stops_its_model(endless: Path) -> None:
    model = StudentChatModel(folder=str(endless), max_tokens=LONG)
    model.load()
    call = asyncio.create_task(model.ainvoke("Hello"))
    assert await asyncio.to_thread(busy, model)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert await asyncio.to_thread(idle, model)


def test_a_stream_that_is_left_stops_its_model(endless: Path) -> None:
    model = StudentChatModel(folder=str(endless), max_tokens=LONG)
    stream = model.stream("Hello")
    next(stream)
    assert not model.load().engine.idle
    stream.close()  # type: ignore[attr-defined]
    assert idle(model)


def test_one_call_that_is_given_up_takes_nothing_from_the_others(base: Path) -> None:
    model = StudentChatModel(folder=str(base), max_tokens=64)
    expected = model.invoke("Hello").content
    said: list[object] = []
    thread = threading.Thread(target=lambda: said.append(model.invoke("Hello").content))
    stream = model.stream("What?")
    next(stream)
    thread.start()
    stream.close()  # type: ignore[attr-defined]
    thread.join()
    assert said == [expected]


def test_copies_and_pickles_answer_the_same(student: Path) -> None:
    model = StudentChatModel(folder=str(student), max_tokens=24)
    expected = model.invoke("Hello").content
    for twin in (copy.deepcopy(model), model.model_copy(), pickle.loads(pickle.dumps(model))):
        assert twin.invoke("Hello").content == expected
    assert len(pickle.dumps(model)) < 10_000


def test_files_that_changed_are_loaded_anew(base: Path, tmp_path: Path) -> None:
    folder = tiny.make_student(tmp_path / "student", base, seed=5)
    old = StudentChatModel(folder=str(folder), max_tokens=24)
    before = old.invoke("Hello").content
    tiny.make_student(folder, base, seed=6)
    assert ask(folder).content != before
    assert old.invoke("Hello").content == before


def test_its_profile_says_what_it_is_able_to_do(base: Path) -> None:
    profile = StudentChatModel(folder=str(base)).profile
    assert profile is not None
    assert profile["max_input_tokens"] == tiny.WINDOW
    assert profile["tool_calling"] is False
