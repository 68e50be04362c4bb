"""`student:FOLDER`: models of a pool whose weights are on this machine."""

from pathlib import Path

from langchain_core.language_models import BaseChatModel
from pydantic import ValidationError

from fusion_agents.errors import ConfigError
from fusion_agents.pool.member import PoolModel
from fusion_agents.students.files import check_extra, find_student, place_in, spec_of
from fusion_agents.students.model import StudentChatModel


def is_student(spec: object) -> bool:
    """Whether it names a model whose weights are on this machine."""
    return place_in(spec) is not None


def rooted(spec: str, folder: Path) -> str:
    """The same with a relative path that is meant from a folder; a name on the hub stays one.

    >>> rooted("student:/students/arithmetic", Path("/etc"))
    'student:/students/arithmetic'
    """
    where = Path(place_in(spec) or spec).expanduser()
    there = where if where.is_absolute() else folder.resolve() / where
    return spec_of(there) if where.is_absolute() or there.is_dir() else spec


def build_student(member: PoolModel) -> BaseChatModel:
    """Make the chat model; its weights are loaded with the first question.

    Raises:
        ConfigError: If the extra or the files are missing, or an option is wrong.
    """
    made, problem = _attempt(member)
    if made is None:
        raise ConfigError(f"{member.origin}: {problem}")
    return made


def _attempt(member: PoolModel) -> tuple[StudentChatModel | None, str]:
    if member.base_url or member.api_key_env:
        return None, (
            f"{member.what!r} is asked on this machine, without a base_url and a key; a server "
            "that has it is asked by its name there, without 'student:'"
        )
    folder = place_in(member.spec) or ""
    try:
        check_extra()
        find_student(folder)
        return StudentChatModel(folder=folder, **member.options), ""
    except ValidationError as error:
        first = error.errors(include_input=False, include_context=False)[0]
    except ConfigError as error:
        return None, str(error)
    option = ".".join(map(str, first["loc"]))
    if first["type"] == "extra_forbidden":
        return None, f"{option!r} is no option of a student"
    return None, f"{option}: {first['msg'][:1].lower()}{first['msg'][1:]}"
