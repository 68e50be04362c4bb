from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_tests.integration_tests import RetrieversIntegrationTests

from fusion_agents.errors import ConfigError
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.stores.template_store import TemplateStore
from fusion_agents.templates.retrieving import ThoughtTemplateRetriever
from fusion_agents.types import Query, ThoughtTemplate

ASKED = "How many apples are left if a shop with 30 apples sells 12 of them?"
APPLES = {
    "pears": "How many pears are left if a farm with 50 pears gives away 8?",
    "apples-2": "How many apples does a shop have left after it sells 7 of 20 boxes?",
    "plums": "A shop has plums and sells some of them; how many plums are left?",
    "coins": "How many coins are left if someone with 90 coins spends 41?",
}
OTHERS = {
    "king": "Which king signed Magna Carta?",
    "code": "Write a function that reverses a list in place.",
}


def template(name: str, question: str, **given: object) -> ThoughtTemplate:
    values: dict[str, object] = {
        "problem": f"Subtract what goes ({name}).",
        "question": question,
        "query_id": name,
    }
    return ThoughtTemplate.model_validate(values | given)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[RoutingLog]:
    with RoutingLog(tmp_path / "log.db") as log:
        yield log


@pytest.fixture
def store(log: RoutingLog) -> TemplateStore:
    store = TemplateStore(log)
    store.add(template(name, question) for name, question in (APPLES | OTHERS).items())
    return store


def names(
    retriever: ThoughtTemplateRetriever, query: Query | str = ASKED, **given: Any
) -> list[str]:
    return [hit.template.query_id for hit in retriever.find(query, **given)]


class TestStandard(RetrieversIntegrationTests):
    @pytest.fixture(autouse=True)
    def _with_a_store(self, store: TemplateStore) -> None:
        self.store = store

    @property
    def retriever_constructor(self) -> type[ThoughtTemplateRetriever]:
        return ThoughtTemplateRetriever

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        return {"store": self.store, "min_similarity": 0.0}

    @property
    def retriever_query_example(self) -> str:
        return ASKED


def test_templates_of_similar_questions_are_found_without_a_task(store: TemplateStore) -> None:
    found = names(ThoughtTemplateRetriever(store=store))
    assert len(found) == 3
    assert set(found) <= set(APPLES)


def test_a_query_that_resembles_no_question_enough_finds_nothing(store: TemplateStore) -> None:
    assert names(ThoughtTemplateRetriever(store=store, min_similarity=0.9)) == []
    assert names(ThoughtTemplateRetriever(store=store), " \n") == []


def test_the_templates_of_the_query_itself_are_never_found(store: TemplateStore) -> None:
    retriever = ThoughtTemplateRetriever(store=store, k=9)
    for name, question in APPLES.items():
        assert name not in names(retriever, question)
        assert name not in names(retriever, Query(id=name, text=ASKED))


def test_templates_of_near_duplicates_are_never_found(store: TemplateStore) -> None:
    near = "How many APPLES are left, if a shop with 30 apples sells 12 of them"
    store.add([template("near", near)])
    assert "near" not in names(ThoughtTemplateRetriever(store=store, k=9))


def test_a_template_is_not_found_by_a_question_that_was_merged_into_it(
    store: TemplateStore,
) -> None:
    kept = template("kept", "How many melons are left if a shop with 9 melons sells 2?")
    gone = template("gone", ASKED)
    store.add([kept, gone])
    store.merge(kept.id, [gone.id])
    retriever = ThoughtTemplateRetriever(store=store, k=9)
    assert "kept" not in names(retriever)
    assert "kept" not in names(retriever, Query(id="gone", text="Are any melons left?"))


def test_one_question_gives_one_template(store: TemplateStore) -> None:
    question = "How many apples are left if a shop with 31 nuts sells 12 of them?"
    store.add(template("same", question, problem=f"Way {i}.") for i in range(4))
    store.add([template("copy", question.upper())])
    found = names(ThoughtTemplateRetriever(store=store, k=6, min_similarity=0))
    assert sorted(found).count("same") + found.count("copy") == 1


def test_more_different_questions_are_chosen_where_that_is_wanted(store: TemplateStore) -> None:
    plain = ThoughtTemplateRetriever(store=store, k=2, diversity=0).find(ASKED)
    different = ThoughtTemplateRetriever(store=store, k=2, diversity=1).find(ASKED)
    assert plain[0].template == different[0].template
    assert plain[1].similarity > different[1].similarity
    assert plain[0].vector @ plain[1].vector > different[0].vector @ different[1].vector


