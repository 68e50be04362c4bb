"""The study end to end: real clients, a server on loopback, a log and stores on disk."""

from typing import Any

import pytest

from fusion_agents.collecting.progress import CollectProgress
from fusion_agents.collecting.run import collect
from fusion_agents.errors import ConfigError
from fusion_agents.pool.pool import Pool
from fusion_agents.stores.log_filter import LogFilter
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.stores.template_store import TemplateStore
from fusion_agents.studying.conditions import CONDITIONS
from fusion_agents.studying.foreseeing import foresee
from fusion_agents.studying.questions import divide
from fusion_agents.studying.report import Gain, Level, StudyReport
from fusion_agents.studying.study import StudySummary, ThoughtStudy
from fusion_agents.templates.mining import mine_templates
from fusion_agents.templates.summarizing import Summarizer
from fusion_agents.testing.openai_server import Behaviour, OpenAIServer
from tests.studying.world import N_TEST, N_TRAIN, behave, questions

N = 2 * N_TEST


def study(pool: Pool, log: RoutingLog, **options: Any) -> ThoughtStudy:
    options = {"answerers": ["small"], "conditions": CONDITIONS, "n_bootstrap": 200, **options}
    options.setdefault("summarizer", Summarizer("large", pool=pool))
    return ThoughtStudy(pool, log, divide(log), **options)


def reported(summary: StudySummary) -> StudyReport:
    assert summary.report is not None
    return summary.report


def level(report: StudyReport, condition: str, task: str | None = None) -> Level:
    over = "queries" if task is None else "task"
    return next(
        one
        for one in report.levels
        if (one.condition, one.over, one.task) == (condition, over, task)
    )


def gain(report: StudyReport, condition: str, baseline: str) -> Gain:
    return next(
        one
        for one in report.gains
        if (one.condition, one.baseline, one.over) == (condition, baseline, "queries")
    )


async def test_all_conditions_are_asked_the_same_and_compared(
    pool: Pool, log: RoutingLog, server: OpenAIServer
) -> None:
    summary = await study(pool, log).run()

    assert summary.complete
    report = reported(summary)
    assert report.conditions == CONDITIONS
    assert report.tasks == {"rests": N_TEST, "sums": N_TEST}
    assert level(report, "zero-shot").performance == 0.0
    assert level(report, "thought-hybrid").performance > 0.9  # type: ignore[operator]
    helped = gain(report, "thought-hybrid", "zero-shot")
    assert helped.low is not None
    assert helped.low > 0.4
    chosen = gain(report, "thought-hybrid", "random-template")
    assert chosen.delta is not None
    assert chosen.n == N

    asked = [request for request in server.requests if request.model == "small-model"]
    assert len(asked) == N * len(CONDITIONS)
    decoding = {
        tuple((name, str(value)) for name, value in request.body.items() if name != "messages")
        for request in asked
    }
    assert len(decoding) == 1
    assert not any("secret" in str(request.messages) for request in server.requests)


async def test_the_same_study_again_asks_nobody(
    pool: Pool, log: RoutingLog, server: OpenAIServer
) -> None:
    three = ["few-shot", "thought-performance", "random-template"]
    first = reported(await study(pool, log, conditions=three).run())
    hits = server.hits
    again = await study(pool, log, conditions=three).run()
    assert server.hits == hits
    assert reported(again) == first


async def test_a_study_that_ran_out_of_money_goes_on_and_pays_nothing_twice(
    pool: Pool, log: RoutingLog, server: OpenAIServer
) -> None:
    few = {"conditions": ["zero-shot", "thought-hybrid"]}
    mining = await study(pool, log, **few, budget=0.0001).run()
    assert (mining.stopped, mining.collected) == ("budget", None)

    cap = 0.0
    while mining.collected is None:  # as much as the templates take, and a little more
        cap += 0.02
        mining = await study(pool, log, **few, budget=cap).run()
        assert mining.mined["hybrid"].progress.spent <= cap
    whole = await study(pool, log, **few, budget=10.0).run()
    assert whole.complete
    assert server.hits == 2 * N_TRAIN + 2 * N


async def test_answers_stop_where_the_budget_ends(
    pool: Pool, log: RoutingLog, server: OpenAIServer
) -> None:
    few = {"conditions": ["zero-shot", "few-shot"]}
    stopped = await study(pool, log, **few, budget=0.0012).run()
    assert stopped.stopped == "budget"
    assert 0 < reported(stopped).spent <= 0.0012
    assert any("not complete" in note for note in reported(stopped).notes)

    assert (await study(pool, log, **few, budget=10.0).run()).complete
    assert server.hits == 2 * N


async def test_a_study_that_was_interrupted_goes_on(
    pool: Pool, log: RoutingLog, server: OpenAIServer
) -> None:
    few = {"conditions": ["zero-shot", "few-shot"], "concurrency": 1}

    def stop(progress: CollectProgress) -> None:
        if progress.answered == 5:
            running.stop(grace=5.0)

    running = study(pool, log, **few, on_collecting=stop)
    stopped = await running.run()
    assert (stopped.stopped, stopped.report) == ("interrupted", None)
    assert 5 <= server.hits < 2 * N

    assert (await study(pool, log, **few).run()).complete
    assert server.hits == 2 * N


