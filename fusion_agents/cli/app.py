"""The verbs put together, and the one place where errors become a line and an exit code."""

import os
import sys
import traceback
from io import TextIOWrapper
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from fusion_agents import __version__
from fusion_agents.cli.ask import ask
from fusion_agents.cli.batch import batch
from fusion_agents.cli.collect import collect
from fusion_agents.cli.consent import consent
from fusion_agents.cli.console import errors, printable
from fusion_agents.cli.demo import demo
from fusion_agents.cli.distill import distill
from fusion_agents.cli.distill_evaluate import distill_evaluate
from fusion_agents.cli.distill_export import distill_export
from fusion_agents.cli.distill_lineage import distill_lineage
from fusion_agents.cli.distill_register import distill_register
from fusion_agents.cli.distill_run import distill_run
from fusion_agents.cli.distill_train import distill_train
from fusion_agents.cli.doctor import doctor
from fusion_agents.cli.evaluate import evaluating
from fusion_agents.cli.exit_codes import INTERRUPTED, UNEXPECTED, WRONG
from fusion_agents.cli.feedback import feedback
from fusion_agents.cli.fit import fit
from fusion_agents.cli.forget import forget
from fusion_agents.cli.import_files import import_files
from fusion_agents.cli.judge import judge
from fusion_agents.cli.log import log
from fusion_agents.cli.refresh import refresh, rollback
from fusion_agents.cli.route import route
from fusion_agents.cli.routers import routers
from fusion_agents.cli.templates import templates
from fusion_agents.cli.templates_mine import mine
from fusion_agents.cli.templates_report import report
from fusion_agents.errors import FusionError


class Border(TyperGroup):
    """Turns errors into one line on standard error; `--debug` shows where they came from."""

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]
        """Run a verb."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            errors().print("interrupted", style="yellow")
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:  # whoever read our output has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None
        except (FusionError, OSError) as error:
            _show(ctx, f"error: {error}")
            raise typer.Exit(WRONG) from error
        except Exception as error:  # the border: nobody is behind it to catch it
            if isinstance(error, typer.Abort) or hasattr(error, "exit_code"):
                raise  # typer's own
            what = " ".join(f"{type(error).__name__}: {error}".split())
            _show(ctx, f"unexpected error: {what} (run with --debug for the traceback)")
            raise typer.Exit(UNEXPECTED) from error


def _show(ctx: typer.Context, message: str) -> None:
    if ctx.params.get("debug"):
        sys.stderr.write(printable(traceback.format_exc()))
    errors().print(printable(" ".join(message.splitlines())), style="red", soft_wrap=True)


app = typer.Typer(
    cls=Border,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("import")(import_files)
app.add_typer(log, name="log")
app.add_typer(evaluating, name="evaluate")
app.command()(fit)
app.command()(route)
app.command()(ask)
app.command()(batch)
app.command()(collect)
app.command()(judge)
app.command()(feedback)
app.command()(refresh)
app.command()(rollback)
app.command()(consent)
app.command()(forget)
app.command()(routers)
templates.command()(mine)
templates.command()(report)
app.add_typer(templates, name="templates")
distill.command("evaluate")(distill_evaluate)
distill.command("export")(distill_export)
distill.command("lineage")(distill_lineage)
distill.command("register")(distill_register)
distill.command("run")(distill_run)
distill.command("train")(distill_train)
app.add_typer(distill, name="distill")
app.command()(demo)
app.command()(doctor)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"fusion-agents {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[
        bool,
        typer.Option(
            "--debug", envvar="FUSION_AGENTS_DEBUG", help="Show where an error came from."
        ),
    ] = False,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Say the version."),
    ] = False,
) -> None:
    """Learn from multi-LLM logs which model, prompted how, should answer a query.

    Start with `fusion-agents demo`, which needs no network, no key and no data.

    Exit codes: 0 done, 2 what was asked for cannot be done, 70 an unexpected
    error (please report it), 130 interrupted.
    """


def main() -> None:
    """Run the command line and exit.

    The matrices here are small: threads of a matrix library wait for each other longer than they
    work, many times longer on a busy machine. So there is one, unless the environment says more,
    or a student is trained or asked, whose matrices are large.
    """
    for name in (
        ()
        if sys.argv[1:2] == ["distill"]
        else ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    ):
        os.environ.setdefault(name, "1")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a terminal that lacks a character gets a ?
            stream.reconfigure(errors="replace")
    app(prog_name="fusion-agents")
