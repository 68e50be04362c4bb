"""The tiny Llama: real, made on the spot, and the same each time."""

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl")

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from fusion_agents.simulation import generate_questions
from fusion_agents.simulation.questions import FAMILIES, MORE_FAMILIES
from fusion_agents.testing.tiny_llama import WINDOW, make_tiny_llama

CHAT = [{"role": "user", "content": "2 + 2?"}, {"role": "assistant", "content": "4"}]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_llama(tmp_path_factory.mktemp("drawn"), steps=0)


def load(folder: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(folder).eval()


def same(one: Path, other: Path) -> bool:
    first, second = load(one).state_dict(), load(other).state_dict()
    return all(torch.equal(first[name], second[name]) for name in first)


def loss(folder: Path) -> float:
    """Mean over the tokens of some questions that it was not taught."""
    tokenizer, model = AutoTokenizer.from_pretrained(folder), load(folder)
    texts = [question.text for question in generate_questions(24, seed=7)]
    shown = tokenizer(texts, return_tensors="pt", padding=True)
    labels = shown["input_ids"].masked_fill(shown["attention_mask"] == 0, -100)
    with torch.no_grad():
        return float(model(**shown, labels=labels).loss)


def test_it_is_a_llama_of_less_than_a_million_parameters(drawn: Path) -> None:
    model = load(drawn)
    assert type(model).__name__ == "LlamaForCausalLM"
    assert 100_000 < model.num_parameters() < 1_000_000
    assert model.config.vocab_size == len(AutoTokenizer.from_pretrained(drawn))


def test_any_text_is_written_and_read_back(drawn: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(drawn)
    for text in ("Hello, world.", " two  spaces\n\ttab", "naïve Übergröße 日本 🙂", ""):
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        assert tokenizer.decode(ids) == text


def test_turns_are_written_as_in_chatml_and_end_with_the_token_that_ends_an_answer(
    drawn: Path,
) -> None:
    tokenizer = AutoTokenizer.from_pretrained(drawn)
    whole = tokenizer.apply_chat_template(CHAT, tokenize=False)
    prompt = tokenizer.apply_chat_template(CHAT[:1], tokenize=False, add_generation_prompt=True)
    assert prompt == (
        "<|begin_of_text|><|im_start|>user\n2 + 2?<|im_end|>\n<|im_start|>assistant\n"
    )
    assert whole == f"{prompt}4<|im_end|>\n"
    ids = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    assert ids.count(tokenizer.eos_token_id) == 1
    assert len({tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id}) == 3


def test_all_generated_questions_fit_its_window(drawn: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(drawn)
    questions = generate_questions(700, 3, (*FAMILIES, *MORE_FAMILIES))
    assert max(len(tokenizer(question.text)["input_ids"]) for question in questions) < WINDOW / 2


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        make_tiny_llama(tmp_path / name, seed=seed, steps=2, hidden=32, layers=1)
    assert same(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "a" / "tokenizer.json").read_bytes() == (
        tmp_path / "b" / "tokenizer.json"
    ).read_bytes()
    assert load(tmp_path / "a").lm_head.weight.shape[1] == 32
    assert not torch.equal(
        load(tmp_path / "a").model.norm.weight, load(tmp_path / "c").model.norm.weight
    )


def test_making_it_leaves_random_numbers_and_threads_as_they_were(tmp_path: Path) -> None:
    torch.manual_seed(5)
    wanted, threads = torch.rand(3), torch.get_num_threads()
    torch.manual_seed(5)
    make_tiny_llama(tmp_path, steps=1, hidden=32, layers=1, threads=threads + 1)
    assert torch.equal(torch.rand(3), wanted)
    assert torch.get_num_threads() == threads


def test_it_learns(tmp_path: Path) -> None:
    before = make_tiny_llama(tmp_path / "before", steps=1, hidden=64, layers=1)
    after = make_tiny_llama(tmp_path / "after", steps=60, hidden=64, layers=1)
    assert loss(after) < loss(before) - 2
