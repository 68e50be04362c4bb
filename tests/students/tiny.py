"""A small real model with a real tokenizer, of random weights: made on the spot."""

import json
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

SPECIAL = ("<pad>", "<s>", "<|im_start|>", "<|im_end|>")
WINDOW = 1024
TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}"
    "{{ '<|im_start|>' + m['role'] + '\n' + m['content'] | trim + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def tiny_tokenizer(template: str | None = TEMPLATE) -> PreTrainedTokenizerFast:
    """One token a byte, after four control tokens."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: number for number, token in enumerate([*SPECIAL, *letters])}
    raw = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=raw,
        bos_token="<s>",
        eos_token="<|im_end|>",
        pad_token="<pad>",
        additional_special_tokens=["<|im_start|>"],
    )
    tokenizer.chat_template = template
    return tokenizer


def make_base(
    folder: Path, *, seed: int = 0, template: str | None = TEMPLATE, window: int = WINDOW
) -> Path:
    """Write a model; its weights are wild, so that no two tokens are about as likely."""
    torch.manual_seed(seed)
    tokenizer = tiny_tokenizer(template)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=window,
        initializer_range=0.6,
        bos_token_id=1,
        eos_token_id=3,
        pad_token_id=0,
    )
    model = LlamaForCausalLM(config)
    with torch.no_grad():  # it says letters, and ends when it is cut off
        model.lm_head.weight[: len(SPECIAL)] = 0.0
    model.generation_config.repetition_penalty = 1.8  # as a model may recommend for itself
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def make_student(folder: Path, base: Path, *, seed: int = 1, name: str = "student") -> Path:
    """Write what training writes, with an adapter that was not trained but drawn."""
    torch.manual_seed(seed)
    model = LlamaForCausalLM.from_pretrained(base)
    adapted = get_peft_model(model, LoraConfig(r=8, target_modules="all-linear"))
    with torch.no_grad():
        for parameter_name, parameter in adapted.named_parameters():
            if "lora_B" in parameter_name:
                parameter.normal_(std=0.3)
    adapted.save_pretrained(folder / "adapter")
    said = {"name": name, "spec": f"student:{folder}", "base": str(base), "provider": "local"}
    (folder / "student.json").write_text(json.dumps(said))
    return folder
