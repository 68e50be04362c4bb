"""Templates at random."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.stores.template_store import TemplateStore
from fusion_agents.studying.control import RandomTemplates
from fusion_agents.templates.retrieving import ThoughtTemplateRetriever
from fusion_agents.types import Query, ThoughtTemplate
from tests.studying.world import question


@pytest.fixture
def store(tmp_path: Path) -> Iterator[TemplateStore]:
    with RoutingLog(tmp_path / "log.db") as log, TemplateStore(log) as opened:
        opened.add(
            ThoughtTemplate(
                id=f"t{i}", problem=f"Add {i}.", question=question("sums", i).text, query_id=f"q{i}"
            )
            for i in range(20)
        )
        yield opened


def drawn(source: RandomTemplates, query: Query, k: int = 3) -> list[str]:
    return [found.template.id for found in source.find(query, k, tenant="default")]


def test_as_many_are_drawn_as_are_found(store: TemplateStore) -> None:
    retriever = ThoughtTemplateRetriever(store=store)
    source = RandomTemplates(store, retriever)
    asked = question("sums", 50)
    found = retriever.find(asked, 3, tenant="default")
    assert len(drawn(source, asked)) == len(found) == 3
    nothing = ThoughtTemplateRetriever(store=store, min_similarity=1.0)
    assert drawn(RandomTemplates(store, nothing), asked) == []


def test_the_same_query_gets_the_same_and_others_get_others(store: TemplateStore) -> None:
    source = RandomTemplates(store, ThoughtTemplateRetriever(store=store))
    ways = [drawn(source, question("sums", i)) for i in range(40, 52)]
    assert ways == [drawn(source, question("sums", i)) for i in range(40, 52)]
    assert len({tuple(way) for way in ways}) > 6
    assert len({name for way in ways for name in way}) > 12


def test_neither_the_query_s_own_nor_a_near_duplicate_s_is_drawn(store: TemplateStore) -> None:
    source = RandomTemplates(store, ThoughtTemplateRetriever(store=store))
    asked = question("sums", 5)
    same_id = Query(id="q6", text=question("sums", 60).text)
    for seed in range(30):
        source = RandomTemplates(store, ThoughtTemplateRetriever(store=store), seed=seed)
        assert "t5" not in drawn(source, asked)
        assert "t6" not in drawn(source, same_id)


def test_only_active_templates_are_drawn(store: TemplateStore) -> None:
    store.retire([f"t{i}" for i in range(15)], "no use")
    source = RandomTemplates(store, ThoughtTemplateRetriever(store=store))
    assert set(drawn(source, question("sums", 50))) <= {f"t{i}" for i in range(15, 20)}
