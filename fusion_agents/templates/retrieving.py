"""Finds the thought templates that are worth showing for a query."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated, NamedTuple

import numpy as np
from langchain_core.callbacks import (
    AsyncCallbackManagerForRetrieverRun,
    CallbackManagerForRetrieverRun,
)
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables.config import run_in_executor
from pydantic import ConfigDict, Field, PrivateAttr

from fusion_agents.encoders.base import Vectors
from fusion_agents.errors import ConfigError
from fusion_agents.near_duplicates import near_duplicate_groups
from fusion_agents.stores.template_rows import Hit, Origin, Vector
from fusion_agents.stores.template_store import TemplateStore
from fusion_agents.stores.training import Trust, is_suspended, level_of_source
from fusion_agents.templates.lexical import LexicalSearch
from fusion_agents.templates.notation import notation
from fusion_agents.templates.reranking import task_agreement
from fusion_agents.types import Query

_CANDIDATES = 128
"""Nearest templates that are looked at; more than 50, so that a common form of questions is seen
as such and does not make them near-duplicates."""

_BY_WORDS = 0.3
"""What the best match of words is worth, in units of the cosine."""

_Fraction = Annotated[float, Field(ge=0, le=1)]


class ThoughtTemplateRetriever(BaseRetriever):
    """Finds thought templates whose question resembles a query, as different ones as possible.

    They are chosen one by one for the similarity of their question with the query, and for being
    of the task that its neighbours say it is of, less what they share with those already chosen.
    The query's task is not needed. Of the templates of one question and its near-duplicates at
    most one comes; one that was distilled from the query itself or a near-duplicate never does,
    so that what is measured on logged queries is no copy of the answer.

    A source whose trust is `limited` gives at most its share; a `suspended` source or tenant
    gives nothing. Neither has a vote on the query's task.

    Args:
        store: Where the templates are.
        k: Most templates.
        tenant: Whose templates, where a call does not say.
        min_similarity: Least cosine of a template's question with the query.
        diversity: Weight of not resembling the templates already chosen (maximal marginal
            relevance: Carbonell and Goldstein, 1998).
        agreement: Weight of the neighbours' vote on the query's task beside the similarity; 0 for
            none. See `task_agreement`.
        lexical: Whether words that questions share with the query count, too, by BM25 (extra
            `community`). They also bring in templates that are not among the most similar.
        max_share: Most of `k` that one limited source may give; one template at least.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    store: TemplateStore = Field(repr=False)
    k: int = Field(default=3, ge=1)
    tenant: str = "default"
    min_similarity: _Fraction = 0.2
    diversity: _Fraction = 0.3
    agreement: float = Field(default=1.0, ge=0)
    max_share: _Fraction = 1 / 3
    lexical: bool = False

    _words: LexicalSearch = PrivateAttr()

    def model_post_init(self, context: object, /) -> None:
        """Prepare to read words."""
        self._words = LexicalSearch(self.store)

    def find(
        self, query: Query | str, k: int | None = None, *, tenant: str | None = None
    ) -> list[Hit]:
        """Find templates, in the order in which they were chosen; a blank query finds none.

        Args:
            query: A query, or its text.
            k: Most templates.
            tenant: Whose templates.

        Raises:
            ConfigError: If `k` is less than 1.
            EncoderError: If the query cannot be encoded.
            StoreError: If the store cannot be read.
        """
        asked = Query(text=query) if isinstance(query, str) else query
        most = self.k if k is None else k
        if most < 1:
            raise ConfigError(f"k must be at least 1, not {most}")
        if not asked.text.strip():
            return []
        whose = self.tenant if tenant is None else tenant
        looked_at = max(_CANDIDATES, 4 * most)
        words = self._words.scores(asked.text, looked_at, whose) if self.lexical else {}
        hits = self.store.search(
            asked.text,
            looked_at,
            tenant=whose,
            min_similarity=self.min_similarity,
            exclude_queries=(asked.id,),
            also=words,
        )
        trust = self.store.trust()
        candidates = self._rated(asked, self._others(asked, hits, trust), words, trust)
        chosen: list[_Candidate] = []
        while len(chosen) < most:
            left = [one for one in candidates if self._fits(one, chosen, most, trust)]
            if not left:
                break
            chosen.append(max(left, key=lambda one: self._worth(one, chosen)))
        return [one.hit for one in chosen]

    def _others(self, asked: Query, found: Sequence[Hit], trust: Trust) -> "list[_Candidate]":
        """The hits that come from other questions than the query, each with its questions."""
        hits = [
            hit
            for hit in found
            if not is_suspended(trust, hit.template.source, hit.template.tenant)
        ]
        origins = self.store.origins([hit.template.id for hit in hits])
        asked_before = [
            origins.get(hit.template.id) or [Origin(hit.template.query_id, hit.template.question)]
            for hit in hits
        ]
        texts = [text for questions in asked_before for _, text in questions]
        same, *groups = near_duplicate_groups([asked.text, *texts]).tolist()
        numbers = iter(groups)
        candidates = [
            _Candidate(
                hit,
                frozenset(name for name, _ in questions),
                frozenset(next(numbers) for _ in questions),
                hit.similarity,
            )
            for hit, questions in zip(hits, asked_before, strict=True)
        ]
        return [
            one for one in candidates if same not in one.groups and asked.id not in one.query_ids
        ]

    def _fits(
        self, one: "_Candidate", chosen: "Sequence[_Candidate]", most: int, trust: Trust
    ) -> bool:
        template = one.hit.template
        if any(one.query_ids & other.query_ids or one.groups & other.groups for other in chosen):
            return False
        if level_of_source(trust, template.source) != "limited":
            return True
        given = Counter(other.hit.template.source for other in chosen)
        return given[template.source] < max(1, int(self.max_share * most + 1e-9))

    def _worth(self, one: "_Candidate", chosen: "Sequence[_Candidate]") -> float:
        alike = max((float(one.hit.vector @ other.hit.vector) for other in chosen), default=0.0)
        return (1 - self.diversity) * one.relevance - self.diversity * max(alike, 0.0)

    def _rated(
        self,
        asked: Query,
        candidates: "Sequence[_Candidate]",
        words: Mapping[str, float],
        trust: Trust,
    ) -> "list[_Candidate]":
        """Add what words and neighbours say; a limited source's templates have no vote."""
        hits = [one.hit for one in candidates]
        relevance = np.array([hit.similarity for hit in hits])
        if words:
            relevance += [words.get(hit.template.id, 0.0) * _BY_WORDS for hit in hits]
        if self.agreement and hits:
            voting = [_voting_task(hit, trust) for hit in hits]
            relevance += self.agreement * task_agreement(*_seen(asked, hits), voting)
        return [
            one._replace(relevance=float(worth))
            for one, worth in zip(candidates, relevance, strict=True)
        ]

    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,
        k: int | None = None,
        tenant: str | None = None,
    ) -> list[Document]:
        return [_document(hit) for hit in self.find(query, k, tenant=tenant)]

    async def _aget_relevant_documents(
        self,
        query: str,
        *,
        run_manager: AsyncCallbackManagerForRetrieverRun,
        k: int | None = None,
        tenant: str | None = None,
    ) -> list[Document]:
        found = await run_in_executor(None, self.find, query, k, tenant=tenant)
        return [_document(hit) for hit in found]


class _Candidate(NamedTuple):
    """A hit and the questions behind it, those of merged templates among them."""

    hit: Hit
    query_ids: frozenset[str]
    groups: frozenset[int]
    """Near-duplicates share one."""
    relevance: float
    """Similarity with the query, and what else speaks for it."""


def _seen(asked: Query, hits: Sequence[Hit]) -> tuple[Vector, Vectors]:
    """What the vote goes by, words and notation: products with the query, and vectors."""
    written = notation([asked.text, *(hit.template.question for hit in hits)])
    cosines = np.array([hit.similarity for hit in hits], dtype=np.float32)
    vectors = np.stack([hit.vector for hit in hits])
    return cosines + written[1:] @ written[0], np.hstack([vectors, written[1:]])


def _voting_task(hit: Hit, trust: Trust) -> str | None:
    template = hit.template
    return None if level_of_source(trust, template.source) == "limited" else template.task


def _document(hit: Hit) -> Document:
    """The template's sentences, with what is known of it as metadata."""
    template = hit.template
    known = template.model_dump(
        mode="json", include={"question", "query_id", "task", "pitfall", "source", "tenant"}
    )
    metadata = {**known, "similarity": hit.similarity}
    return Document(id=template.id, page_content=template.text, metadata=metadata)
