"""`fusion-agents demo`: the whole way from a log to routed queries, offline."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fusion_agents.cli.console import (
    check_folder,
    check_outputs,
    progress,
    recorder,
    save_picture,
    say,
    write_text,
)
from fusion_agents.cli.evidence import many_routes
from fusion_agents.cli.options import DEFAULT_OBJECTIVE, ExcludedArms, Seed, names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from fusion_agents.evaluation import Evaluation
    from fusion_agents.evaluation.report import Saving
    from fusion_agents.outcomes import Outcomes
    from fusion_agents.routers.base import Router

ROUTERS = ("best", "task-best", "cheapest", "random", "knn", "auto")
N_ROUTED = 12

_SIMULATED = (
    "The models are SIMULATED and so are the figures: they show what the package does, not how "
    "well it does on yours. For that: fusion-agents demo --log YOUR_LOG"
)


def demo(
    log: Annotated[
        Path | None, typer.Option("--log", help="A real log to use in place of simulated models.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for what is made; a new temporary one by default.")
    ] = None,
    exclude_arms: ExcludedArms = "",
    objective: Annotated[
        str,
        typer.Option(
            help="As for `evaluate`; by default performance-first, or judge if the log has no "
            "performance.",
            show_default=False,
        ),
    ] = "",
    seed: Seed = 0,
    questions: Annotated[
        int, typer.Option(min=60, help="How many questions the simulated models answer.")
    ] = 1_500,
    svg: Annotated[
        Path | None, typer.Option(help="Save what is shown as a picture.", show_default=False)
    ] = None,
) -> None:
    """Learn from a log, say what routing earns, and route new queries.

    Without a log, simulated models answer generated questions: no network,
    no key, no money. What an earlier demo made in the same folder is replaced.

    Examples:
      fusion-agents demo
      fusion-agents demo --log answers.jsonl.gz --out trial
    """
    from fusion_agents.cli.reading import without_arms

    check_outputs(svg)
    folder = out or Path(tempfile.mkdtemp(prefix="fusion-agents-demo-"))
    check_folder(folder)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    console = recorder()
    if log is None:
        console.print(_SIMULATED, style="yellow")
        outcomes, new = _simulated(folder, questions, seed)
    else:
        outcomes, new = _real(log, seed)
    outcomes = without_arms(outcomes, names(exclude_arms))
    objective = objective or _objective_for(outcomes)
    _show_evaluation(console, outcomes, folder, seed, objective)
    router = _fit(outcomes, folder, seed)
    console.print(many_routes(new, router.route(new, objective)))
    _say_what_next(folder)
    if svg is not None:
        save_picture(console, svg, "fusion-agents demo")


def _simulated(folder: Path, n_questions: int, seed: int) -> "tuple[Outcomes, Sequence[str]]":
    """Write a simulated log, import it, and think of questions that are not in it."""
    from fusion_agents.simulation import generate_questions, simulate_log
    from fusion_agents.stores.formats.base import Record
    from fusion_agents.stores.formats.jsonl import JSONLinesWriter
    from fusion_agents.stores.importing import import_files
    from fusion_agents.stores.routing_log import RoutingLog

    file, database = folder / "simulated-log.jsonl", folder / "routing.db"
    _remove_simulated(database)
    with progress() as step, RoutingLog(database) as log:
        step("simulating models", 0, None)
        JSONLinesWriter().write(map(Record, simulate_log(n_questions, seed)), file)
        import_files(file, log, on_progress=lambda s: step("importing answers", s.rows, None))
        outcomes = log.outcomes()
    known = {query.text for query in outcomes.queries}
    more = [question.text for question in generate_questions(10 * N_ROUTED, seed + 1)]
    return outcomes, [text for text in more if text not in known][:N_ROUTED]


def _remove_simulated(database: Path) -> None:
    """Remove the database of an earlier demo, and nobody else's."""
    from fusion_agents.errors import ConfigError
    from fusion_agents.simulation.log import SOURCE
    from fusion_agents.stores.opening import open_log

    if not database.exists():
        return
    with open_log(database, read_only=True) as log:
        others = [source.name for source in log.stats().sources if source.name != SOURCE]
    if others:
        raise ConfigError(
            f"{str(database)!r} holds answers that are not the demo's (from {others[0]!r}): "
            "give another folder as --out"
        )
    for end in ("", "-wal", "-shm"):
        database.with_name(f"{database.name}{end}").unlink(missing_ok=True)


