"""`fusion-agents ask`: one query, answered by the arm that should answer it."""

import sys
from json import dumps
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fusion_agents.cli.answering import Asked, dollars, open_chain
from fusion_agents.cli.console import errors, printable, say
from fusion_agents.cli.options import (
    DEFAULT_DEADLINE,
    DEFAULT_MODELS,
    DEFAULT_OBJECTIVE,
    AnswerDeadline,
    AnsweringArm,
    AnsweringModel,
    AnsweringRouter,
    Explain,
    ExploreRate,
    InlineJudge,
    ModelsFile,
    ObjectiveText,
    RecordingLog,
)

if TYPE_CHECKING:
    from langchain_core.messages import AIMessage
    from langchain_core.runnables import RunnableConfig

    from fusion_agents.chain import FusionRouterChain
    from fusion_agents.types import Route


def ask(
    query: Annotated[
        str | None,
        typer.Argument(
            help="The query; `-`, or nothing, for what comes on standard input.",
            show_default=False,
        ),
    ] = None,
    models: ModelsFile = DEFAULT_MODELS,
    router: AnsweringRouter = None,
    objective: ObjectiveText = DEFAULT_OBJECTIVE,
    arm: AnsweringArm = None,
    model: AnsweringModel = None,
    deadline: AnswerDeadline = DEFAULT_DEADLINE,
    log: RecordingLog = None,
    judge: InlineJudge = None,
    explore: ExploreRate = None,
    stream: Annotated[bool, typer.Option("--stream", help="Print the answer as it comes.")] = False,
    explain: Explain = False,
    json: Annotated[
        bool,
        typer.Option("--json", help="Give the answer with all evidence and the usage as JSON."),
    ] = False,
) -> None:
    """Answer a query with the arm that should answer it.

    The answer goes to standard output; who gave it, at what cost and how
    quickly goes to standard error. If an arm fails, the next best is asked.
    Keys are read from the environment.

    Examples:
      fusion-agents ask "How many primes are below 100?" --router router
      fusion-agents ask --models models.toml --stream < question.txt
      fusion-agents ask "2 + 2?" --router router --objective balance --log routing.db --json
    """
    from fusion_agents.errors import ConfigError

    if stream and json:
        raise ConfigError("give either --stream or --json")
    text = _query(query)
    asked = Asked(models, router, objective, deadline, arm, model, log, judge, explore)
    config: RunnableConfig = {"configurable": asked.choices()._asdict()}
    with open_chain(asked) as chain:
        message = _streamed(chain, text, config) if stream else chain.invoke(text, config)
    found: dict[str, Any] = message.response_metadata["fusion"]
    if json:
        usage = message.usage_metadata
        typer.echo(dumps({"answer": str(message.text), "fusion": found, "usage": usage}))
    elif not stream:
        typer.echo(_printable(str(message.text)))
    if explain and not json:
        _explain(found)
    say(_in_words(found))


def _query(given: str | None) -> str:
    from fusion_agents.errors import ConfigError

    if given is None and sys.stdin.isatty():
        raise ConfigError("give a query, or pipe one in")
    if given is None or given == "-":
        given = typer.get_text_stream("stdin", encoding="utf-8", errors="replace").read()
    if not given.strip():
        raise ConfigError("the query is empty")
    return given.strip()


def _streamed(chain: "FusionRouterChain", query: str, config: "RunnableConfig") -> "AIMessage":
    """Print the answer as it comes; gives the last chunk, which has the evidence."""
    written = "\n"
    chunk = None
    try:
        for chunk in chain.stream(query, config):
            if text := str(chunk.text):
                written = text
                typer.echo(_printable(text), nl=False)
    finally:  # whatever is said next begins a line of its own
        if not written.endswith("\n"):
            typer.echo()
    assert chunk is not None
    return chunk


def _printable(text: str) -> str:
    """The text; a terminal is not given characters that command it."""
    return printable(text) if sys.stdout.isatty() else text


def _in_words(found: dict[str, Any]) -> str:
    attempts = found["attempts"]
    line = f"{found['answered_by']}: {dollars(found['cost'])}, {found['latency']:.2f} s"
    if len(attempts) > 1:
        story = ", ".join(f"{a['arm']} {a['error'] or 'answered'}" for a in attempts)
        line += f", {len(attempts)} attempts ({story})"
    if judged := found.get("judgement"):
        score = "not scored" if judged["score"] is None else f"{judged['score']:.2f}"
        line += f", judged by {judged['judge']}: {score}"
    return line


def _explain(found: dict[str, Any]) -> None:
    from fusion_agents.cli.evidence import one_route

    errors().print(one_route(_route(found)))


def _route(found: dict[str, Any]) -> "Route":
    from fusion_agents.types import Arm, ArmForecast, Route

    return Route(
        arm=Arm.parse(found["arm"]),
        ranking=tuple(
            ArmForecast.model_validate({**forecast, "arm": Arm.parse(forecast["arm"])})
            for forecast in found["forecast"]
        ),
        **{name: found[name] for name in ("utility", "propensity", "objective", "router")},
        **{name: found[name] for name in ("router_version", "reason")},
    )
