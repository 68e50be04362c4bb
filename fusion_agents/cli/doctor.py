"""`fusion-agents doctor`: what works on this machine."""

import os
import platform
from collections.abc import Iterator
from importlib import metadata, util

import typer
from rich.table import Table
from rich.text import Text

from fusion_agents.cli.console import results

_LIBRARIES = (
    *("langchain", "langchain-core", "langchain-openai", "langgraph", "openai", "chromadb"),
    *("numpy", "pydantic", "pyarrow", "scikit-learn", "scipy"),
)
_EXTRAS = {
    "community": ("langchain_community", "rank_bm25"),
    "tasks": ("datasets", "math_verify"),
    "train": ("accelerate", "peft", "torch", "transformers", "trl"),
}
"""Optional dependencies, as modules."""
_KEYS = (
    *("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GOOGLE_API_KEY", "MISTRAL_API_KEY"),
    *("GROQ_API_KEY", "TOGETHER_API_KEY", "FIREWORKS_API_KEY", "DEEPSEEK_API_KEY"),
    *("OPENROUTER_API_KEY", "HF_TOKEN"),
)
_NO_SANDBOX = 2


def doctor() -> None:
    """Show what this machine has: the sandbox for code, libraries, extras and keys.

    The sandbox is tried out: each attempt to break out of it must fail. Keys
    are only looked for; their values are never shown.

    Exit codes: 0 everything is there that scoring needs, 2 code cannot be
    scored here (the output says how to change that).
    """
    from fusion_agents import __version__
    from fusion_agents.sandbox.choosing import trials

    console = results()
    for title, lines in (
        (f"fusion-agents {__version__}", _machine()),
        ("libraries", _libraries()),
        ("extras", _extras()),
        ("keys in the environment", _keys()),
        ("sandbox for code", _sandbox()),
    ):
        table = Table(box=None, show_header=False, title=title, title_justify="left")
        for name, value in lines:
            table.add_row(Text(f"  {name}", style="bold"), Text(value))
        console.print(table)
    if trials()[-1].problem is not None:
        raise typer.Exit(_NO_SANDBOX)


def _machine() -> Iterator[tuple[str, str]]:
    yield "python", f"{platform.python_version()} ({platform.python_implementation()})"
    yield "system", f"{platform.system()} {platform.release()} {platform.machine()}"
    yield "processors", str(os.cpu_count())


def _libraries() -> Iterator[tuple[str, str]]:
    for name in _LIBRARIES:
        try:
            yield name, metadata.version(name)
        except metadata.PackageNotFoundError:
            yield name, "missing"


def _extras() -> Iterator[tuple[str, str]]:
    for name, modules in _EXTRAS.items():
        missing = [module for module in modules if util.find_spec(module) is None]
        fix = f"missing {', '.join(missing)}: pip install 'fusion-agents[{name}]'"
        yield name, fix if missing else "installed"


def _keys() -> Iterator[tuple[str, str]]:
    for name in _KEYS:
        yield name, "set" if os.environ.get(name) else "not set"


def _sandbox() -> Iterator[tuple[str, str]]:
    from fusion_agents.sandbox.canaries import NAMES
    from fusion_agents.sandbox.choosing import trials

    for trial in trials():
        name = trial.sandbox.name
        for canary in trial.canaries:
            state = "blocked" if canary.blocked else f"NOT BLOCKED: {canary.detail}"
            yield f"{name}: {NAMES[canary.name]}", state
        if trial.problem is None:
            yield f"{name}", "works: this is where code is scored"
        else:
            yield f"{name}", f"cannot be used: {trial.problem.cause}; {trial.problem.fix}"
    if trials()[-1].problem is not None:
        yield "code", "is left unscored on this machine"
