"""How a judge asks its model: what it sends, what it takes for a verdict, what it leaves alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import HumanMessage, SystemMessage
from langchain_core.runnables import RunnableConfig

from fusion_agents.answering.answerer import Answerer
from fusion_agents.answering.nouns import NOT_STREAMED, Answer, Bindings, Call
from fusion_agents.answering.policy import AnswerPolicy
from fusion_agents.answering.replies import usage_of
from fusion_agents.errors import AnswerError, ConfigError, DataError
from fusion_agents.judges.base import Case, Verdict
from fusion_agents.judges.families import families_of
from fusion_agents.judges.quoting import Shown
from fusion_agents.judges.schema import MARKER, read_fields, verdict_schema
from fusion_agents.pool.matching import model_id
from fusion_agents.pool.pool import Pool
from fusion_agents.types import Arm, Dollars, Query, Usage, content_key

POLICY = AnswerPolicy(deadline=120.0, attempt_timeout=60.0, max_attempts=3, attempts_per_arm=3)

_JUDGE = "judge"
_REASON = 500
_SETTINGS = ("temperature", "top_p", "max_tokens", "reasoning_effort", "base_url")


@dataclass(frozen=True, kw_only=True)
class Said:
    """What came back when the model was asked."""

    fields: Mapping[str, Any] | None = None
    """As the schema names them; none if it failed."""
    error: str | None = None
    reason: str | None = None
    usage: Usage = field(default_factory=Usage)
    cost: Dollars | None = None

    @property
    def words(self) -> str:
        """The reason that the model gave, in one line."""
        return " ".join(str((self.fields or {}).get("reason") or "").split())[:_REASON]

    def failed(self, why: str | None = None) -> Verdict:
        """No score: because nothing came back, or because what came back is no verdict."""
        return Verdict(
            score=None,
            reason=why or self.reason,
            error="invalid" if why else self.error,
            usage=self.usage,
            cost=self.cost,
        )


class JudgeModel:
    """A model that gives verdicts; safe to share between threads and event loops.

    Args:
        model: A name in the pool, a string for `init_chat_model`, or a chat model.
        fields: What it has to say beside the reason, as JSON schema.
        pool: Has the prices, and the models of the arms.
        policy: How hard to try.
        allow_own_family: Whether it judges answers of its own model family.

    Raises:
        ConfigError: If a name is neither in the pool nor says its provider.
    """

    def __init__(
        self,
        model: BaseChatModel | str,
        fields: Mapping[str, Mapping[str, Any]],
        *,
        pool: Pool | None = None,
        policy: AnswerPolicy | None = None,
        allow_own_family: bool = False,
    ) -> None:
        self._pool = pool
        answering, self._arm = _placed(model, pool)
        self._member = answering.models[self._arm.model]
        self.policy = policy or POLICY
        self.allow_own_family = allow_own_family
        self._answerer = Answerer(answering, self.policy)
        self._bindings = Bindings(schema=verdict_schema(fields))

    @property
    def name(self) -> str:
        """The provider's name of the model."""
        return model_id(self._member.spec)

    @property
    def families(self) -> frozenset[str]:
        """Of the model; see `fusion_agents.judges.families`."""
        spec = self._member.spec
        return families_of(self.name, spec if isinstance(spec, str) else None)

    def version(self, judge: str, *said: Any) -> str:
        """Name a judge's version by its model, the model's settings and what else it is told."""
        spec = self._member.spec
        settings = {
            key: str(getattr(spec, key))
            for key in _SETTINGS
            if getattr(spec, key, None) is not None
        }
        options = {key: str(value) for key, value in self._member.options.items()}
        what = spec if isinstance(spec, str) else type(spec).__name__
        told = (what, settings, options, self._member.base_url, self._bindings.schema, *said)
        return f"{judge}-{self.name}-{content_key(*told)[:12]}"

    def refusal(self, case: Case) -> str | None:
        """Why the model must not judge this answer; none if it may."""
        if self.allow_own_family:
            return None
        kin = self.families & families_of(*self._names(case))
        if not kin:
            return None
        return f"the judge {self.name!r} and the answer are of one family: {', '.join(sorted(kin))}"

    def ask(
        self, query: Query, prompt: str, shown: Shown, task: str, config: RunnableConfig | None
    ) -> Said:
        """Ask for a verdict."""
        try:
            answer = self._answerer.answer(self._call(query, prompt, shown, task), config)
        except AnswerError as error:
            return _failure(error)
        return _read(answer, shown.marker)

    async def aask(
        self, query: Query, prompt: str, shown: Shown, task: str, config: RunnableConfig | None
    ) -> Said:
        """Ask for a verdict."""
        try:
            answer = await self._answerer.aanswer(self._call(query, prompt, shown, task), config)
        except AnswerError as error:
            return _failure(error)
        return _read(answer, shown.marker)

    def _call(self, query: Query, prompt: str, shown: Shown, task: str) -> Call:
        last = f"{task} Repeat the marker {shown.marker} in the field `{MARKER}`."
        return Call(
            query=query,
            messages=[SystemMessage(prompt), HumanMessage(f"{shown.text}\n\n{last}")],
            arms=(self._arm,),
            bindings=self._bindings,
            tags=(NOT_STREAMED, "fusion:judge"),
        )

    def _names(self, case: Case) -> list[str | None]:
        if case.arm is None:
            return [case.model_version]
        member = self._pool.models.get(case.arm.model) if self._pool is not None else None
        known = model_id(member.spec) if member is not None else case.arm.model
        return [case.model_version, known]


def _placed(model: BaseChatModel | str, pool: Pool | None) -> tuple[Pool, Arm]:
    """The pool that has the model, and what it is called there."""
    if pool is not None and isinstance(model, str):
        if model in pool.models:
            return pool, Arm(model=model)
        if ":" not in model:
            known = ", ".join(map(repr, pool.models))
            raise ConfigError(
                f"the pool has no model {model!r} that could judge: it has {known}; write a model "
                "outside of it with its provider, such as 'openai:gpt-5-mini'"
            )
    return Pool({_JUDGE: model}), Arm(model=_JUDGE)


def total_cost(costs: Sequence[Dollars | None]) -> Dollars | None:
    """Dollars of several calls; none if it is not known of any."""
    known = [cost for cost in costs if cost is not None]
    return sum(known) if known else None


def total_usage(usages: Sequence[Usage]) -> Usage:
    """Tokens of several calls, as far as they are known."""
    counts = {
        name: [count for usage in usages if (count := getattr(usage, name)) is not None]
        for name in Usage.model_fields
    }
    return Usage(**{name: sum(known) for name, known in counts.items() if known})


def _failure(error: AnswerError) -> Said:
    kind = error.attempts[-1].error if error.attempts else "other"
    return Said(
        error="invalid" if kind == "malformed" else kind,
        reason=str(error)[:_REASON],
        usage=total_usage([attempt.usage for attempt in error.attempts]),
        cost=total_cost([attempt.cost for attempt in error.attempts]),
    )


def _read(answer: Answer, marker: str) -> Said:
    usage, cost = usage_of(answer.message), answer.cost
    try:
        fields = read_fields(answer.message, answer.parsed, marker)
    except DataError as error:
        return Said(error="invalid", reason=str(error), usage=usage, cost=cost)
    return Said(fields=fields, usage=usage, cost=cost)
