"""Mining as one call: a model writes thought templates from the good answers in a log."""

from langchain_core.language_models import BaseChatModel

from fusion_agents.right_answers.candidates import FLOORS, Floors
from fusion_agents.stores.log_filter import LogFilter
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.stores.template_store import TemplateStore
from fusion_agents.templates.miner import OnProgress, TemplateMiner
from fusion_agents.templates.mining_progress import MiningSummary
from fusion_agents.templates.selecting import Criterion
from fusion_agents.templates.summarizing import Summarizer
from fusion_agents.types import Dollars


async def mine_templates(
    log: RoutingLog,
    summarizer: Summarizer | BaseChatModel | str,
    *,
    store: TemplateStore,
    criterion: Criterion = "hybrid",
    floors: Floors = FLOORS,
    per_task: int | None = None,
    split: str = "train",
    where: LogFilter | None = None,
    pitfalls: bool = False,
    merge: bool = True,
    budget: Dollars | None = None,
    concurrency: int = 8,
    tenant: str = "default",
    on_progress: OnProgress | None = None,
) -> MiningSummary:
    """Distil thought templates from the right answers in a log.

    Near-duplicate queries are one question. Of its right answers up to three are chosen, and a
    model writes what can be learned from them: the kind of problem, a chain of reasoning, the
    format of answers. What it writes is checked (short, no answer, no number or name of the
    question, no copy, the question's script, nothing but advice); what is turned down is asked
    for once more with the reason, and then given up. Where nobody was right nothing is written.

    The same line goes on where an earlier run ended, whatever ended it: what is settled with
    this criterion, summariser and prompt is not paid for again, and a killed run repeats at most
    the calls that were under way. Cancelling the task stops it.

    Args:
        log: Has the answers.
        summarizer: Writes the templates: a model, or a `Summarizer` with a pool.
        store: Takes the templates, and keeps account of what they cost.
        criterion: How answers are chosen: `hybrid`, `performance` or `judge`.
        floors: From where on an answer counts as right.
        per_task: Questions of each task, at most; the same ones each time.
        split: Of the queries that may be learned from. Those of another split, and their
            near-duplicates, never are; those without one are the log's own.
        where: Which entries; without it, all.
        pitfalls: Whether wrong answers beside right ones make templates of what goes wrong.
        merge: Whether templates that say the same become one at the end.
        budget: Dollars that all mining for this store may cost; the price must be known.
        concurrency: Templates at a time, at most.
        tenant: Whose answers, and whose templates.
        on_progress: Called whenever something happens, with the same object each time.

    Raises:
        ConfigError: If a number or the criterion is none that a run can have, the model cannot
            be made, or there is a budget and no price.
        StoreError: If the log cannot be read or the store written.
    """
    writer = summarizer if isinstance(summarizer, Summarizer) else Summarizer(summarizer)
    miner = TemplateMiner(
        log, writer, store,
        criterion=criterion, floors=floors, per_task=per_task, split=split, where=where,
        pitfalls=pitfalls, merge=merge, budget=budget, concurrency=concurrency, tenant=tenant,
        on_progress=on_progress,
    )  # fmt: skip
    return await miner.run()
