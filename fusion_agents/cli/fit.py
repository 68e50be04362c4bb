"""`fusion-agents fit`: learn a router from the log and save it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from fusion_agents.cli.console import check_folder, progress, results, say
from fusion_agents.cli.options import (
    DEFAULT_LOG,
    EncoderName,
    ExcludedArms,
    ExcludedTasks,
    LogFile,
    Seed,
    names,
)

if TYPE_CHECKING:
    from fusion_agents.routers.base import Router


def fit(
    out: Annotated[Path, typer.Option(help="Folder to save the router in.")],
    log: LogFile = DEFAULT_LOG,
    router: Annotated[str, typer.Option(help="The router: auto, knn:k=50, ...")] = "auto",
    encoder: EncoderName = "lexical",
    exclude_arms: ExcludedArms = "",
    exclude_tasks: ExcludedTasks = "",
    seed: Seed = 0,
) -> None:
    """Learn a router from the whole log and save it.

    Answers without a measured performance count with what their judge's score is worth, once
    `judge --calibrate` has found that out. What one limited source or tenant says counts up to
    its share (`log trust`). A router that is in the folder already is replaced in one step.

    Examples:
      fusion-agents fit --log routing.db --out router
      fusion-agents fit --router knn:k=50 --exclude-arms gpt-4 --out router
    """
    from fusion_agents.cli.reading import read_training, without_arms, without_tasks
    from fusion_agents.encoders.catalogue import make_encoder
    from fusion_agents.routers import make_router
    from fusion_agents.routers.artefact import save_router

    check_folder(out)
    made = make_router(router, encoder=make_encoder(encoder), seed=seed)
    with progress() as step:
        step(f"reading {log}", 0, None)
        (outcomes,) = without_tasks([read_training(log)], names(exclude_tasks))
        outcomes = without_arms(outcomes, names(exclude_arms))
        step(f"fitting {made.name}", 0, None)
        made.fit(outcomes)
        save_router(made, out)
    results().print(_arms(made))
    say(f"saved {made.version}, learned from {made.fitted.n_queries:,} queries, in {out}")


def _arms(router: "Router") -> Table:
    fitted = router.fitted
    table = Table("arm")
    for name in ("answers", "performance", "judge", "$/1k"):
        table.add_column(name, justify="right")
    for i in sorted(range(len(fitted.arms)), key=lambda i: fitted.arms[i]):
        table.add_row(
            Text(fitted.arms[i]),
            f"{fitted.n_answers[i]:,}",
            _number(fitted.mean_performance[i]),
            _number(fitted.mean_judge[i]),
            _number(fitted.cost.means[i] * 1000),
        )
    return table


def _number(value: float) -> str:
    return "-" if value != value else f"{value:.3f}"  # NaN is not itself
