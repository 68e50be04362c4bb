"""The control: templates that have nothing to do with the question."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fusion_agents.near_duplicates import near_duplicate_groups
from fusion_agents.stores.template_store import TemplateStore
from fusion_agents.strategies.thought import TemplateSource
from fusion_agents.types import Query, ThoughtTemplate, content_key

_DRAWN = 64
"""More than 50, so that a common form of questions is seen as such by the near-duplicates."""


class Drawn(NamedTuple):
    """A template that was drawn."""

    template: ThoughtTemplate


class RandomTemplates:
    """Draws as many templates at random as another source finds for the query.

    So only the choice differs: with it, words and length of what is shown are alike. The query's
    own template and those of near-duplicates are never drawn, and the same query gets the same
    ones each time.

    Args:
        store: What is drawn from: active templates, all alike.
        like: Says how many.
        seed: Draws which.
    """

    def __init__(self, store: TemplateStore, like: TemplateSource, *, seed: int = 0) -> None:
        self._store = store
        self._like = like
        self._seed = seed
        self._ids: dict[str, list[str]] = {}

    def find(self, query: Query, k: int, *, tenant: str) -> list[Drawn]:
        """Draw templates of a tenant for a query."""
        n = len(self._like.find(query, k, tenant=tenant))
        drawn = self._draw(query, tenant) if n else []
        return [Drawn(template) for template in self._others(query, drawn)[:n]]

    def _draw(self, query: Query, tenant: str) -> list[ThoughtTemplate]:
        ids = self._ids.get(tenant)
        if ids is None:
            ids = self._ids[tenant] = sorted(one.id for one in self._store.scan(tenant))
        digits = content_key("random templates", self._seed, query.id)
        places = np.random.default_rng(int(digits, 16)).permutation(len(ids))[:_DRAWN]
        found = {
            one.template.id: one.template for one in self._store.find([ids[i] for i in places])
        }
        return [found[ids[i]] for i in places if ids[i] in found]

    def _others(self, query: Query, drawn: Sequence[ThoughtTemplate]) -> list[ThoughtTemplate]:
        """Without those that come from the query itself or a near-duplicate, merged ones too."""
        origins = self._store.origins([template.id for template in drawn])
        asked = [[(one.query_id, one.question), *origins.get(one.id, [])] for one in drawn]
        texts = [text for questions in asked for _, text in questions]
        same, *numbers = near_duplicate_groups([query.text, *texts]).tolist()
        left = iter(numbers)
        kept = []
        for template, questions in zip(drawn, asked, strict=True):
            groups = [next(left) for _ in questions]
            if same not in groups and query.id not in [name for name, _ in questions]:
                kept.append(template)
        return kept
