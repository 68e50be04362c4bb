"""Templates are credited with what answers gain by them, and retired where they hurt."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from fusion_agents.stores import RoutingLog
from fusion_agents.stores.template_store import TemplateStore
from fusion_agents.templates.crediting import Credit, credit
from fusion_agents.templates.reporting import discoveries, report_templates
from fusion_agents.templates.uses import Use, read_uses
from fusion_agents.types import Arm, LogEntry, Query, ThoughtTemplate


def entry(
    query: int, strategy: str, performance: float | None, *templates: str, **more: object
) -> LogEntry:
    task = str(more.pop("task", "sums"))
    values = {
        "query": Query(id=f"q{query}", text=f"How much is {query} plus 1?", task=task),
        "arm": Arm(model=str(more.pop("model", "small")), strategy=strategy),
        "performance": performance,
        "template_ids": templates,
    }
    return LogEntry.model_validate(values | more)


def use(query: int, lift: float, *templates: str) -> Use:
    return Use(f"q{query}", "sums", "small", templates, lift, 1.0, True)


def by_template(one: Use) -> tuple[str, ...]:
    return one.templates


def test_an_answer_is_compared_with_the_same_models_answer_to_the_same_query() -> None:
    entries = [
        entry(1, "direct", 0.0),
        entry(1, "direct", 1.0, sample=1),
        entry(1, "direct", 1.0, model="large"),
        entry(1, "thought", 1.0, "a", "b", "a"),
    ]

    (found,) = read_uses(entries).uses

    assert (found.templates, found.lift, found.paired) == (("a", "b"), 0.5, True)


def test_without_such_an_answer_the_models_mean_counts_by_propensity() -> None:
    likely = [entry(i, "direct", 1.0, propensity=0.9) for i in range(10)]
    unlikely = [entry(i + 20, "direct", 0.0, propensity=0.1) for i in range(10)]
    shown = entry(99, "thought", 1.0, "a")

    (found,) = read_uses([shown, *likely, *unlikely]).uses

    assert not found.paired
    assert found.lift == pytest.approx(0.9)


def test_what_cannot_be_compared_is_counted_and_not_credited() -> None:
    entries = [entry(1, "thought", 1.0, "a"), entry(2, "direct", 1.0), entry(3, "think", 0.0)]

    assert read_uses(entries) == ([], 1)


def test_unmeasured_and_failed_answers_say_nothing() -> None:
    failed = entry(1, "thought", None, "a", error="timeout")

    assert read_uses([entry(1, "direct", 1.0), failed, entry(1, "thought", None, "a")]) == ([], 0)


def test_a_thought_answer_without_templates_is_one_without() -> None:
    (found,) = read_uses([entry(1, "thought", 0.0), entry(1, "thought", 1.0, "a", sample=1)]).uses

    assert (found.lift, found.paired) == (1.0, True)


def test_no_uses_give_no_credits() -> None:
    assert credit([], by_template) == {}


def test_few_uses_are_shrunk_towards_the_overall_lift_and_known_badly() -> None:
    many = [use(i, 0.2 * (-1) ** i + 0.1, "old") for i in range(200)]
    found = credit([*many, use(500, -1.0, "fresh")], by_template)

    assert found["old"].lift == pytest.approx(0.1, abs=0.02)
    assert -0.3 < found["fresh"].lift < found["old"].lift
    assert found["fresh"].high - found["fresh"].low > found["old"].high - found["old"].low


def test_a_template_is_not_blamed_for_the_one_beside_it() -> None:
    rng = np.random.default_rng(0)
    names = ("bad", "a", "b", "c", "d")
    uses = []
    for i in range(2_000):
        shown = [names[j] for j in rng.choice(5, 2, replace=False)]
        mean = np.mean([-0.4 if name == "bad" else 0.1 for name in shown])
        uses.append(use(i, float(mean + rng.normal(0, 0.3)), *shown))

    found = credit(uses, by_template)

    assert found["bad"].high < 0
    assert all(found[name].lift == pytest.approx(0.1, abs=0.05) for name in "abcd")


def test_credits_do_not_depend_on_the_order_of_names() -> None:
    uses = [use(i, (i % 3) / 3, "ab"[i % 2]) for i in range(60)]
    renamed = [one._replace(templates=tuple(f"z{name}" for name in one.templates)) for one in uses]

    assert list(credit(uses, by_template).values()) == list(credit(renamed, by_template).values())


def test_repeating_a_query_does_not_make_it_more_certain() -> None:
    once = [use(i, float(i % 2), "a") for i in range(40)]

    narrow = credit(
        [*once, *(one._replace(query_id=f"x{one.query_id}") for one in once)], by_template
    )
    wide = credit(once * 2, by_template)

    assert _width(wide["a"]) > 1.2 * _width(narrow["a"])


def _width(found: Credit) -> float:
    return found.high - found.low


def world(log: RoutingLog, store: TemplateStore) -> dict[str, str]:
    """A log in which one template helps, one hurts, one is new; gives their ids."""
    templates = {
        name: ThoughtTemplate(problem=f"{name} sums", question=f"{name}?", query_id=name)
        for name in ("good", "bad", "new", "unused")
    }
    store.add(templates.values())
    ids = {name: one.id for name, one in templates.items()}
    log.append(_answers(ids))
    return ids


def _answers(ids: dict[str, str]) -> Iterator[LogEntry]:
    rng = np.random.default_rng(1)
    rates = {"good": 0.9, "bad": 0.1}
    for i in range(240):
        name = ("good", "bad")[i % 2]
        yield entry(i, "direct", float(rng.random() < 0.5))
        yield entry(i, "thought", float(rng.random() < rates[name]), ids[name])
    for i in range(300, 303):
        yield entry(i, "direct", 1.0)
        yield entry(i, "thought", 0.0, ids["new"])


def test_the_report_tells_what_helps_from_what_hurts_and_what_is_new(tmp_path: Path) -> None:
    with RoutingLog(tmp_path / "log.db") as log, TemplateStore(log) as store:
        ids = world(log, store)

        report = report_templates(log, store)

    verdicts = {one.id: one.verdict for one in report.templates}
    assert verdicts == {ids["good"]: "helps", ids["bad"]: "hurts", ids["new"]: "new"}
    assert report.unhelpful == (ids["bad"],)
    assert report.templates[0].id in (ids["bad"], ids["new"])
    assert [(one.task, one.model, one.paired) for one in report.cells] == [("sums", "small", 243)]
    assert report.unused == 1
    assert report.overall is not None
    assert report.overall.low < 0 < report.overall.high


def test_templates_that_do_nothing_are_hardly_ever_called_unhelpful() -> None:
    wrong = 0
    for seed in range(4):
        rng = np.random.default_rng(seed)
        uses = [
            use(i, float(rng.choice([-1.0, 0.0, 1.0])), *(f"t{t}" for t in rng.choice(40, 3)))
            for i in range(1_500)
        ]
        wrong += len(discoveries(credit(uses, by_template, n_draws=100, seed=seed), 20))

    assert wrong <= 1
