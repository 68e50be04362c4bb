import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fusion_agents.errors import MissingExtraError
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.stores.template_store import TemplateStore
from fusion_agents.templates.lexical import LexicalSearch
from fusion_agents.templates.retrieving import ThoughtTemplateRetriever
from fusion_agents.types import ThoughtTemplate


def template(name: str, question: str, tenant: str = "default") -> ThoughtTemplate:
    return ThoughtTemplate(
        id=f"{tenant}-{name}",
        problem=f"Subtract what goes ({name}).",
        question=question,
        query_id=name,
        tenant=tenant,
    )


@pytest.fixture
def store(tmp_path: Path) -> Iterator[TemplateStore]:
    with RoutingLog(tmp_path / "log.db") as log:
        store = TemplateStore(log)
        store.add(
            template(f"sum-{n}", f"How many {fruit} are left if {n} of 30 are sold?")
            for n, fruit in enumerate(("pears", "plums", "figs", "dates", "limes"), 3)
        )
        store.add([template("rare", "Explain the zeugma in this line of Pope, briefly, please.")])
        yield store


def test_the_template_with_the_rare_word_of_the_query_is_the_best(store: TemplateStore) -> None:
    scores = LexicalSearch(store).scores("What does ZEUGMA mean?", 3, "default")
    assert scores == {"default-rare": 1.0}


def test_words_bring_in_what_is_not_among_the_most_similar(store: TemplateStore) -> None:
    query = "How many limes of 30 are left if a zeugma is sold?"
    (nearest,) = store.search(query, 1, min_similarity=-1)
    also = {hit.template.query_id for hit in store.search(query, 1, also=["default-rare"])}
    assert nearest.template.query_id != "rare"
    assert also >= {nearest.template.query_id, "rare"}


def test_words_raise_the_rank_and_not_the_similarity(store: TemplateStore) -> None:
    query = "Is a zeugma, of 30 zeugmas, left?"
    plain, hybrid = (
        ThoughtTemplateRetriever(store=store, min_similarity=0, diversity=0, k=6, lexical=lexical)
        for lexical in (False, True)
    )
    similarity = {hit.template.id: hit.similarity for hit in plain.find(query)}
    found = hybrid.find(query)
    assert found[0].template.query_id == "rare"
    assert {hit.template.id: hit.similarity for hit in found} == pytest.approx(similarity)


def test_words_of_new_and_retired_templates_are_known_at_once(store: TemplateStore) -> None:
    search = LexicalSearch(store)
    assert search.scores("litotes", 3, "default") == {}
    store.add([template("new", "Is this a litotes, or is it not?")])
    assert list(search.scores("litotes", 3, "default")) == ["default-new"]
    store.retire(["default-new"], "a test")
    assert search.scores("litotes", 3, "default") == {}


def test_tenants_have_words_of_their_own(store: TemplateStore) -> None:
    search = LexicalSearch(store)
    assert search.scores("zeugma", 3, "b") == {}
    store.add([template("rare", "What is a zeugma?", "b"), template("other", "Why?", "b"),
               template("more", "Where?", "b")])  # fmt: skip
    assert list(search.scores("zeugma", 3, "b")) == ["b-rare"]
    assert list(search.scores("zeugma", 3, "default")) == ["default-rare"]


def test_a_query_of_no_known_word_or_of_no_word_finds_nothing(store: TemplateStore) -> None:
    for text in ("xylograph", "?!", ""):
        assert LexicalSearch(store).scores(text, 3, "default") == {}


@pytest.mark.parametrize("missing", ["rank_bm25", "langchain_community.retrievers"])
def test_without_the_library_the_extra_is_named(
    store: TemplateStore, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(MissingExtraError, match=r"fusion-agents\[community\]"):
        ThoughtTemplateRetriever(store=store, lexical=True).find("zeugma")
