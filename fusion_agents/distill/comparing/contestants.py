"""Base and student, made so that nothing but their weights differs."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from langchain_core.language_models import BaseChatModel
from pydantic import JsonValue

from fusion_agents.distill.comparing.chat_templates import Template, template_of
from fusion_agents.distill.comparing.comparison import Asked
from fusion_agents.distill.nouns import Student
from fusion_agents.errors import ConfigError
from fusion_agents.pool.member import PoolModel
from fusion_agents.pool.pool import Pool, PoolInput
from fusion_agents.students.files import place_in
from fusion_agents.types import Arm, content_key

MAX_TOKENS = 1_024
"""Of an answer."""

_DECODING = (
    "temperature", "top_p", "top_k", "min_p", "max_tokens", "max_completion_tokens",
    "max_output_tokens", "max_new_tokens", "num_predict", "stop", "stop_sequences",
    "frequency_penalty", "presence_penalty", "repetition_penalty", "logit_bias", "n", "seed",
    "do_sample", "num_beams", "reasoning_effort", "verbosity",
)  # fmt: skip
"""Settings that shape answers, as chat models call them."""
_KEPT = ("dtype", "model_kwargs", "extra_body")
"""Settings that may shape answers and belong to the model: they are compared, not replaced."""


class Contestants(NamedTuple):
    """Who is asked, and under which names."""

    pool: Pool
    base: Arm
    """As the evaluation's own log names it: a model that is trained anew has another name."""
    student: Arm
    base_name: str
    """In the user's pool; what it was given as where it is not there."""
    student_name: str
    base_in_pool: bool
    base_spec: str
    server: str | None = None
    """Where the student was trained and is asked under its own name; none if that is here."""

    def check(self) -> Asked:
        """Make both chat models, and compare how they are asked. It may block.

        Raises:
            ConfigError: If one cannot be made, or anything but the model differs: it names what.
        """
        base = self.pool.chat_model(self.base.model)
        student = self.pool.chat_model(self.student.model)
        ours, theirs = decoding_of(student), decoding_of(base)
        templates = (
            template_of(self._spec(self.base), base),
            template_of(self._spec(self.student), student),
        )
        self._check_server(student)
        found = [
            *_differing_clients(base, student),
            *_differing_settings(theirs, ours),
            *_differing_templates(*templates),
        ]
        if found:
            raise ConfigError(
                f"base and student would not be asked in the same way: {'; '.join(found)}; make "
                "them equal, or the comparison says nothing of the student"
            )
        _check_greedy(ours)
        return Asked(
            strategy=self.student.strategy,
            decoding=ours,
            template=templates[0].digest,
            checked=(
                "the messages: one strategy makes those of both",
                "the settings of decoding",
                "the chat templates" if templates[0].text else
                "the kind of client and the address; the chat template is the server's",
            ),
        )  # fmt: skip

    def _check_server(self, model: BaseChatModel) -> None:
        """Ask no other server for the student than the one that has it."""
        address = address_of(model)
        if None not in (self.server, address) and _host(self.server) != _host(address):
            raise ConfigError(
                f"the student is at {self.server}, but would be asked at {address}: name it and "
                "its base in the models' file, with base_url and api_key_env"
            )

    def _spec(self, arm: Arm) -> str | BaseChatModel:
        return self.pool.models[arm.model].spec


def contestants(
    student: Student,
    *,
    base: str | None = None,
    models: Pool | Mapping[str, PoolInput] | None = None,
    max_tokens: int = MAX_TOKENS,
) -> Contestants:
    """Find base and student in a pool, or make them from what the student says of itself.

    Of a model that the pool has, its price, key and address are taken; its settings of decoding
    are replaced by those that both get: greedy, with the same token limit. A chat model that is
    given as such keeps its own.

    Args:
        student: What was trained.
        base: Name in the pool, or what `init_chat_model` takes; the student's own without it.
        models: A pool, or what one is made from.
        max_tokens: Of an answer.

    Raises:
        ConfigError: If the pool has another model under the student's name, lacks the student's
            strategy, or the limit is none.
    """
    if max_tokens < 1:
        raise ConfigError(f"max_tokens must be at least 1, not {max_tokens}")
    pool = models if isinstance(models, Pool) else Pool(models) if models else None
    learned = _student(student, pool)
    origin, in_pool = _base(student, base, pool, learned)
    own = content_key(
        student.spec, student.base, student.data, student.settings, student.loss,
        None if student.time is None else student.time.isoformat(),
    )  # fmt: skip
    asked = {
        "base": _asked(origin, f"{origin.name}-base", max_tokens),
        "student": _asked(learned, f"{student.name}-{own[:8]}", max_tokens),
    }
    made = Pool(
        {member.name: member for member in asked.values()},
        strategies=None if pool is None else pool.strategies,
    )
    made.strategy(student.strategy)
    return Contestants(
        pool=made,
        base=Arm(model=asked["base"].name, strategy=student.strategy),
        student=Arm(model=asked["student"].name, strategy=student.strategy),
        base_name=origin.name,
        student_name=learned.name,
        base_in_pool=in_pool,
        base_spec=origin.what,
        server=_server(student) if learned.spec == student.spec else None,
    )


