"""Model files in the layout that Chroma expects, small enough to make on the spot.

The model looks up a random vector for each token. There is no ONNX library among our
dependencies, so the few protocol buffer fields that it takes are written by hand.
"""

import json
import struct
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

_WORDS = """
[PAD] [UNK] how many prime numbers are there below 100 ? which of these is a noble gas
def add return what who wrote the novel was ist die even 50
"""
_DIMENSIONS = 384
_FLOAT, _INT64 = 1, 7


def write_tiny_minilm(folder: Path) -> None:
    onnx = folder / "onnx"
    onnx.mkdir(parents=True)
    for name in ("config.json", "special_tokens_map.json", "tokenizer_config.json", "vocab.txt"):
        (onnx / name).write_text("{}")
    vocabulary = {word: i for i, word in enumerate(dict.fromkeys(_WORDS.split()))}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.save(str(onnx / "tokenizer.json"))
    assert json.loads((onnx / "tokenizer.json").read_text())["model"]["type"] == "WordLevel"
    (onnx / "model.onnx").write_bytes(_model(len(vocabulary)))


def _model(n_words: int) -> bytes:
    table = np.random.default_rng(0).normal(size=(n_words, _DIMENSIONS)).astype("<f4")
    tensor = (
        _varint_field(1, n_words) + _varint_field(1, _DIMENSIONS) + _varint_field(2, _FLOAT)
        + _bytes_field(8, b"table") + _bytes_field(9, table.tobytes())
    )  # fmt: skip
    gather = (
        _bytes_field(1, b"table") + _bytes_field(1, b"input_ids")
        + _bytes_field(2, b"last_hidden_state") + _bytes_field(4, b"Gather")
    )  # fmt: skip
    graph = _bytes_field(1, gather) + _bytes_field(2, b"tiny") + _bytes_field(5, tensor)
    for name in (b"input_ids", b"attention_mask", b"token_type_ids"):
        graph += _bytes_field(11, _value(name, _INT64, 2))
    graph += _bytes_field(12, _value(b"last_hidden_state", _FLOAT, 3))
    opset = _bytes_field(1, b"") + _varint_field(2, 13)
    return _varint_field(1, 8) + _bytes_field(7, graph) + _bytes_field(8, opset)


def _value(name: bytes, kind: int, n_axes: int) -> bytes:
    """A tensor whose axes have any length."""
    shape = b"".join(_bytes_field(1, _bytes_field(2, b"axis%d" % i)) for i in range(n_axes))
    tensor = _varint_field(1, kind) + _bytes_field(2, shape)
    return _bytes_field(1, name) + _bytes_field(2, _bytes_field(1, tensor))


def _varint_field(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _bytes_field(number: int, value: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += struct.pack("B", value & 0x7F | 0x80)
        value >>= 7
    return out + struct.pack("B", value)
