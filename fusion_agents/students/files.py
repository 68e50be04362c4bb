"""Which files make up a student: read without PyTorch, and without a network."""

import json
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module, util
from math import prod
from pathlib import Path
from typing import Any

from fusion_agents.errors import ConfigError, MissingExtraError

NOTE = "student.json"
"""What a folder with a trained student holds."""

_PREFIX = "student:"
_CONFIG, _ADAPTER = "config.json", "adapter_config.json"
_WEIGHTS, _ADAPTER_WEIGHTS = "*.safetensors", "adapter_model.safetensors"
_HUB_NAME = re.compile(r"(?:[A-Za-z0-9][\w.-]*/)?[A-Za-z0-9][\w.-]*")
_LIBRARIES = ("torch", "transformers", "peft")
_LONGEST_HEADER = 100_000_000
"""Bytes, as the format allows."""


@dataclass(frozen=True)
class StudentFiles:
    """Where a student's weights, adapter and tokenizer are."""

    name: str
    """What it calls itself."""
    base: str
    """The whole weights: a folder, or a name on the hub."""
    adapter: Path | None = None
    """What was learned on top of them."""

    @property
    def tokenizer(self) -> str:
        """Where the tokenizer is: with the adapter if training wrote one, else with the base."""
        if self.adapter is not None and (self.adapter / "tokenizer_config.json").is_file():
            return str(self.adapter)
        return self.base

    @property
    def base_folder(self) -> Path | None:
        """Where the base's files are on this machine; none if they have yet to be fetched."""
        return Path(self.base) if Path(self.base).is_dir() else _fetched(self.base)


def spec_of(place: str | Path) -> str:
    """How a pool makes the model of a folder, or of a name on the hub, on this machine.

    >>> spec_of("students/arithmetic")
    'student:students/arithmetic'
    """
    return f"{_PREFIX}{place}"


def place_in(spec: object) -> str | None:
    """Where the model of a spec is; none if it is not asked on this machine.

    >>> place_in("student:students/arithmetic"), place_in("openai:gpt-5-mini")
    ('students/arithmetic', None)
    """
    is_here = isinstance(spec, str) and spec.startswith(_PREFIX)
    return str(spec).removeprefix(_PREFIX) if is_here else None


def find_student(where: str | Path) -> StudentFiles:
    """Say which files make up a model.

    Args:
        where: What training wrote (`student.json`), a PEFT adapter, a Transformers model, or a
            model's name on the hub. If training also merged the adapter, the merged weights are
            taken.

    Raises:
        ConfigError: If the folder or the base is not there, is no model, or has weights in no
            safe format.
    """
    folder = Path(where).expanduser()
    if not folder.is_dir():
        return _on_hub(str(where))
    folder = folder.resolve()
    if (folder / NOTE).is_file():
        return _trained(folder)
    if (folder / _ADAPTER).is_file():
        return _over_base(folder.name, folder, _read(folder / _ADAPTER), "base_model_name_or_path")
    if (folder / _CONFIG).is_file():
        _check_weights(folder)
        return StudentFiles(folder.name, str(folder))
    raise ConfigError(
        f"{str(folder)!r} holds no model: there is neither {NOTE}, {_ADAPTER} nor {_CONFIG}"
    )


def check_extra() -> None:
    """Refuse to go on without what runs a student.

    Raises:
        MissingExtraError: With the extra to install.
    """
    if any(util.find_spec(name) is None for name in _LIBRARIES):
        raise MissingExtraError("a student that answers on this machine", "train")


def context_window(files: StudentFiles) -> int | None:
    """Tokens that the model can take in and give together; none if it does not say."""
    folder = files.base_folder
    config = {} if folder is None else _read(folder / _CONFIG)
    for part in (config, config.get("text_config")):
        found = part.get("max_position_embeddings") if isinstance(part, dict) else None
        if isinstance(found, int) and found > 0:
            return found
    return None


