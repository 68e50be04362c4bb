"""A base and its tokenizer: no code of theirs is run, and no pickle read.

Importing this needs the extra `train`.
"""

import hashlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, cast

import datasets
import torch
from huggingface_hub import constants
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GenerationConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging

from fusion_agents.errors import ConfigError

_SAMPLE = 1 << 20
"""Bytes at each end of a large file that are looked at."""


def load_tokenizer(base: str, chat_template: str | None) -> PreTrainedTokenizerBase:
    """Load a base's tokenizer, with a chat template and a token for padding.

    Raises:
        ConfigError: If there is none, it has no chat template and none is given, or it has no
            token that ends an answer.
    """
    with _explained(base, "tokenizer"):
        tokenizer = cast(
            PreTrainedTokenizerBase, AutoTokenizer.from_pretrained(base, trust_remote_code=False)
        )
    if chat_template is not None:
        tokenizer.chat_template = chat_template
    if not tokenizer.chat_template:
        raise ConfigError(
            f"the base {base!r} has no chat template, so that it is not said how a question is put "
            "to it: take its chat or instruct version, or give a template (--chat-template FILE)"
        )
    if tokenizer.eos_token_id is None:
        raise ConfigError(
            f"the tokenizer of {base!r} has no end-of-sequence token: a student could not learn "
            "where an answer ends; set eos_token in its tokenizer_config.json"
        )
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def stop_tokens(base: str, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Tokens that end an answer when the base generates; the tokenizer's own is the first."""
    found = [cast(int, tokenizer.eos_token_id)]
    try:
        given = GenerationConfig.from_pretrained(base).eos_token_id
    except OSError:  # it has no such file
        given = None
    return list(dict.fromkeys([*found, *([given] if isinstance(given, int) else given or [])]))


def load_base(base: str, dtype: "torch.dtype | Literal['auto']") -> PreTrainedModel:
    """Load a base's weights from safetensors.

    Raises:
        ConfigError: If there are none, or its architecture is no causal language model.
    """
    with _explained(base, "causal language model with weights as safetensors"):
        model = AutoModelForCausalLM.from_pretrained(
            base, dtype=dtype, use_safetensors=True, trust_remote_code=False
        )
    return cast(PreTrainedModel, model)


@contextmanager
def _explained(base: str, what: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ConfigError(
            f"cannot load a {what} from {base!r}: {reason}; give a folder that Transformers "
            "saved, or a name on the hub"
        ) from error


def device_name() -> str:
    """Where training runs: `cuda`, `mps` or `cpu`."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def base_dtype(wanted: str) -> torch.dtype:
    """The base's number format: bfloat16 on a GPU that can, else float32, unless it is said."""
    if wanted == "auto":
        can = torch.cuda.is_available() and torch.cuda.is_bf16_supported()
        return torch.bfloat16 if can else torch.float32
    return torch.bfloat16 if wanted == "bfloat16" else torch.float32


def fingerprint(folder: Path) -> str:
    """Name a model by its files: small ones whole, of large ones the size and both ends."""
    digest = hashlib.sha256()
    for path in sorted(one for one in folder.iterdir() if one.is_file()):
        if path.suffix in {".json", ".safetensors", ".jinja", ".model", ".txt"}:
            digest.update(f"{path.name}\0{path.stat().st_size}\0".encode())
            digest.update(_ends(path))
    return digest.hexdigest()


def _ends(path: Path) -> bytes:
    size = path.stat().st_size
    with path.open("rb") as file:
        if size <= 16 * _SAMPLE:
            return file.read()
        first = file.read(_SAMPLE)
        file.seek(size - _SAMPLE)
        return first + file.read()


@contextmanager
def quietly() -> Iterator[None]:
    """Keep the libraries from writing to the terminal and from telling anybody what is run."""
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    ours, telemetry = datasets.are_progress_bars_disabled(), constants.HF_HUB_DISABLE_TELEMETRY
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    datasets.disable_progress_bars()
    _set(constants, "HF_HUB_DISABLE_TELEMETRY", True)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=FutureWarning)
            yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]
        if not ours:
            datasets.enable_progress_bars()
        _set(constants, "HF_HUB_DISABLE_TELEMETRY", telemetry)


def _set(module: Any, name: str, value: Any) -> None:
    setattr(module, name, value)
