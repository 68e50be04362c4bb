"""What question generators draw from."""

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import numpy as np

T = TypeVar("T")

_NAMES = """
Ada Bo Chidi Dana Elif Farid Greta Hugo Ines Jun Kofi Lena Mateo Nadia Omar Priya Quinn Rosa Sven
Tariq Uma Viktor Wanda Xenia Yusuf Zoe
"""
_WORDS = """
almanac balcony cabinet dolphin elephant festival gravity harbour island jasmine kitchen lantern
mountain notebook orchard pelican quarter raccoon saffron theatre umbrella velvet whistle xylophone
yoghurt zeppelin avocado blanket compass dynasty eclipse furnace glacier horizon ivory journey
kettle library meadow nectar opera pyramid quiver rainbow sapphire tunnel unicorn volcano walnut
zodiac anchor bicycle caravan desert emerald falcon garden helmet insect jungle ladder magnet needle
ocean parrot ribbon silver tomato village window
"""
_THINGS = """
apples bricks candles drums envelopes flags gloves hats icicles jars kites lamps mugs nails oranges
pencils quilts ropes stamps tiles urns vases wheels
"""
NAMES, WORDS, THINGS = _NAMES.split(), _WORDS.split(), _THINGS.split()


class Draft(NamedTuple):
    """A question as a generator makes it."""

    text: str
    answer: str
    difficulty: float
    """In [0, 1], known to the simulated models and to nobody else."""


def pick(rng: np.random.Generator, options: Sequence[T]) -> T:
    """Draw one of the options."""
    return options[int(rng.integers(len(options)))]


def pick_some(rng: np.random.Generator, options: Sequence[T], count: int) -> list[T]:
    """Draw `count` different options, in random order."""
    return [options[int(i)] for i in rng.permutation(len(options))[:count]]


def between(rng: np.random.Generator, low: int, high: int) -> int:
    """Draw an integer from `low` to `high`, both included."""
    return int(rng.integers(low, high + 1))
