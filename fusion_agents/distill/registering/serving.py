"""How a student is served in production: the command, for whoever runs the server."""

import json
import shlex
from pathlib import Path

from fusion_agents.distill.nouns import Student
from fusion_agents.errors import ConfigError
from fusion_agents.students.files import adapter_rank, find_student

_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""That vLLM accepts as the largest rank of an adapter (`MaxLoRARanks`, vLLM 0.11 to 0.27)."""


def serving_command(student: Student, name: str | None = None) -> str:
    """The command that serves a local student with vLLM, quoted for a POSIX shell.

    An adapter is served beside its base, which answers under the name of its folder. Answers are
    decoded as on this machine: without the sampling that the base recommends for itself.

    Args:
        student: What was trained here.
        name: That the server answers to: the student's in the pool.

    Raises:
        ConfigError: If a provider has the student, its files are gone, or its rank is larger than
            vLLM allows.
    """
    name = student.name if name is None else name
    if student.provider != "local":
        raise ConfigError(f"{student.name!r} is served by its provider, as {student.spec!r}")
    files = find_student(student.folder or student.spec)
    words = ["vllm", "serve", files.base]
    if files.adapter is None:
        words += ["--served-model-name", name]
    else:
        rank = adapter_rank(files) or _RANKS[0]
        words += ["--enable-lora", "--lora-modules", _module(name, files.adapter)]
        words += ["--max-lora-rank", str(_largest(rank))]
        template = files.adapter / "chat_template.jinja"
        words += ["--chat-template", str(template)] if template.is_file() else []
    return shlex.join([*words, "--generation-config", "vllm"])


def _largest(rank: int) -> int:
    fitting = [one for one in _RANKS if one >= rank]
    if not fitting:
        raise ConfigError(f"vLLM serves adapters up to rank {_RANKS[-1]}, not {rank}: merge it")
    return fitting[0]


def _module(name: str, adapter: Path) -> str:
    """`name=path`, or JSON where one of both would be misread."""
    plain = f"{name}={adapter}"
    if plain.count("=") == 1 and "," not in plain:
        return plain
    return json.dumps({"name": name, "path": str(adapter)}, ensure_ascii=False)