def billions(files: StudentFiles) -> float | None:
    """Billions of parameters, counted from the headers of the weights; none if they are not here.

    The adapter's are left out: merged, they are none.
    """
    folder = files.base_folder
    shapes = [] if folder is None else list(_shapes(folder))
    return sum(map(prod, shapes)) / 1e9 if shapes else None


def adapter_rank(files: StudentFiles) -> int | None:
    """The largest rank of the adapter; none without an adapter."""
    if files.adapter is None:
        return None
    config = _read(files.adapter / _ADAPTER)
    ranks = [config.get("r"), *(config.get("rank_pattern") or {}).values()]
    return max((rank for rank in ranks if isinstance(rank, int)), default=None)


def _trained(folder: Path) -> StudentFiles:
    said = _read(folder / NOTE)
    name = str(said.get("name") or folder.name)
    merged, adapter = folder / "merged", folder / "adapter"
    if (merged / _CONFIG).is_file():
        _check_weights(merged)
        return StudentFiles(name, str(merged))
    if said.get("provider", "local") != "local":
        raise ConfigError(
            f"{str(folder)!r}: the student {name!r} is at the provider {said['provider']!r}: ask "
            f"it as {said.get('spec')!r}"
        )
    if not (adapter / _ADAPTER).is_file():
        raise ConfigError(
            f"{str(folder)!r}: the student {name!r} has neither an adapter/ nor a merged/ folder: "
            "train it to the end"
        )
    return _over_base(name, adapter, said, "base")


def _over_base(name: str, adapter: Path, said: dict[str, Any], field: str) -> StudentFiles:
    base = said.get(field)
    if not isinstance(base, str) or not base:
        raise ConfigError(f"{str(adapter)!r}: the adapter does not say what its base is")
    if not (adapter / _ADAPTER_WEIGHTS).is_file():
        raise ConfigError(f"{str(adapter)!r}: there is no {_ADAPTER_WEIGHTS}")
    folder = Path(base).expanduser()
    if (folder / _CONFIG).is_file():
        _check_weights(folder)
        return StudentFiles(name, str(folder.resolve()), adapter)
    if not _may_be_on_hub(base):
        raise ConfigError(
            f"{str(adapter)!r}: its base {base!r} is gone: put it back, or merge the adapter "
            "when training"
        )
    return StudentFiles(name, base, adapter)


def _on_hub(name: str) -> StudentFiles:
    if not _may_be_on_hub(name):
        raise ConfigError(f"there is no folder {name!r}: name the one that training wrote")
    return StudentFiles(name.rpartition("/")[2], name)


def _may_be_on_hub(name: str) -> bool:
    """Whether it has the form `owner/model` or `model`."""
    return _HUB_NAME.fullmatch(name) is not None


def _fetched(name: str) -> Path | None:
    """The folder of a model from the hub that is on this machine already."""
    if util.find_spec("huggingface_hub") is None:
        return None
    found = import_module("huggingface_hub").try_to_load_from_cache(name, _CONFIG)
    return Path(found).parent if isinstance(found, str) else None


def _check_weights(folder: Path) -> None:
    if not any(folder.glob(_WEIGHTS)):
        raise ConfigError(
            f"{str(folder)!r} has no weights in the format safetensors; others are not read, as "
            "they can hold code"
        )


def _read(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"cannot read {str(file)!r}: {error}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{str(file)!r}: must hold one JSON object")
    return content


def _shapes(folder: Path) -> Iterator[list[int]]:
    for file in sorted(folder.glob(_WEIGHTS)):
        for name, tensor in _header(file).items():
            if name != "__metadata__":
                yield tensor["shape"]


def _header(file: Path) -> dict[str, Any]:
    """What a file of weights says about itself, as JSON after its own length in 8 bytes."""
    try:
        with file.open("rb") as opened:
            (length,) = struct.unpack("<Q", opened.read(8))
            text = opened.read(min(length, _LONGEST_HEADER))
        header = json.loads(text)
    except (OSError, ValueError, struct.error) as error:
        raise ConfigError(f"cannot read {str(file)!r}: {error}") from error
    return header if isinstance(header, dict) else {}
