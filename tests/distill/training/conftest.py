"""A tiny base with random weights, and data to learn, both made on the spot."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fusion_agents.distill.data.dataset import write_dataset
from fusion_agents.distill.nouns import Example, SelectionReport, TrainingData
from fusion_agents.testing.openai_server import OpenAIServer
from fusion_agents.types import Query

TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 \n.,:;?!+-*/=()'<|>_"


def make_base(folder: Path, *, template: str | None = TEMPLATE) -> Path:
    """A Llama with random weights whose tokens are letters."""
    import torch  # noqa: PLC0415 - of the extra
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers  # noqa: PLC0415
    from transformers import (  # noqa: PLC0415
        LlamaConfig,
        LlamaForCausalLM,
        PreTrainedTokenizerFast,
    )
    from transformers.utils import logging  # noqa: PLC0415

    special = ["<|pad|>", "<|unk|>", "<|im_start|>", "<|im_end|>"]
    vocabulary = {token: i for i, token in enumerate([*special, *LETTERS])}
    letters = Tokenizer(models.WordLevel(vocabulary, unk_token="<|unk|>"))
    letters.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    letters.decoder = decoders.Fuse()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=letters,
        pad_token="<|pad|>",
        unk_token="<|unk|>",
        eos_token="<|im_end|>",
        additional_special_tokens=["<|im_start|>"],
        chat_template=template,
    )
    tokenizer.save_pretrained(str(folder))
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(vocabulary),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=512,
            pad_token_id=0,
            bos_token_id=None,
            eos_token_id=3,
        )
    )
    logging.disable_progress_bar()
    model.save_pretrained(str(folder))
    logging.enable_progress_bar()
    return folder


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base(tmp_path_factory.mktemp("base"))


def question(i: int, task: str = "sums") -> Example:
    text = f"What is {i} + {i * 7 % 31}?"
    query = Query(text=text, task=task, ground_truth=str(i + i * 7 % 31), metric="exact_match")
    return Example(query=query, answer=f"{i + i * 7 % 31}.", kind="answer", teacher="oracle")


def training_data(examples: list[Example]) -> TrainingData:
    by_task: dict[str, int] = {}
    for example in examples:
        task = example.query.task or ""
        by_task[task] = by_task.get(task, 0) + 1
    report = SelectionReport(
        criterion="performance",
        n_questions=len(examples),
        n_examples=len(examples),
        n_pairs=0,
        by_task=by_task,
        by_teacher={"oracle": len(examples)},
        lengths={},
        dropped=(),
    )
    return TrainingData(examples=tuple(examples), report=report)


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "data"
    write_dataset(training_data([question(i) for i in range(40)]), folder)
    return folder


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    """A provider on loopback."""
    with OpenAIServer() as running:
        yield running


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"
