"""How fast students are trained: tokens a second of the very trainer that `distill train` uses.

The model is a Llama with random weights in the asked size, made on the spot (how fast it learns
does not depend on what it knows), or any base:

    python -m benchmarks.distill_training --hidden 256 --layers 4
    python -m benchmarks.distill_training --base Qwen/Qwen3-0.6B --batch 8 --length 1024

On a GPU if there is one, in bfloat16; else on the CPU in 32 bits.
"""

import argparse
import tempfile
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from fusion_agents.distill.data.dataset import write_dataset
from fusion_agents.distill.nouns import Example, SelectionReport, TrainingData
from fusion_agents.distill.training.estimating import estimate_training
from fusion_agents.distill.training.loading import base_dtype
from fusion_agents.distill.training.options import TrainingOptions
from fusion_agents.types import Query

_TEMPLATE = (
    "{% for m in messages %}<s>{{ m['role'] }}\n{{ m['content'] }}</s>{% endfor %}"
    "{% if add_generation_prompt %}<s>assistant\n{% endif %}"
)


def make_base(folder: Path, hidden: int, layers: int, vocabulary: int) -> Path:
    """A Llama whose tokens are letters; the other tokens only make its output layer as large."""
    letters = {"<s>": 0, "</s>": 1, "?": 2} | {chr(i): i for i in range(3, 256)}
    letters |= {f"token {i}": i for i in range(256, vocabulary)}
    made = Tokenizer(models.WordLevel(letters, unk_token="?"))
    made.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    made.decoder = decoders.Fuse()
    PreTrainedTokenizerFast(
        tokenizer_object=made,
        bos_token="<s>",
        eos_token="</s>",
        unk_token="?",
        chat_template=_TEMPLATE,
    ).save_pretrained(folder)
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=hidden,
        intermediate_size=hidden * 8 // 3 // 8 * 8,
        num_hidden_layers=layers,
        num_attention_heads=max(hidden // 64, 1),
        bos_token_id=0,
        eos_token_id=1,
    )
    LlamaForCausalLM(config).to(base_dtype("auto")).save_pretrained(folder)
    return folder


def make_data(folder: Path, n: int, length: int) -> Path:
    """Questions and answers of about `length` letters together, half of them the answer's."""
    half = max(length // 2 - 16, 4)
    examples = tuple(
        Example(
            query=Query(text=(f"{i} asks: " + "how many are there " * half)[:half]),
            answer=("there are so many " * half)[:half],
            kind="label",
        )
        for i in range(n)
    )
    report = SelectionReport(
        criterion="label",
        n_questions=n,
        n_examples=n,
        n_pairs=0,
        by_task={},
        by_teacher={},
        lengths={},
        dropped=(),
    )
    write_dataset(TrainingData(examples=examples, report=report), folder)
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", help="a folder or a name on the hub; else one is made")
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--vocabulary", type=int, default=8_000)
    parser.add_argument("--length", type=int, default=512, help="tokens of an example, if letters")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--accumulation", type=int, default=1)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--threads", type=int)
    given = parser.parse_args()
    options = TrainingOptions(
        batch=given.batch,
        accumulation=given.accumulation,
        threads=given.threads,
        max_length=2 * given.length + 64,
    )
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        size = (given.hidden, given.layers, given.vocabulary)
        base = given.base or str(make_base(root / "base", *size))
        data = make_data(root / "data", 16 * given.batch * given.accumulation, given.length)
        found = estimate_training(data, base, options, measured=given.steps)
        print(f"base: {given.base or 'hidden {}, {} layers, {} tokens'.format(*size)}")
    print(f"device: {found.device}, {str(base_dtype('auto')).removeprefix('torch.')}")
    if found.device == "cuda":
        print(f"gpu: {torch.cuda.get_device_name()}, ", end="")
        print(f"{torch.cuda.max_memory_allocated() / 2**30:.1f} GiB at most")
    mean = found.tokens / max(found.n_examples, 1)
    print(f"batches of {given.batch} x {given.accumulation}, {mean:.0f} tokens an example")
    print(f"{found.tokens_per_second:,.0f} tokens/s over {given.steps} steps")


if __name__ == "__main__":
    main()
