"""Loading students: each base once in a process, with as many adapters as are asked for."""

import threading
import weakref
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from fusion_agents.errors import ConfigError
from fusion_agents.students.engine import Engine
from fusion_agents.students.files import StudentFiles, check_extra, context_window, find_student
from fusion_agents.students.prompts import Prompter


@dataclass(frozen=True, eq=False)
class Loaded:
    """A student that is ready to answer."""

    files: StudentFiles
    engine: Engine
    adapter: str | None
    """Its name in the engine; none for the base itself."""
    prompter: Prompter
    tokenizer: Any
    ends: frozenset[int]
    """Tokens that end a turn."""
    context_window: int | None
    lock: threading.Lock
    """A fast tokenizer serves one thread at a time."""

    def tokens_of(self, messages: Any) -> list[int]:
        """The prompt of a conversation."""
        with self.lock:
            return self.prompter.tokens(messages)

    def decode(self, ids: list[int]) -> str:
        """The text of an answer."""
        with self.lock:
            return str(
                self.tokenizer.decode(
                    ids, skip_special_tokens=True, clean_up_tokenization_spaces=False
                )
            )


_lock = threading.Lock()
_engines: "weakref.WeakValueDictionary[tuple[object, ...], Engine]" = weakref.WeakValueDictionary()
_students: "weakref.WeakValueDictionary[tuple[object, ...], Loaded]" = weakref.WeakValueDictionary()


def load(where: str, device: str, dtype: str) -> Loaded:
    """Load a student, or give the one that is loaded; it is kept as long as anybody has it.

    Files that changed since are loaded anew: who has the old student keeps it.

    Args:
        where: As `find_student` takes it.
        device: As PyTorch names it, or `auto`: the accelerator if there is one.
        dtype: As PyTorch names it, or `auto`: as it was saved on an accelerator, 32 bits
            elsewhere.

    Raises:
        ConfigError: If it cannot be loaded, or the extra `train` is missing.
    """
    check_extra()
    files = find_student(where)
    device = _device() if device == "auto" else device
    dtype = ("float32" if device == "cpu" else "auto") if dtype == "auto" else dtype
    key = (files, _version(files), device, dtype)
    with _lock:
        found = _students.get(key)
        if found is None:
            found = _students[key] = _load(files, device, dtype)
    return found


def _load(files: StudentFiles, device: str, dtype: str) -> Loaded:
    tokenizer = _attempt(files, lambda: _tokenizer(files))
    prompter = Prompter(tokenizer, files.name)
    key = (files.base, _version(StudentFiles("", files.base)), device, dtype)
    engine = _engines.get(key)
    if engine is None:
        engine = _engines[key] = _attempt(files, lambda: _engine(files, tokenizer, device, dtype))
    return Loaded(
        files=files,
        engine=engine,
        adapter=_attempt(files, lambda: _adapter(files, engine)),
        prompter=prompter,
        tokenizer=tokenizer,
        ends=engine.ends | {tokenizer.eos_token_id} - {None},
        context_window=context_window(files),
        lock=threading.Lock(),
    )


def _tokenizer(files: StudentFiles) -> Any:
    transformers = import_module("transformers")
    return transformers.AutoTokenizer.from_pretrained(files.tokenizer, trust_remote_code=False)


def _engine(files: StudentFiles, tokenizer: Any, device: str, dtype: str) -> Engine:
    transformers = import_module("transformers")
    model = transformers.AutoModelForCausalLM.from_pretrained(
        files.base, dtype=dtype, use_safetensors=True, trust_remote_code=False
    )
    own = model.generation_config
    ends = own.eos_token_id if isinstance(own.eos_token_id, list) else [own.eos_token_id]
    ends = [token for token in ends if token is not None]
    pad = next((t for t in (own.pad_token_id, tokenizer.pad_token_id, *ends) if t is not None), 0)
    # plain decoding for everybody: what else a model recommends (penalties, sampling) would make
    # a student and its base differ by more than their weights
    model.generation_config = transformers.GenerationConfig(
        do_sample=False, pad_token_id=pad, eos_token_id=ends or None, bos_token_id=own.bos_token_id
    )
    return Engine(model.to(device).eval(), pad, frozenset(ends))


def _adapter(files: StudentFiles, engine: Engine) -> str | None:
    if files.adapter is None:
        return None
    return engine.adapter(files.adapter, _version(files))


def _attempt(files: StudentFiles, make: Any) -> Any:
    try:
        return make()
    except ConfigError:
        raise
    except Exception as error:
        what = " ".join(str(error).split())[:500]
        raise ConfigError(
            f"cannot load {files.name!r} from {str(files.adapter or files.base)!r}: "
            f"{type(error).__name__}: {what}"
        ) from error


def _device() -> str:
    accelerator = import_module("torch").accelerator
    return str(accelerator.current_accelerator()) if accelerator.is_available() else "cpu"


def _version(files: StudentFiles) -> tuple[object, ...]:
    """What changes when the files do."""
    folders = [folder for folder in (files.adapter, Path(files.base)) if folder is not None]
    found = [file for folder in folders for file in sorted(folder.glob("*.*"))]
    return tuple((file.name, (stat := file.stat()).st_mtime_ns, stat.st_size) for file in found)
