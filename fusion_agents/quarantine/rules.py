"""Reading patterns from the files beside this one, when they are first needed."""

import re
from functools import cache
from importlib.resources import files
from typing import NamedTuple

_NAMED = re.compile(r"([A-Z_]+) = (.+)")
_HEAD = re.compile(r"\[(\w+)(?:: | )(.+)\]")
_NAME = re.compile(r"<([A-Z_]+)>")


class Rule(NamedTuple):
    """What somebody says or does, and how to recognise it."""

    kind: str
    why: str
    """What is wrong with who does it; of a cue, its weight."""
    pattern: re.Pattern[str]


@cache
def rules(name: str, *, ignore_case: bool = False) -> tuple[Rule, ...]:
    """Read a file of rules: patterns under heads; any one of a head's patterns will do."""
    names: dict[str, str] = {}
    sections: list[tuple[str, str, list[str]]] = []
    for line in lines(name):
        if named := _NAMED.fullmatch(line):
            names[named[1]] = _with_names(named[2], names)
        elif head := _HEAD.fullmatch(line):
            sections.append((head[1], head[2], []))
        else:
            sections[-1][2].append(_with_names(line, names))
    flags = re.IGNORECASE if ignore_case else re.NOFLAG
    return tuple(
        Rule(kind, why, re.compile("|".join(patterns), flags)) for kind, why, patterns in sections
    )


def of_kind(found: tuple[Rule, ...], *kinds: str) -> tuple[Rule, ...]:
    """Those rules that are of some kinds."""
    return tuple(rule for rule in found if rule.kind in kinds)


def first_why(text: str, given: tuple[Rule, ...]) -> str | None:
    """Say what is wrong with a text, by the first rule that recognises something, or nothing."""
    return next((rule.why for rule in given if rule.pattern.search(text)), None)


def lines(name: str) -> list[str]:
    """The lines of a file beside this one, without comments and empty ones."""
    text = files(__package__).joinpath(f"{name}.rules").read_text("utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("# ")]


def _with_names(pattern: str, names: dict[str, str]) -> str:
    return _NAME.sub(lambda name: names.get(name[1], name[0]), pattern)