async def test_what_other_collections_cost_is_not_the_study_s(
    pool: Pool, log: RoutingLog, server: OpenAIServer
) -> None:
    await collect(pool, questions("train"), log, arms=["large"])
    elsewhere = log.ledger.totals().cost
    assert elsewhere > 0
    few = {"conditions": ["zero-shot", "thought-judge"]}
    report = reported(await study(pool, log, **few, budget=elsewhere + 1.0).run())
    assert report.spent == pytest.approx(
        sum(one.answers or 0.0 for one in report.accounts)
        + sum(shelf.dollars for shelf in report.shelves)
    )


async def test_the_account_has_templates_tokens_and_embedding(pool: Pool, log: RoutingLog) -> None:
    conditions = ["zero-shot", "thought-hybrid", "random-template"]
    report = reported(await study(pool, log, conditions=conditions).run())
    accounts = {one.condition: one for one in report.accounts}
    plain, thought = accounts["zero-shot"], accounts["thought-hybrid"]
    assert plain.templates == 0.0
    assert plain.with_templates == 0
    assert thought.templates > 0
    assert thought.with_templates == N
    assert thought.input_tokens > plain.input_tokens  # type: ignore[operator]
    assert thought.per_question > plain.per_question  # type: ignore[operator]
    assert thought.embedding == 0.0
    assert {shelf.encoder for shelf in report.shelves} == {"lexical"}
    assert accounts["random-template"].with_templates == N


async def test_templates_stay_as_they_are_once_all_were_asked_for(
    pool: Pool, log: RoutingLog, server: OpenAIServer
) -> None:
    await study(pool, log, conditions=["zero-shot", "thought-judge"]).run()
    log.append(
        entry.model_copy(
            update={
                "key": f"new {entry.key}",
                "query": entry.query.model_copy(
                    update={"id": f"new {entry.query.id}", "text": f"Now this: {i} {i * i}?"}
                ),
            }
        )
        for i, entry in enumerate(log.scan(LogFilter(models=("middle",), splits=("train",))))
    )
    hits = server.hits
    await study(pool, log, conditions=["zero-shot", "thought-judge"]).run()
    assert server.hits == hits


async def test_without_a_summarizer_the_log_s_templates_are_used(
    pool: Pool, log: RoutingLog, server: OpenAIServer
) -> None:
    conditions = ["zero-shot", "thought-hybrid"]
    with pytest.raises(ConfigError, match="no templates of the criterion 'hybrid'"):
        await study(pool, log, conditions=conditions, summarizer=None).run()
    with TemplateStore(log) as store:
        await mine_templates(log, Summarizer("large", pool=pool), store=store)
    hits = server.hits
    summary = await study(pool, log, conditions=conditions, summarizer=None).run()
    report = reported(summary)
    assert server.hits - hits == 2 * N
    assert level(report, "thought-hybrid").performance > 0.9  # type: ignore[operator]
    assert report.shelves[0].dollars > 0
    assert not study(pool, log).folder.exists()


async def test_failed_answers_are_left_out_and_said_to_be(
    pool: Pool, log: RoutingLog, server: OpenAIServer
) -> None:
    lost = questions()[0]

    def rule(request: Any) -> Behaviour | None:
        if request.model == "small-model" and lost.text == request.text:
            return Behaviour(status=400, message="no")
        return behave(request)

    server.rule = rule
    report = reported(await study(pool, log, conditions=["zero-shot", "few-shot"]).run())
    plain = next(one for one in report.accounts if one.condition == "zero-shot")
    assert (plain.answered, plain.failed) == (N - 1, 1)
    assert gain(report, "few-shot", "zero-shot").n == N - 1
    assert any("left out" in note for note in report.notes)


async def test_templates_of_a_dead_summarizer_are_not_compared(
    pool: Pool, log: RoutingLog, server: OpenAIServer
) -> None:
    server.rule = lambda r: (
        Behaviour(status=400, message="no") if r.model == "large-model" else behave(r)
    )
    summary = await study(pool, log, conditions=["zero-shot", "thought-hybrid"]).run()
    assert summary.stopped == "failing"
    assert summary.report is None
    assert not any(request.model == "small-model" for request in server.requests)


async def test_a_study_can_be_foreseen_without_asking(
    pool: Pool, log: RoutingLog, server: OpenAIServer
) -> None:
    planned = study(pool, log)
    found = foresee(planned)
    assert set(found.minings) == {"performance", "judge", "hybrid"}
    assert set(found.minings.values()) == {2 * N_TRAIN}
    assert found.answers.calls == N * len(CONDITIONS)
    assert found.templates > 0
    assert found.added > 0
    assert server.hits == 0
    assert not planned.folder.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"conditions": ["zero-shot"]}, "at least two"),
        ({"conditions": ["zero-shot", "thought"]}, "unknown condition 'thought'"),
        ({"answerers": ["tiny"]}, "the pool has no model 'tiny'"),
        ({"answerers": []}, "which model answers"),
    ],
)
def test_what_cannot_be_studied_is_refused(
    pool: Pool, log: RoutingLog, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        study(pool, log, **options)
