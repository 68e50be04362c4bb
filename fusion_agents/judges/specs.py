"""How a judge is written as a text: its name, its model, its options."""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from fusion_agents.answering.policy import AnswerPolicy
from fusion_agents.errors import ConfigError
from fusion_agents.pool.pool import Pool

if TYPE_CHECKING:
    from fusion_agents.judges.base import Judge

_OPTION = re.compile(r",(?=[a-z_]+=)")
_SWITCHES = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True, kw_only=True)
class Making:
    """What judges are made with, beside their texts."""

    make: Callable[[str], "Judge"]
    """Makes another judge, for judges that consist of some."""
    known: Collection[str] = ()
    """Names of judges."""
    pool: Pool | None = None
    policy: AnswerPolicy | None = None
    """How hard to try for a verdict; none for the judge's own."""
    allow_own_family: bool = False


class Spec(NamedTuple):
    """What follows a judge's name and the first colon."""

    model: str
    options: Mapping[str, str]


def read_spec(judge: str, rest: str, known: tuple[str, ...] = ()) -> Spec:
    """Read `MODEL,option=value,...`; a model's name may hold colons.

    >>> read_spec("rubric", "ollama:qwen3:8b,reference=no", ("reference",))
    Spec(model='ollama:qwen3:8b', options={'reference': 'no'})

    Raises:
        ConfigError: If the model is missing or an option is not known.
    """
    model, *given = _OPTION.split(rest)
    options = dict(option.split("=", 1) for option in given)
    if not model.strip():
        raise ConfigError(
            f"the judge {judge!r} needs a model: write {judge}:MODEL with a name in the pool or a "
            "string such as openai:gpt-5-mini"
        )
    for option in options.keys() - set(known):
        raise ConfigError(
            f"the judge {judge!r} has no option {option!r}: it has {', '.join(known) or 'none'}"
        )
    return Spec(model.strip(), options)


def model_of(rest: str) -> str:
    """The model in `MODEL,option=value,...`; empty if there is none."""
    return _OPTION.split(rest)[0].strip()


def read_switch(name: str, value: str) -> bool:
    """Read yes or no.

    Raises:
        ConfigError: If it is neither.
    """
    if value.lower() not in _SWITCHES:
        raise ConfigError(f"{name}={value!r} is neither true nor false")
    return _SWITCHES[value.lower()]


def read_count(name: str, value: str) -> int:
    """Read a number of things.

    Raises:
        ConfigError: If it is none.
    """
    if not value.isdecimal():
        raise ConfigError(f"{name}={value!r} is not a whole number")
    return int(value)


def split_members(rest: str, known: Collection[str]) -> list[str]:
    """Take apart `rubric:A+rubric:B`: at a plus after which a judge's name stands.

    >>> split_members("metric+rubric:ollama:a+b", ["metric", "rubric"])
    ['metric', 'rubric:ollama:a+b']
    """
    names = "|".join(map(re.escape, known))
    return re.split(rf"\+(?=(?:{names})(?:[:+]|$))", rest)
