"""`fusion-agents distill run`: a plan from its log to a student in the pool."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fusion_agents.cli.console import results, say
from fusion_agents.cli.exit_codes import INTERRUPTED
from fusion_agents.cli.stopping import this_command

if TYPE_CHECKING:
    from fusion_agents.graphs.model_level import ModelLevelGraph

_THREAD = {"configurable": {"thread_id": "run"}}


def distill_run(
    plan: Annotated[
        Path,
        typer.Argument(
            metavar="PLAN",
            exists=True,
            dir_okay=False,
            help="A TOML file with `log`, `base` and `out`, and whatever shall not be as usual.",
            show_default=False,
        ),
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Select, export and estimate; train nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before training.")] = False,
) -> None:
    """Select, export, train, compare and register, as a plan says.

    It stops for you to agree before money or the time of a GPU is spent. The
    same command goes on where it was interrupted or killed: what was trained,
    asked or paid for is not done again. What a training has begun with stays
    as it is; name another `out` to distil what the log has learned since.

    Examples:
      fusion-agents distill run plan.toml --dry-run
      fusion-agents distill run plan.toml --yes
    """
    from langgraph.checkpoint.memory import InMemorySaver

    from fusion_agents.distill.plan_file import read_plan
    from fusion_agents.graphs.model_level import build_model_level_graph

    given = read_plan(plan)
    graph = build_model_level_graph(checkpointer=InMemorySaver())
    try:
        asyncio.run(_go(graph, {"plan": given.model_dump(mode="json")}, only_estimate=dry_run))
        waiting = "approve" in graph.get_state(_THREAD).next  # type: ignore[arg-type]
        if dry_run or not waiting:
            return
        if not yes:
            typer.confirm("Train?", abort=True, err=True)
        from langgraph.types import Command

        asyncio.run(_go(graph, Command(resume=True)))
    except KeyboardInterrupt:
        say(f"interrupted; to go on:\n  {this_command()}")
        raise typer.Exit(INTERRUPTED) from None


async def _go(graph: "ModelLevelGraph", given: Any, *, only_estimate: bool = False) -> None:
    """Run until somebody is asked, or to the end, and show what each node gives."""
    from fusion_agents.cli.distill_train_report import training_progress
    from fusion_agents.distill.training.progress import TrainingProgress

    before = ["approve"] if only_estimate else None
    with training_progress() as show:
        async for kind, event in graph.astream(
            given, _THREAD, stream_mode=["updates", "custom"], interrupt_before=before
        ):  # type: ignore[call-overload]
            if kind == "custom":
                show(TrainingProgress(**event["train"]))
            else:
                for node, update in event.items():
                    _show(node, update)


def _show(node: str, update: Any) -> None:
    from fusion_agents.cli.distill_evaluate_report import print_comparison
    from fusion_agents.cli.distill_export_report import print_selection
    from fusion_agents.distill.comparing.comparison import Comparison
    from fusion_agents.distill.nouns import SelectionReport

    if node == "select":
        print_selection(SelectionReport.model_validate(update["data"]["report"]))
    elif node == "export":
        say(f"{update['data']['folder']}: {', '.join(update['data']['files'])}")
    elif node == "estimate":
        results().print(update["estimate"]["words"], soft_wrap=True)
    elif node == "train":
        for student in update["students"]:
            say(f"{student['name']}: {student['spec']}")
    elif node == "evaluate":
        for comparison in update["comparisons"]:
            print_comparison(Comparison.model_validate(comparison))
    elif node == "register":
        for one in update["registrations"]:
            results().print(one["reason"], soft_wrap=True)