def decoding_of(model: BaseChatModel) -> dict[str, JsonValue]:
    """The settings of a chat model that shape its answers, without those that are not set."""
    found = {name: getattr(model, name, None) for name in (*_DECODING, *_KEPT)}
    return {name: _plain(value) for name, value in found.items() if value not in (None, {}, [])}


def address_of(model: BaseChatModel) -> str | None:
    """The server that a client of OpenAI's kind asks; none for other chat models."""
    found = getattr(getattr(model, "root_client", None), "base_url", None)
    return None if found is None else str(found).rstrip("/")


def _server(student: Student) -> str | None:
    found = student.settings.get("server")
    return found if isinstance(found, str) and student.provider != "local" else None


def _host(address: str | None) -> str:
    return urlsplit(address or "").netloc


def _student(student: Student, pool: Pool | None) -> PoolModel:
    """As the pool has it by its name or by its spec, or as it says itself."""
    members = {} if pool is None else pool.models
    if (named := members.get(student.name)) is not None:
        served = named.base_url is not None and not _is_tuned(named.spec)
        if isinstance(named.spec, str) and named.spec != student.spec and not served:
            raise ConfigError(
                f"{named.origin} is {named.what!r} and not the student {student.spec!r}: register "
                "the student under a name of its own"
            )
        return named
    for member in members.values():
        if member.spec == student.spec:
            return member
    return PoolModel(name=student.name, spec=student.spec)


def _is_tuned(spec: str | BaseChatModel) -> bool:
    """Whether it names a trained model, so that another name is another model."""
    at_provider = isinstance(spec, str) and spec.startswith(("openai:ft:", "ft:"))
    return at_provider or place_in(spec) is not None


def _base(
    student: Student, base: str | None, pool: Pool | None, learned: PoolModel
) -> tuple[PoolModel, bool]:
    """The base, and whether it is in the pool."""
    members = {} if pool is None else pool.models
    wanted = base or student.base_spec
    if wanted in members:
        return members[wanted], True
    for member in members.values():
        if member.spec == wanted and member is not learned:
            return member, True
    place, here = place_in(wanted), place_in(learned.spec)
    alike = isinstance(learned.spec, str) and (here is None) == (place is None)
    whole = wanted if place is None else place
    name = whole.rstrip("/").rpartition("/")[2].replace("@", "-") or "base"
    return PoolModel(
        name=name,
        spec=wanted,
        options=learned.options if alike else {},
        base_url=learned.base_url if alike else None,
        api_key_env=learned.api_key_env if alike else None,
    ), False


def _asked(member: PoolModel, name: str, max_tokens: int) -> PoolModel:
    """The member with the decoding that both get; a chat model as it is."""
    if not isinstance(member.spec, str):
        return replace(member, name=name, strategies=None)
    options = {key: value for key, value in member.options.items() if key not in _DECODING}
    decoding: dict[str, Any] = {"temperature": 0.0, "max_tokens": max_tokens}
    return replace(member, name=name, strategies=None, options={**options, **decoding})


def _differing_clients(base: BaseChatModel, student: BaseChatModel) -> Iterator[str]:
    if type(base) is not type(student):
        yield (
            f"the base is asked through {type(base).__name__}, the student through "
            f"{type(student).__name__}"
        )
    before, after = address_of(base), address_of(student)
    if before != after:
        yield f"the base is at {before or 'its provider'}, the student at {after or 'its provider'}"


def _differing_settings(
    base: Mapping[str, JsonValue], student: Mapping[str, JsonValue]
) -> Iterator[str]:
    for name in (*_DECODING, *_KEPT):
        before, after = base.get(name), student.get(name)
        if before != after:
            yield f"{name} is {before!r} for the base and {after!r} for the student"


def _differing_templates(base: Template, student: Template) -> Iterator[str]:
    if base.text != student.text:
        yield "their chat templates differ"
    for name in sorted(base.settings.keys() | student.settings.keys()):
        before, after = base.settings.get(name), student.settings.get(name)
        if before != after:
            yield f"{name} (generation) is {before!r} for the base, {after!r} for the student"


def _check_greedy(decoding: Mapping[str, JsonValue]) -> None:
    warm = decoding.get("temperature") or 0
    if warm or decoding.get("do_sample"):
        raise ConfigError(
            f"base and student must answer greedily, but temperature is {warm}: set it to 0"
        )


def _plain(value: Any) -> JsonValue:
    if isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return str(value)
