"""A tiny real Llama that was taught a little, made on the spot: a base for students in tests.

Importing this needs the extra `train`.
"""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from fusion_agents.simulation import generate_questions
from fusion_agents.simulation.questions import FAMILIES, MORE_FAMILIES, Question
from fusion_agents.testing.tiny_tokenizer import make_tiny_tokenizer

WINDOW = 512
"""Tokens of the longest conversation."""

_BATCH, _POOL = 32, 8
_LEARNING_RATE, _WARMUP, _WEIGHT_DECAY = 3e-3, 0.1, 0.01
_NAMING = 0.3
"""Share of the lessons that ask for a question's family instead of its answer."""
_LESSONS, _FEW_LESSONS, _OTHER_TEXTS = 4_000, 300, 500
_OWN_SEED = 1_000_003
"""Added to the seed, so that the base learns other questions than those of a log."""
_EMBEDDINGS_STD, _WEIGHTS_STD = 0.1, 0.06
"""Far more than of a large model: the adapter leaves embeddings and the head as they are, so they
must be able to tell tokens apart."""

T = TypeVar("T")


class _Lesson(NamedTuple):
    question: str
    answer: str


def make_tiny_llama(
    folder: Path,
    *,
    seed: int = 0,
    steps: int = 250,
    families: Sequence[str] = FAMILIES,
    hidden: int = 128,
    layers: int = 2,
    threads: int = 1,
) -> Path:
    """Write a tiny Llama with its tokenizer, trained on generated questions of some families.

    It learns to answer them, which it does badly, and to name their family, which it does well:
    enough to be worth adapting. Of the families that are only generated on request it knows
    the words, as any tokenizer does, and nothing else. About 0.6 million parameters; half a
    minute on one thread. The same arguments give the same weights on one machine.

    Args:
        folder: For the model; made if it is missing.
        seed: Of the weights and of the questions.
        steps: Of training, with 32 questions each; 0 leaves the weights as they were drawn, in
            less than a second.
        families: What it learns, see `generate_questions`.
        hidden: Width, a multiple of 8.
        layers: Their number.
        threads: Of the CPU while it is trained.

    Returns:
        The folder, as Transformers loads it.
    """
    lessons = _lessons(_LESSONS if steps else _FEW_LESSONS, seed, families)
    tokenizer = _tokenizer(lessons, seed)
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        model = _draw(tokenizer, hidden, layers)
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            _teach(model, _encode(lessons, tokenizer), steps, np.random.default_rng(seed))
        finally:
            torch.set_num_threads(before)
    model.eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _lessons(n: int, seed: int, families: Sequence[str]) -> list[_Lesson]:
    rng = np.random.default_rng(seed)
    return [
        _naming(question, families, rng)
        if rng.random() < _NAMING
        else _Lesson(question.text, question.answer)
        for question in generate_questions(n, seed + _OWN_SEED, families)
    ]


def _naming(question: Question, families: Sequence[str], rng: np.random.Generator) -> _Lesson:
    listed = ", ".join(families)
    texts = (
        f"What is this about: {listed}? {question.text}",
        f"{question.text}\nName the subject: {listed}.",
    )
    return _Lesson(texts[int(rng.integers(len(texts)))], question.family)


def _tokenizer(lessons: Sequence[_Lesson], seed: int) -> PreTrainedTokenizerFast:
    others = generate_questions(_OTHER_TEXTS, seed + _OWN_SEED, MORE_FAMILIES)
    texts = [text for lesson in lessons for text in lesson]
    return make_tiny_tokenizer([*texts, *(other.text for other in others)], window=WINDOW)


def _draw(tokenizer: PreTrainedTokenizerFast, hidden: int, layers: int) -> Any:
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        intermediate_size=2 * hidden,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=WINDOW,
        initializer_range=_WEIGHTS_STD,
        tie_word_embeddings=False,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    model: Any = LlamaForCausalLM(config)
    with torch.no_grad():
        for table in (model.get_input_embeddings(), model.get_output_embeddings()):
            table.weight.normal_(std=_EMBEDDINGS_STD)
    return model


def _encode(lessons: Sequence[_Lesson], tokenizer: PreTrainedTokenizerFast) -> list[list[int]]:
    turns = [
        [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
        for question, answer in lessons
    ]
    texts = [str(tokenizer.apply_chat_template(each, tokenize=False)) for each in turns]
    encoded: list[list[int]] = tokenizer(texts, add_special_tokens=False)["input_ids"]
    return encoded


def _teach(model: Any, rows: Sequence[list[int]], steps: int, rng: np.random.Generator) -> None:
    """Plain next-token prediction over whole conversations; the rate falls along a cosine."""
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=_LEARNING_RATE, betas=(0.9, 0.98), weight_decay=_WEIGHT_DECAY
    )
    model.train()
    for step, batch in zip(range(steps), _batches(rows, rng), strict=False):
        for group in optimizer.param_groups:
            group["lr"] = _LEARNING_RATE * _share(step, steps)
        model(**_tensors(batch, model.config.pad_token_id)).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()


def _share(step: int, steps: int) -> float:
    rise = min(1.0, (step + 1) / (_WARMUP * steps + 1))
    return rise * (1 + math.cos(math.pi * step / steps)) / 2


def _batches(rows: Sequence[list[int]], rng: np.random.Generator) -> Iterator[list[list[int]]]:
    """Without end, in random order; rows of about the same length go together."""
    while True:
        order = [rows[int(i)] for i in rng.permutation(len(rows))]
        for pool in _parts(order, _BATCH * _POOL):
            batches = list(_parts(sorted(pool, key=len), _BATCH))
            yield from (batches[int(i)] for i in rng.permutation(len(batches)))


def _parts(items: list[T], size: int) -> Iterator[list[T]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _tensors(batch: Sequence[list[int]], pad: int) -> dict[str, torch.Tensor]:
    """Rows filled up on the right, shape (n_rows, length of the longest)."""
    longest = max(map(len, batch))
    shown = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in batch])
    ids = torch.tensor([row + [pad] * (longest - len(row)) for row in batch])
    labels = torch.where(shown == 1, ids, -100)
    return {"input_ids": ids, "attention_mask": shown, "labels": labels}
