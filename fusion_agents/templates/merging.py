"""Templates that say the same about similar questions become one."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from fusion_agents.near_duplicates import near_duplicate_groups
from fusion_agents.stores.template_store import TemplateStore
from fusion_agents.types import ThoughtTemplate

ALIKE = 0.7
"""Jaccard similarity of their texts' runs of three words."""
SIMILAR = 0.3
"""Cosine similarity of their questions."""


def merge_alike(
    store: TemplateStore,
    *,
    tenant: str = "default",
    alike: float = ALIKE,
    similar: float = SIMILAR,
) -> int:
    """Merge active templates of a tenant into the oldest one that says the same, and count them.

    What is merged is no longer found; its query and its entries stay on record with the one that
    is kept. Templates and pitfalls are not merged with each other.

    Args:
        store: Has the templates.
        tenant: Whose.
        alike: Similarity of texts from which they say the same, in (0, 1].
        similar: Similarity of questions below which it is another kind of problem all the same.

    Raises:
        EncoderError: If the questions cannot be encoded.
        StoreError: If the ledger cannot be read or written.
    """
    templates = list(store.scan(tenant))
    merged = 0
    for group in _groups(templates, alike):
        for kept, others in _similar(store, group, similar):
            merged += store.merge(kept, others)
    return merged


def _groups(templates: Sequence[ThoughtTemplate], alike: float) -> Iterator[list[ThoughtTemplate]]:
    for pitfall in (False, True):
        some = [template for template in templates if template.pitfall is pitfall]
        numbers = near_duplicate_groups([template.text for template in some], alike)
        groups: defaultdict[int, list[ThoughtTemplate]] = defaultdict(list)
        for number, template in zip(numbers.tolist(), some, strict=True):
            groups[number].append(template)
        yield from (group for group in groups.values() if len(group) > 1)


def _similar(
    store: TemplateStore, group: list[ThoughtTemplate], floor: float
) -> Iterator[tuple[str, list[str]]]:
    """Split a group around its oldest templates."""
    vectors = store.encode([template.question for template in group])
    vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    left = list(range(len(group)))
    while left:
        first, *rest = left
        near = [i for i in rest if float(vectors[first] @ vectors[i]) >= floor]
        if near:
            yield group[first].id, [group[i].id for i in near]
        left = [i for i in rest if i not in near]
