"""What a log knows and what the pool has, side by side."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from langchain_core.language_models import BaseChatModel

from fusion_agents.pool.member import PoolModel
from fusion_agents.types import Arm

_DATE = re.compile(r"[-@_:](20\d\d-?\d\d-?\d\d|\d{4}$)")
_DROPPED = frozenset({"latest", "instruct", "chat", "it", "preview", "exp", "hf", "free", "turbo"})
_ALIKE = 0.85


@dataclass(frozen=True)
class Coverage:
    """Which arms can be routed among, and what is known of them."""

    arms: tuple[Arm, ...]
    """Those of the pool, the ones that the log knows first."""
    learned: tuple[Arm, ...]
    """Both the log and the pool have them."""
    unlearned: tuple[Arm, ...]
    """Only the pool has them: they are fallbacks."""
    unavailable: tuple[Arm, ...]
    """Only the log has them: nobody can ask them."""
    suggestions: tuple[str, ...] = ()
    """What may be meant, in words."""

    def report(self) -> str:
        r"""Say it in words, one line for each kind of arm.

        >>> Coverage((Arm(model="a"),), (), (Arm(model="a"),), (Arm(model="b"),)).report()
        'not in the log, so only fallbacks: a@direct\nnot in the pool, so never asked: b@direct'
        """
        kinds = {
            "learned from the log": self.learned,
            "not in the log, so only fallbacks": self.unlearned,
            "not in the pool, so never asked": self.unavailable,
        }
        lines = [f"{kind}: {', '.join(map(str, arms))}" for kind, arms in kinds.items() if arms]
        return "\n".join((*lines, *self.suggestions))


def compare(
    models: Mapping[str, PoolModel], arms: Sequence[Arm], logged: Sequence[Arm]
) -> Coverage:
    """Compare the pool's arms with the log's."""
    in_log, in_pool = set(logged), set(arms)
    learned = tuple(arm for arm in arms if arm in in_log)
    unlearned = tuple(arm for arm in arms if arm not in in_log)
    unavailable = tuple(dict.fromkeys(arm for arm in logged if arm not in in_pool))
    return Coverage(
        arms=learned + unlearned,
        learned=learned,
        unlearned=unlearned,
        unavailable=unavailable,
        suggestions=tuple(_suggestions(models, {arm.model for arm in logged}, unavailable)),
    )


def _suggestions(
    models: Mapping[str, PoolModel], logged: set[str], unavailable: Sequence[Arm]
) -> list[str]:
    lines = []
    free = [member for name, member in models.items() if name not in logged]
    for name in dict.fromkeys(arm.model for arm in unavailable):
        if name in models:
            missing = [arm.strategy for arm in unavailable if arm.model == name]
            lines.append(f"the pool's {name!r} is not prompted as {', '.join(map(repr, missing))}")
            continue
        if (like := _most_alike(name, free)) is not None:
            lines.append(
                f"the log's {name!r} looks like the pool's {like.name!r} ({like.what}): give "
                "both one name to use what was learned"
            )
    return lines


def _most_alike(name: str, members: Sequence[PoolModel]) -> PoolModel | None:
    best, found = _ALIKE, None
    for member in members:
        similarity = max(_similarity(name, other) for other in _names(member))
        if similarity > best:
            best, found = similarity, member
    return found


def _names(member: PoolModel) -> list[str]:
    """What the model may be called elsewhere."""
    return [member.name, model_id(member.spec)]


def model_id(spec: str | BaseChatModel) -> str:
    """The provider's name of a model."""
    if isinstance(spec, str):
        return spec.partition(":")[2] or spec
    for field in ("model_name", "model", "model_id"):
        if isinstance(value := getattr(spec, field, None), str):
            return value
    return type(spec).__name__


def _similarity(one: str, other: str) -> float:
    """How alike two names are; 0 where a number differs, as `7b` and `70b` are two models."""
    a, b = _parts(one), _parts(other)
    if re.findall(r"\d+", " ".join(a)) != re.findall(r"\d+", " ".join(b)):
        return 0.0
    return SequenceMatcher(None, "-".join(a), "-".join(b)).ratio()


def _parts(name: str) -> list[str]:
    """The words of a model's name, without vendor, date and what does not tell models apart."""
    bare = _DATE.sub("", name.lower().rpartition("/")[2])
    parts = re.findall(r"\d+|[^\W\d_]+", bare)
    return [part for part in parts if part not in _DROPPED] or parts
