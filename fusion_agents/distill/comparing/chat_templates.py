"""The chat template of a model whose files are on this machine."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from langchain_core.language_models import BaseChatModel
from pydantic import JsonValue

from fusion_agents.students.files import find_student, place_in
from fusion_agents.students.model import StudentChatModel

"""How the spec of a model begins whose files the pool loads itself."""

_END = "eos_token_id"


class Template(NamedTuple):
    """How a model turns messages into tokens, and what else shapes its answers."""

    text: str | None = None
    """Of the chat template; none where a server applies it, or the files are not here."""
    settings: Mapping[str, JsonValue] = {}
    """At which tokens answers end; no other of the model's own settings is applied."""

    @property
    def digest(self) -> str | None:
        """SHA-256 of the text."""
        return None if self.text is None else hashlib.sha256(self.text.encode()).hexdigest()


def template_of(spec: str | BaseChatModel, model: BaseChatModel) -> Template:
    """Read the template: what the chat model shows of it, else what its files say.

    Args:
        spec: What the chat model was made of.
        model: An attribute `chat_template` of it counts.

    Raises:
        ConfigError: If there are no such files.
    """
    shown = getattr(model, "chat_template", None)
    text = shown if isinstance(shown, str) else None
    place = place_in(spec)
    if place is None:
        return Template(text)
    files = find_student(place)
    tokenizer, weights = Path(files.tokenizer), files.base_folder
    folder = tokenizer if tokenizer.is_dir() else weights
    return Template(text or _text(folder) or _loaded(model), _settings(weights))


def _loaded(model: BaseChatModel) -> str | None:
    """Of a model from the hub, which has to be fetched first."""
    if not isinstance(model, StudentChatModel):
        return None
    found = model.load().tokenizer.chat_template
    return found if isinstance(found, str) else json.dumps(found)


def _text(folder: Path | None) -> str | None:
    if folder is None:
        return None
    file = folder / "chat_template.jinja"
    if file.is_file():
        return file.read_text(encoding="utf-8")
    found = _read(folder / "tokenizer_config.json").get("chat_template")
    return found if isinstance(found, str) else json.dumps(found) if found else None


def _settings(folder: Path | None) -> dict[str, JsonValue]:
    found = None if folder is None else _read(folder / "generation_config.json").get(_END)
    if found is None:
        return {}
    return {_END: found if isinstance(found, list) else [found]}


def _read(file: Path) -> dict[str, JsonValue]:
    """A JSON object; an empty one if there is none."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