def _objective_for(outcomes: "Outcomes") -> str:
    import numpy as np

    if np.isnan(outcomes.performance).all() and not np.isnan(outcomes.judge).all():
        say("the log has no performance: the objective is the judge's score (judge)")
        return "judge"
    return DEFAULT_OBJECTIVE


def _real(path: Path, seed: int) -> "tuple[Outcomes, Sequence[str]]":
    """Read a log, and keep back a few queries to route in the end."""
    import numpy as np

    from fusion_agents.cli.reading import read_outcomes

    with progress() as step:
        step(f"reading {path}", 0, None)
        outcomes = read_outcomes(path)
    order = np.random.default_rng(seed).permutation(outcomes.n_queries)
    n_new = min(N_ROUTED, outcomes.n_queries // 10)
    new = [outcomes.queries[i].text for i in order[:n_new]]
    return outcomes.take(np.sort(order[n_new:])), new


def _show_evaluation(
    console: "Console", outcomes: "Outcomes", folder: Path, seed: int, objective: str
) -> None:
    from fusion_agents.evaluation import evaluate
    from fusion_agents.evaluation.html import to_html
    from fusion_agents.evaluation.terminal import table

    with progress() as step:
        evaluation = evaluate(outcomes, ROUTERS, objective, seed=seed, on_progress=step)
    write_text(str(folder / "evaluation.json"), evaluation.model_dump_json(indent=1))
    write_text(str(folder / "report.html"), to_html(evaluation))
    console.print(table(evaluation))
    for sentence in _in_words(evaluation):
        console.print(sentence)
    console.print()


def _in_words(evaluation: "Evaluation") -> list[str]:
    """What routing costs beside the best single arm, and what a weight on cost would save."""
    auto, best = evaluation.row("auto"), evaluation.row("best")
    arm = next(iter(best.arms), "the best single arm")
    sentences = []
    if auto.cost is not None and best.cost:
        sentences.append(
            f"auto spends ${auto.cost * 1000:.3f} per 1,000 queries, {auto.cost / best.cost:.0%} "
            f"of what always {arm} does (${best.cost * 1000:.3f})."
        )
    savings = [saving for saving in evaluation.savings if saving.router == "auto"]
    return [*sentences, *(_saving(saving) for saving in (savings[:1] + savings[-1:])[:2])]


def _saving(saving: "Saving") -> str:
    given_up = f"at most {saving.tolerance * 100:g} points" if saving.tolerance else "nothing"
    chosen = f"With a weight on cost chosen on {saving.chosen_on} to lose {given_up}"
    if saving.cost is None or saving.saved.delta is None or saving.vs_best.delta is None:
        return f"{chosen}: no weight does."
    return (
        f"{chosen}: ${saving.cost * 1000:.3f}, {saving.saved.delta:.0%} less, "
        f"{saving.vs_best.delta * 100:+.1f} points."
    )


def _fit(outcomes: "Outcomes", folder: Path, seed: int) -> "Router":
    from fusion_agents.routers import make_router
    from fusion_agents.routers.artefact import load_router, save_router

    with progress() as step:
        step("fitting auto on the whole log", 0, None)
        save_router(make_router("auto", seed=seed).fit(outcomes), folder / "router")
    return load_router(folder / "router")


def _say_what_next(folder: Path) -> None:
    say(f"made in {folder}:")
    for file in sorted(folder.iterdir()):
        say(f"  {file.name}")
    say(f'next: fusion-agents route --router {folder / "router"} "How many weeks are 98 days?"')
