"""Which examples are kept for the curve: whole groups of near-duplicate questions."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fusion_agents.distill.nouns import Example
from fusion_agents.near_duplicates import near_duplicate_groups

_FEWEST = 20
"""Of fewer examples, none is spared."""


class Split(NamedTuple):
    """Places of examples, in order."""

    train: list[int]
    evaluation: list[int]


def split_examples(examples: Sequence[Example], share: float, seed: int) -> Split:
    """Keep some examples for the curve; the rest is learned from.

    Groups are drawn by chance until the share is reached; a group that would go beyond it is
    learned from. Of fewer than 20 examples, or where all are alike, none is kept.

    Args:
        examples: In any order.
        share: Of the examples, in [0, 0.5].
        seed: For the draw.
    """
    wanted = round(share * len(examples)) or int(share > 0)
    if len(examples) < _FEWEST or not wanted:
        return Split(list(range(len(examples))), [])
    groups = near_duplicate_groups([example.query.text for example in examples])
    names, sizes = np.unique(groups, return_counts=True)
    kept: list[int] = []
    n_kept = 0
    for place in np.random.default_rng(seed).permutation(len(names)):
        if n_kept + sizes[place] <= wanted:
            kept.append(int(names[place]))
            n_kept += int(sizes[place])
    held = np.isin(groups, kept)
    return Split(np.flatnonzero(~held).tolist(), np.flatnonzero(held).tolist())
