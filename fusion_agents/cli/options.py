"""Options that several verbs share."""

from pathlib import Path
from typing import Annotated

import typer

LogFile = Annotated[
    Path,
    typer.Option(
        "--log", help="The log: a database, or a log file of any known format.", show_default=True
    ),
]
LogDatabase = Annotated[Path, typer.Option("--log", help="The log's database.")]
RouterFolder = Annotated[
    Path, typer.Option("--router", help="The folder that `fit` saved a router in.")
]
ObjectiveText = Annotated[
    str,
    typer.Option(
        "--objective",
        help="performance-first, balance, cost-first, judge, or weights and caps such as "
        "'performance=1,cost=0.3,max_cost=0.01'.",
    ),
]
EncoderName = Annotated[
    str,
    typer.Option("--encoder", help="Turns text into vectors: lexical, or minilm (a download)."),
]
ExcludedArms = Annotated[
    str,
    typer.Option("--exclude-arms", help="Arms to leave out: model@strategy or model, by commas."),
]
ExcludedTasks = Annotated[
    str, typer.Option("--exclude-tasks", help="Tasks to leave out, separated by commas.")
]
ModelsFile = Annotated[
    Path, typer.Option("--models", help="The file that says what each model is.", show_default=True)
]
AnsweringRouter = Annotated[
    Path | None,
    typer.Option(
        "--router",
        help="The folder that `fit` saved a router in; without one, the first model picks.",
        show_default=False,
    ),
]
AnsweringArm = Annotated[
    str | None,
    typer.Option("--arm", help="Let only this arm answer: model@strategy.", show_default=False),
]
AnsweringModel = Annotated[
    str | None, typer.Option("--model", help="Let only this model answer.", show_default=False)
]
AnswerDeadline = Annotated[
    float,
    typer.Option(
        "--deadline",
        min=0.001,
        help="Seconds for a query: all attempts, waits and fallbacks together.",
    ),
]
RecordingLog = Annotated[
    Path | None,
    typer.Option(
        "--log",
        help="A log's database that every attempt is added to; made if it is missing.",
        show_default=False,
    ),
]
InlineJudge = Annotated[
    str | None,
    typer.Option(
        "--judge",
        help="Have each answer judged before it is given: metric, rubric:MODEL, pairwise:MODEL.",
        show_default=False,
    ),
]
ExploreRate = Annotated[
    str | None,
    typer.Option(
        "--explore",
        help="How often to try another arm on purpose: 0.05, thompson:0.05. Needs --router.",
        show_default=False,
    ),
]
ConcurrentCalls = Annotated[
    int, typer.Option("--concurrency", min=1, max=1024, help="Calls at a time, at most.")
]
Grace = Annotated[
    float, typer.Option("--grace", min=0, help="Seconds that Ctrl-C leaves to calls under way.")
]
DryRunOfCalls = Annotated[
    bool, typer.Option("--dry-run", help="Show the calls and what they may cost; ask nobody.")
]
Explain = Annotated[bool, typer.Option("--explain", help="Say what was expected of every arm.")]
Seed = Annotated[
    int,
    typer.Option("--seed", min=0, max=2**32 - 1, help="For everything that is drawn at random."),
]

DEFAULT_LOG = Path("routing.db")
DEFAULT_MODELS = Path("models.toml")
DEFAULT_DEADLINE = 120.0
DEFAULT_OBJECTIVE = "performance-first"


def names(text: str) -> tuple[str, ...]:
    """Read names that are separated by commas.

    >>> names("a, b,,c")
    ('a', 'b', 'c')
    """
    return tuple(name.strip() for name in text.split(",") if name.strip())


def specs(text: str) -> tuple[str, ...]:
    """Read router specs that are separated by commas, as are their options.

    >>> specs("knn:k=20,prior=3,ridge")
    ('knn:k=20,prior=3', 'ridge')
    """
    found: list[str] = []
    for name in names(text):
        if found and "=" in name and ":" not in name:
            found[-1] += f",{name}"
        else:
            found.append(name)
    return tuple(found)
