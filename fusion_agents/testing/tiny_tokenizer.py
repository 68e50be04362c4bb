"""A small real tokenizer, made on the spot. Importing this needs the extra `train`."""

from collections.abc import Iterable
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

_PAD, _BEGIN, _TURN, _END = "<|pad|>", "<|begin_of_text|>", "<|im_start|>", "<|im_end|>"
_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def make_tiny_tokenizer(
    texts: Iterable[str], *, vocabulary: int = 1_024, window: int = 512
) -> PreTrainedTokenizerFast:
    """Learn byte-level BPE from texts; turns are written as in ChatML.

    Any text can be written with it, and read back. The same texts give the same tokenizer.

    Args:
        texts: What to learn from.
        vocabulary: Tokens at most; at least the 256 bytes and four control tokens.
        window: Tokens of the longest conversation.
    """
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    raw.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=vocabulary,
            special_tokens=[_PAD, _BEGIN, _TURN, _END],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    make: Any = PreTrainedTokenizerFast
    tokenizer: PreTrainedTokenizerFast = make(
        tokenizer_object=raw,
        pad_token=_PAD,
        bos_token=_BEGIN,
        eos_token=_END,
        additional_special_tokens=[_TURN],
        padding_side="left",
        model_max_length=window,
        chat_template=_TEMPLATE,
    )
    return tokenizer
