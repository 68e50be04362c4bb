"""Judges by name, and from texts as the command line has them."""

from functools import partial

from fusion_agents.answering.policy import AnswerPolicy
from fusion_agents.errors import ConfigError
from fusion_agents.judges.base import Judge
from fusion_agents.judges.specs import Making, model_of, split_members
from fusion_agents.plugins import find_parts
from fusion_agents.pool.pool import Pool


def judge_classes() -> dict[str, type[Judge]]:
    """All judges by name, in alphabetical order.

    >>> list(judge_classes())
    ['feedback', 'metric', 'pairwise', 'panel', 'rubric']
    """
    return find_parts("fusion_agents.judges", Judge)


def make_judge(
    spec: str,
    *,
    pool: Pool | None = None,
    policy: AnswerPolicy | None = None,
    allow_own_family: bool = False,
) -> Judge:
    """Make a judge from a text.

    `metric`; `rubric:MODEL`, `rubric:MODEL,anchors=fusionfactory,reference=no`; `pairwise:MODEL`;
    `panel:rubric:A+rubric:B`. A model is a name in the pool or a string for `init_chat_model`.

    >>> make_judge("metric").name
    'metric'

    Args:
        spec: The judge's name, and after a colon what it is made of.
        pool: Has models by name, and their prices.
        policy: How hard to try for a verdict; none for the judge's own.
        allow_own_family: Whether models judge answers of their own family, which they favour.

    Raises:
        ConfigError: If there is no such judge, or the text lacks or holds what it should not.
    """
    name, _, rest = spec.strip().partition(":")
    known = judge_classes()
    if name not in known:
        raise ConfigError(f"there is no judge {name!r}; known are {', '.join(known)}")
    again = partial(make_judge, pool=pool, policy=policy, allow_own_family=allow_own_family)
    making = Making(
        make=again, known=known, pool=pool, policy=policy, allow_own_family=allow_own_family
    )
    return known[name].from_spec(rest, making)


def judging_models(spec: str) -> frozenset[str]:
    """The models that a judge's text names.

    >>> sorted(judging_models("panel:rubric:large+rubric:ollama:qwen3,reference=no"))
    ['large', 'ollama:qwen3']
    """
    name, _, rest = spec.strip().partition(":")
    known = judge_classes()
    if name in known and rest.partition(":")[0] in known:
        return frozenset().union(*map(judging_models, split_members(rest, known)))
    return frozenset({model_of(rest)} - {""})
