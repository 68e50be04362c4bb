"""A sentence encoder from a folder of the sentence-transformers kind, run by Transformers."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fusion_agents.encoders.base import Encoder, Vectors
from fusion_agents.encoders.encodable import encodable
from fusion_agents.errors import EncoderError, MissingExtraError

if TYPE_CHECKING:
    import torch

_CHARS_PER_TOKEN = 32
_KNOWN_MODULES = {"Transformer", "Pooling", "Normalize"}
_READ = ("*.json", "*.safetensors", "*.txt", "1_Pooling/config.json")
"""The files that vectors depend on."""


class _Model(NamedTuple):
    tokenizer: Any
    network: Any
    first_token: bool
    """Whether the vector is that of the first token; otherwise it is the mean of all."""
    digest: str


@dataclass(kw_only=True)
class TransformerEncoder(Encoder):
    """Sentence vectors from a model on this machine, such as all-MiniLM-L6-v2.

    Nothing is downloaded, no code of the model is run, and weights are read from safetensors only.
    Get a model once with `hf download sentence-transformers/all-MiniLM-L6-v2`, or put its files
    into a folder. Needs torch and Transformers (extra `train`). It takes about 25 ms of processor
    time a text of 70 word pieces; put a `CachedEncoder` around it where texts come again.

    Args:
        path: A folder, or the name of a model in the cache of the Hugging Face hub.
        max_tokens: Word pieces of a text that are read.
        batch_size: Texts that are encoded at once.
    """

    name = "transformer"

    path: str = "sentence-transformers/all-MiniLM-L6-v2"
    max_tokens: int = 256
    batch_size: int = 16

    model_: _Model | None = field(default=None, init=False, repr=False, compare=False)

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Encode each text as a unit vector.

        Raises:
            EncoderError: If the model is not here, or cannot be read.
            MissingExtraError: If torch or Transformers is not installed.
        """
        model = self._model()
        cut = [encodable(text, self.max_tokens * _CHARS_PER_TOKEN) for text in texts]
        pieces = [self._pieces(model, text) for text in cut]
        vectors = np.zeros((len(texts), model.network.config.hidden_size), dtype=np.float32)
        by_length = sorted(range(len(texts)), key=lambda i: len(pieces[i]))
        for start in range(0, len(texts), self.batch_size):
            rows = by_length[start : start + self.batch_size]
            vectors[rows] = _encoded(model, [pieces[row] for row in rows])
        return vectors

    @property
    def identity(self) -> str:
        """The SHA-256 of the model's files, and how much of a text it reads."""
        return f"{self.name}-{self._model().digest[:16]}-{self.max_tokens}"

    def _pieces(self, model: _Model, text: str) -> list[int]:
        found = model.tokenizer(text, truncation=True, max_length=self.max_tokens)
        return list(found["input_ids"])

    def _model(self) -> _Model:
        if self.model_ is None:
            self.model_ = _load(_folder(self.path))
        return self.model_


def _encoded(model: _Model, pieces: list[list[int]]) -> Vectors:
    import torch  # noqa: PLC0415

    batch = model.tokenizer.pad({"input_ids": pieces}, return_tensors="pt")
    with torch.inference_mode():
        states = model.network(**batch).last_hidden_state
        pooled = states[:, 0] if model.first_token else _mean(states, batch["attention_mask"])
        vectors = torch.nn.functional.normalize(pooled.float(), dim=1)
    return np.asarray(vectors.numpy(), dtype=np.float32)


def _mean(states: "torch.Tensor", mask: "torch.Tensor") -> "torch.Tensor":
    weights = mask.unsqueeze(-1).to(states.dtype)
    return (states * weights).sum(dim=1) / weights.sum(dim=1)


def _folder(path: str) -> Path:
    """Where the files are; nothing is downloaded."""
    if Path(path).expanduser().is_dir():
        return Path(path).expanduser()
    try:
        from huggingface_hub import snapshot_download  # noqa: PLC0415
        from huggingface_hub.errors import HFValidationError  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtraError("the encoder 'transformer'", "train") from error
    try:
        return Path(snapshot_download(path, local_files_only=True))
    except (OSError, HFValidationError) as error:
        raise EncoderError(
            f"the encoder 'transformer' finds no model {path!r} on this machine: give the folder "
            f"that holds it, or run `hf download {path}`; nothing is downloaded without being asked"
        ) from error


def _load(folder: Path) -> _Model:
    try:
        from transformers import AutoModel, AutoTokenizer  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtraError("the encoder 'transformer'", "train") from error
    given: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    try:
        first_token = _takes_first_token(folder)
        # "[SEP]" in a question is text, not the end of it
        tokenizer = AutoTokenizer.from_pretrained(folder, split_special_tokens=True, **given)
        with _no_progress_bar():
            network = AutoModel.from_pretrained(folder, use_safetensors=True, **given)
        digest = _digest(folder)
    except EncoderError:
        raise
    except Exception as error:  # transformers, tokenizers and safetensors share no base class
        raise EncoderError(
            f"the encoder 'transformer' cannot read the model in {str(folder)!r}: {error}; "
            "it needs config.json, a tokenizer and weights as safetensors"
        ) from error
    return _Model(tokenizer, network.float().eval(), first_token, digest)


@contextmanager
def _no_progress_bar() -> Iterator[None]:
    from transformers.utils import logging  # noqa: PLC0415

    bars: Any = logging
    shown = bars.is_progress_bar_enabled()
    bars.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            bars.enable_progress_bar()


def _takes_first_token(folder: Path) -> bool:
    """Read how token vectors become one; refuse what would be left out in silence."""
    modules = folder / "modules.json"
    listed = json.loads(modules.read_text("utf-8")) if modules.exists() else []
    others = {str(module["type"]).rpartition(".")[2] for module in listed} - _KNOWN_MODULES
    pooling = folder / "1_Pooling" / "config.json"
    said = json.loads(pooling.read_text("utf-8")) if pooling.exists() else {}
    modes = {mode for mode, used in said.items() if mode.startswith("pooling_mode_") and used}
    others |= modes - {"pooling_mode_mean_tokens", "pooling_mode_cls_token"}
    if others or len(modes) > 1:
        raise EncoderError(
            f"the encoder 'transformer' cannot run {', '.join(sorted(others or modes))} of the "
            f"model in {str(folder)!r}: use one whose vectors are the mean of its tokens, or the "
            "first; or give LangChain embeddings"
        )
    return modes == {"pooling_mode_cls_token"}


def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in _files(folder):
        digest.update(f"{path.relative_to(folder)}\0".encode())
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _files(folder: Path) -> Iterator[Path]:
    for pattern in _READ:
        yield from sorted(folder.glob(pattern))