def test_a_limited_source_gives_at_most_its_share(log: RoutingLog, store: TemplateStore) -> None:
    fruits = ("figs", "dates", "limes", "kiwis")
    store.add(
        template(
            fruit,
            f"How many {fruit} are left if a {place} with {n} apples sells {n - 2}?",
            source="crowd",
        )
        for n, (fruit, place) in enumerate(
            zip(fruits, ("shop", "farm", "bar", "ship"), strict=True), 20
        )
    )
    retriever = ThoughtTemplateRetriever(store=store, diversity=0)
    free = sum(hit.template.source == "crowd" for hit in retriever.find(ASKED))
    log.set_trust("source", "crowd", "limited")
    capped = retriever.find(ASKED)
    log.set_trust("source", "crowd", "suspended")
    without = retriever.find(ASKED)
    assert free > 1
    assert sum(hit.template.source == "crowd" for hit in capped) == 1
    assert len(capped) == len(without) == 3
    assert not any(hit.template.source == "crowd" for hit in without)


def test_tenants_find_their_own_templates_only(store: TemplateStore) -> None:
    store.add(template(n, q, tenant="b", problem="B's way.") for n, q in APPLES.items())
    retriever = ThoughtTemplateRetriever(store=store, k=9)
    assert {hit.template.tenant for hit in retriever.find(ASKED)} == {"default"}
    assert {hit.template.tenant for hit in retriever.find(ASKED, tenant="b")} == {"b"}
    assert retriever.find(ASKED, tenant="c") == []
    documents = retriever.invoke(ASKED, tenant="b")
    assert {document.page_content for document in documents} == {"B's way."}


async def test_documents_say_where_they_come_from(store: TemplateStore) -> None:
    document = (await ThoughtTemplateRetriever(store=store).ainvoke(ASKED, k=1))[0]
    assert store.get(str(document.id)) is not None
    assert document.metadata["question"] in APPLES.values()
    assert document.metadata["similarity"] >= 0.2
    assert document.metadata["tenant"] == "default"


def test_an_empty_store_finds_nothing(tmp_path: Path) -> None:
    with RoutingLog(tmp_path / "empty.db") as log:
        assert ThoughtTemplateRetriever(store=TemplateStore(log)).find(ASKED) == []


def test_no_template_is_no_number_of_templates(store: TemplateStore) -> None:
    with pytest.raises(ConfigError, match="at least 1"):
        ThoughtTemplateRetriever(store=store).find(ASKED, 0)


def test_templates_of_the_task_that_the_neighbours_vote_for_come_first(
    log: RoutingLog,
) -> None:
    store = TemplateStore(log)
    sold = "How many {} does the {} have left after it sells {}?"
    places = ("shop", "farm", "ship", "mill", "fair", "camp")
    fruits = ("pears", "plums", "limes", "figs", "kiwis", "dates")
    store.add(
        template(f"sum-{fruit}", sold.format(fruit, place, number), task="sums")
        for number, (fruit, place) in enumerate(zip(fruits, places, strict=True), 10)
    )
    store.add(
        template(f"law-{fruit}", f"Which law says what a {place} may sell: {fruit}?", task="law")
        for fruit, place in zip(fruits, places, strict=True)
    )
    stray = "How many apples does a shop have in store that it never sells?"
    store.add([template("stray", stray, task="law")])
    query = "How many apples does the shop have left after it sells 5?"
    plain = ThoughtTemplateRetriever(store=store, diversity=0, agreement=0, k=6)
    voted = ThoughtTemplateRetriever(store=store, diversity=0, k=6)
    assert "stray" in names(plain, query)
    assert {name[:3] for name in names(voted, query)} == {"sum"}


def test_a_limited_source_has_no_vote_on_the_task(log: RoutingLog, store: TemplateStore) -> None:
    store.add(
        template(f"crowd-{n}", f"{ASKED} Or are {n} shops sold {word} {word}s, {word}?",
                 task=f"spam-{n % 2}", source="crowd")
        for n, word in enumerate(("red", "blue", "green", "grey", "pink", "black"))
    )  # fmt: skip
    log.set_trust("source", "crowd", "limited")
    voted = ThoughtTemplateRetriever(store=store, k=4, max_share=0)
    plain = ThoughtTemplateRetriever(store=store, k=4, max_share=0, agreement=0)
    assert names(voted) == names(plain)


def test_the_neighbours_vote_also_by_how_a_question_is_written(log: RoutingLog) -> None:
    store = TemplateStore(log)
    sold = "How many {} does the {} have left after it sells {} of them?"
    places = ("shop", "farm", "ship", "mill", "fair", "camp")
    fruits = ("pears", "plums", "limes", "figs", "kiwis", "dates")
    store.add(
        template(f"{task}-{fruit}", sold.format(fruit, place, amount), task=task)
        for task, amount in (("school", "12"), ("contest", "$12$"))
        for fruit, place in zip(fruits, places[:: -1 if task == "school" else 1], strict=True)
    )
    voted = ThoughtTemplateRetriever(store=store, diversity=0, k=4)
    in_tex = names(voted, sold.format("apples", "town", "$n$"))
    plain = names(voted, sold.format("apples", "town", "a few"))
    assert {name.split("-")[0] for name in in_tex} == {"contest"}
    assert {name.split("-")[0] for name in plain} == {"school"}
