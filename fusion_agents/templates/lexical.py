"""BM25 over the questions of templates: rare words that a vector does not see."""

import re
from importlib import import_module
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

from fusion_agents.errors import MissingExtraError
from fusion_agents.stores.template_store import TemplateStore

if TYPE_CHECKING:
    from langchain_community.retrievers import BM25Retriever

_WORD = re.compile(r"\w+")
_TENANTS = 16
"""Most tenants whose words are kept in memory."""


class LexicalSearch:
    """Finds templates by the words that their question shares with a query.

    The words of a tenant's active templates are read at the first search, and again when the
    templates have changed. Each search compares with every template, in Python: a few milliseconds
    for each thousand. Any number of threads may search.

    Args:
        store: Where the templates are.
    """

    def __init__(self, store: TemplateStore) -> None:
        self._store = store
        self._kept: dict[str, _Words] = {}
        self._lock = Lock()

    def scores(self, text: str, n: int, tenant: str) -> dict[str, float]:
        """The best templates by id, with their score as a part of the best one's, in (0, 1].

        Args:
            text: A query.
            n: Most templates.
            tenant: Whose.

        Raises:
            MissingExtraError: If langchain-community or rank-bm25 is not installed.
        """
        retriever = self._current(tenant)
        if retriever is None:
            return {}
        scores = retriever.vectorizer.get_scores(_words(text)).tolist()
        best = sorted(zip(scores, retriever.docs, strict=True), key=lambda pair: -pair[0])[:n]
        top = best[0][0]
        return {str(found.id): score / top for score, found in best if score > 0}

    def _current(self, tenant: str) -> "BM25Retriever | None":
        with self._lock:
            generation = self._store.generation()
            kept = self._kept.pop(tenant, None)
            if kept is None or kept.generation != generation:
                kept = _Words(generation, self._read(tenant))
            self._kept[tenant] = kept
            while len(self._kept) > _TENANTS:
                del self._kept[next(iter(self._kept))]
            return kept.retriever

    def _read(self, tenant: str) -> "BM25Retriever | None":
        templates = list(self._store.scan(tenant))
        make = _library()
        if not templates:
            return None
        found: BM25Retriever = make.from_texts(
            [template.question for template in templates],
            ids=[template.id for template in templates],
            preprocess_func=_words,
        )
        return found


class _Words(NamedTuple):
    """What was read, and when."""

    generation: int
    retriever: "BM25Retriever | None"


def _words(text: str) -> list[str]:
    """Words in small letters; a text without any is a word of its own."""
    return _WORD.findall(text.lower()) or [text]


def _library() -> "type[BM25Retriever]":
    try:
        import_module("rank_bm25")
        found: type[BM25Retriever] = import_module("langchain_community.retrievers").BM25Retriever
    except ImportError as error:
        raise MissingExtraError("comparing words by BM25", "community") from error
    return found
