"""`fusion-agents distill ...`: the best answers in a log train a student."""

import typer

distill = typer.Typer(
    no_args_is_help=True,
    help="Train a student on the best answers in a log: export, train, evaluate, register.",
)
