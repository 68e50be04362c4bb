"""What a training leaves behind: the adapter, and the base with the adapter in it.

Importing this needs the extra `train`.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from peft import PeftModel
from transformers import PreTrainedTokenizerBase

from fusion_agents.distill.training.checkpoints import Checkpoint
from fusion_agents.distill.training.loading import load_base

_FILES = ("adapter_model.safetensors", "adapter_config.json")


def write_adapter(checkpoint: Checkpoint, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Keep a checkpoint's adapter, with the tokenizer and its chat template beside it."""
    with _appearing(folder) as new:
        for name in _FILES:
            shutil.copyfile(checkpoint.weights() / name, new / name)
        _in_order(new / "adapter_config.json")
        tokenizer.save_pretrained(str(new))


def write_merged(
    base: str, adapter: Path, tokenizer: PreTrainedTokenizerBase, folder: Path
) -> None:
    """Write the base with the adapter in it as a model of its own, in the base's number format."""
    with _appearing(folder) as new:
        model = PeftModel.from_pretrained(load_base(base, "auto"), str(adapter))
        merged = model.merge_and_unload()
        merged.save_pretrained(str(new))
        tokenizer.save_pretrained(str(new))


def _in_order(path: Path) -> None:
    """Write a configuration in a fixed order: PEFT keeps the layers' names in a set."""
    config = json.loads(path.read_text("utf-8"))
    modules = config.get("target_modules")
    config["target_modules"] = sorted(modules) if isinstance(modules, list) else modules
    path.write_text(f"{json.dumps(config, indent=2, sort_keys=True)}\n", "utf-8")


@contextmanager
def _appearing(folder: Path) -> Iterator[Path]:
    """Give a new folder that takes its name when the block ends without an error."""
    new = folder.with_name(f".{folder.name}.new")
    for old in (new, folder):
        shutil.rmtree(old, ignore_errors=True)
    new.mkdir(mode=0o700)
    yield new
    for path in new.iterdir():
        path.chmod(0o600)
    new.rename(folder)
