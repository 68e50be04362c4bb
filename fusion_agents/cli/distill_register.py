"""`fusion-agents distill register`: a student becomes a model of the pool."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.text import Text

from fusion_agents.cli.console import results, say
from fusion_agents.cli.options import DEFAULT_MODELS, ModelsFile

if TYPE_CHECKING:
    from fusion_agents.distill.comparing.comparison import Comparison
    from fusion_agents.distill.nouns import Student
    from fusion_agents.pool.member import PoolModel
    from fusion_agents.pool.tables import Price


def distill_register(
    out: Annotated[
        Path,
        typer.Argument(
            metavar="OUT",
            exists=True,
            file_okay=False,
            help="The student's folder, as `distill train` wrote it.",
            show_default=False,
        ),
    ],
    models: ModelsFile = DEFAULT_MODELS,
    name: Annotated[
        str | None,
        typer.Option("--name", help="In the pool and in the log.", show_default="the student's"),
    ] = None,
    price_input: Annotated[
        float | None,
        typer.Option(
            "--price-input", min=0, help="Dollars per million tokens read.", show_default=False
        ),
    ] = None,
    price_output: Annotated[
        float | None,
        typer.Option(
            "--price-output", min=0, help="Dollars per million tokens written.", show_default=False
        ),
    ] = None,
    base_url: Annotated[
        str | None,
        typer.Option(
            "--base-url",
            help="The OpenAI-compatible server that has the student under its name, such as "
            "http://127.0.0.1:8000/v1; without one, a local student answers in your process.",
            show_default=False,
        ),
    ] = None,
    api_key_env: Annotated[
        str | None,
        typer.Option(
            "--api-key-env",
            help="Environment variable that holds the key of that server.",
            show_default=False,
        ),
    ] = None,
    comparison: Annotated[
        Path | None,
        typer.Option(
            "--comparison",
            exists=True,
            dir_okay=False,
            help="What `distill evaluate` found, for the student's card.",
            show_default="comparison.json in OUT, if it is there",
        ),
    ] = None,
    serve: Annotated[
        Literal["vllm"] | None,
        typer.Option(
            "--serve", help="Print the command that serves the student, too.", show_default=False
        ),
    ] = None,
) -> None:
    """Write a student into models.toml, so that routers may choose it.

    Comments, order and all other models stay as they are; the same command
    again changes nothing. What a student on your own machines costs is 0 unless
    you give prices; a provider's student needs them.

    A router knows a new model only once the log has answers of it:
    `distill evaluate OUT --record` adds some, and `refresh` (or `fit`) takes
    them up.

    Examples:
      fusion-agents distill register students/arithmetic --models models.toml
      fusion-agents distill register students/arithmetic --serve vllm --base-url http://127.0.0.1:8000/v1
      fusion-agents distill register students/tuned --price-input 0.3 --price-output 1.2
    """
    from fusion_agents.distill.registering.registering import register_student
    from fusion_agents.distill.registering.serving import serving_command

    student = _student(out)
    price = _price(student, price_input, price_output, models, name)
    command = serving_command(student, name) if serve else None
    member = register_student(
        student,
        models,
        name=name,
        price=price,
        base_url=base_url,
        api_key_env=api_key_env,
        comparison=_comparison(comparison or out / "comparison.json", comparison is not None),
    )
    _show(member, models, command)


def _student(out: Path) -> "Student":
    """As its folder has it now, wherever that was when it was trained."""
    from pydantic import ValidationError

    from fusion_agents.distill.nouns import Student
    from fusion_agents.errors import ConfigError
    from fusion_agents.students.files import NOTE, spec_of

    file = out / NOTE
    try:
        student = Student.model_validate_json(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            f"{str(out)!r} holds no student.json: train a student to its end first"
        ) from None
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        raise ConfigError(f"cannot read {str(file)!r}: {error}") from error
    if student.provider != "local":
        return student
    return student.model_copy(update={"spec": spec_of(out.resolve())})


def _price(
    student: "Student", read: float | None, write: float | None, models: Path, name: str | None
) -> "Price | None":
    from fusion_agents.distill.registering.registering import needs_price
    from fusion_agents.errors import ConfigError
    from fusion_agents.pool.tables import Price

    if (read is None) != (write is None):
        raise ConfigError("give both --price-input and --price-output, or none of them")
    if read is not None:
        return Price(input=read, output=write)
    if needs_price(student, models, name):
        raise ConfigError(
            f"what tokens of {student.spec!r} cost is not known: give --price-input and "
            "--price-output, in dollars per million, as the provider's price list has them"
        )
    return None


def _comparison(file: Path, wanted: bool) -> "Comparison | None":
    from pydantic import ValidationError

    from fusion_agents.distill.comparing.comparison import Comparison
    from fusion_agents.errors import ConfigError

    if not wanted and not file.exists():
        return None
    try:
        return Comparison.model_validate_json(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        raise ConfigError(f"cannot read {str(file)!r}: {error}") from error


def _show(member: "PoolModel", models: Path, command: str | None) -> None:
    say(f"{models} has {member.name!r}: {member.what}")
    say(member.card.description)
    say("routers choose it once the log has answers of it: distill evaluate --record, then refresh")
    if command is not None:
        results().print(Text(command), soft_wrap=True)
