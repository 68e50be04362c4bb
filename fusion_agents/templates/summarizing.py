"""The model that writes templates: what it is shown, and what comes back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, NamedTuple

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import HumanMessage, SystemMessage
from langchain_core.runnables import RunnableConfig

from fusion_agents.answering.answerer import Answerer
from fusion_agents.answering.nouns import NOT_STREAMED, Bindings, Call
from fusion_agents.answering.policy import AnswerPolicy
from fusion_agents.errors import AnswerError, ConfigError
from fusion_agents.judges.quoting import show
from fusion_agents.pool.matching import model_id
from fusion_agents.pool.pool import Pool
from fusion_agents.types import Arm, Attempt, Dollars, Query, Usage, content_key

POLICY = AnswerPolicy(deadline=180.0, attempt_timeout=90.0, max_attempts=4, attempts_per_arm=4)

SHOWN = (3_000, 1_500)
"""Characters of a long text that are shown: of its beginning, and of its end."""
EASY = 0.8
"""Share of right answers from which on a question is easy."""

_WRITER = "summarizer"
_TOKENS = 300
"""Output tokens that a template is expected to have."""
_CHARACTERS_PER_TOKEN = 4
_REASON = 300
_FIELDS = {
    "problem": "One sentence: what kind of problem it is, and how such problems are approached.",
    "reasoning": "One to three sentences: the chain of reasoning to follow.",
    "answer_format": "One sentence: how answers of this kind are given.",
}


@dataclass(frozen=True, kw_only=True)
class Material:
    """What a template is distilled from."""

    question: str
    right: Sequence[str]
    """Right answers, best first."""
    wrong: Sequence[str] = ()
    """Wrong answers; with some, a pitfall is written."""
    share: float = 0.5
    """Of the answers that are right: how easy the question is."""

    @property
    def max_reasoning(self) -> int:
        """Sentences of reasoning, at most."""
        return 1 if self.share >= EASY and not self.wrong else 3


class Draft(NamedTuple):
    """The parts of a template."""

    problem: str
    reasoning: str
    answer_format: str


@dataclass(frozen=True, kw_only=True)
class Written:
    """What came back."""

    draft: Draft | None = None
    """None if it failed."""
    cost: Dollars | None = None
    error: str | None = None
    """Why it failed, in words."""
    fault: str | None = None
    """The class of that: `timeout`, `rate_limit`, ..."""


class Summarizer:
    """Lets a model write templates; safe to share between event loops.

    The model is shown question and answers as data between lines with a random marker, the
    beginning and the end of each; never the ground truth, nor who answered. It answers by
    structured output.

    Args:
        model: A name in the pool, a string for `init_chat_model`, or a chat model.
        pool: Has the model and its price.
        policy: How hard to try.

    Raises:
        ConfigError: If a name is neither in the pool nor says its provider.
    """

    def __init__(
        self,
        model: BaseChatModel | str,
        *,
        pool: Pool | None = None,
        policy: AnswerPolicy = POLICY,
    ) -> None:
        self.pool, self.arm = _placed(model, pool)
        self._answerer = Answerer(self.pool, policy)
        self._bindings = Bindings(schema=_schema())

    @cached_property
    def name(self) -> str:
        """The provider's name of the model."""
        return model_id(self.pool.models[self.arm.model].spec)

    @property
    def prompt_version(self) -> str:
        """Changes with the words that the model is asked with."""
        return content_key(
            _prompt(False), _prompt(True), _schema(), _task(Material(question="", right=[""]))
        )[:12]

    def expected(self, material: Material) -> Dollars:
        """Dollars that a template may cost; 0 where the price is not known."""
        messages = self._messages(material, None)
        length = sum(len(str(message.content)) for message in messages)
        usage = Usage(input_tokens=length // _CHARACTERS_PER_TOKEN, output_tokens=_TOKENS)
        return self.pool.cost(self.arm.model, usage) or 0.0

    async def write(
        self, material: Material, why: str | None = None, config: RunnableConfig | None = None
    ) -> Written:
        """Ask for a template; whatever goes wrong, something comes back.

        Args:
            material: What it is distilled from.
            why: What was wrong with what was written before.
            config: Passed on to the model.
        """
        call = Call(
            query=Query(text=material.question),
            messages=self._messages(material, why),
            arms=(self.arm,),
            bindings=self._bindings,
            tags=(NOT_STREAMED, "fusion:mine"),
        )
        try:
            answer = await self._answerer.aanswer(call, config)
        except AnswerError as error:
            return _failure(error)
        return Written(draft=_read(answer.parsed), cost=answer.cost)

    def _messages(self, material: Material, why: str | None) -> list[SystemMessage | HumanMessage]:
        shown = show(_texts(material), limits=SHOWN)
        task = _task(material)
        if why:
            task += f" What you wrote before was turned down, because {why}: write it without that."
        return [
            SystemMessage(_prompt(bool(material.wrong))),
            HumanMessage(f"{shown.text}\n\n{task}"),
        ]


def _texts(material: Material) -> Mapping[str, str]:
    texts = {"question": material.question}
    right = "right solution" if material.wrong else "solution"
    texts |= {f"{right} {i}": text for i, text in enumerate(material.right, 1)}
    return texts | {f"wrong solution {i}": text for i, text in enumerate(material.wrong, 1)}


def _task(material: Material) -> str:
    if material.wrong:
        return "Write the warning."
    if material.max_reasoning == 1:
        return "Write the template. The problem is easy: at most one sentence of reasoning."
    return "Write the template."


@cache
def _prompt(pitfall: bool) -> str:
    name = "pitfalls.md" if pitfall else "summarizing.md"
    return (Path(__file__).parent / name).read_text(encoding="utf-8").strip()


def _schema() -> dict[str, Any]:
    """What the model has to give: as JSON schema, which every provider's binding takes alike."""
    properties = {name: {"type": "string", "description": words} for name, words in _FIELDS.items()}
    return {
        "title": "Template",
        "description": "Advice for problems of the same kind.",
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _read(parsed: object) -> Draft:
    said = parsed if isinstance(parsed, Mapping) else {}
    return Draft(*(" ".join(str(said.get(name) or "").split()) for name in _FIELDS))


def _failure(error: AnswerError) -> Written:
    known = [cost for attempt in error.attempts if (cost := attempt.cost) is not None]
    return Written(
        cost=sum(known) if known else None,
        error=" ".join(str(error).split())[:_REASON],
        fault=_fault(error.attempts),
    )


def _fault(attempts: Sequence[Attempt]) -> str:
    return attempts[-1].error or "other" if attempts else "other"


def _placed(model: BaseChatModel | str, pool: Pool | None) -> tuple[Pool, Arm]:
    """The pool that has the model, and what it is called there."""
    if pool is not None and isinstance(model, str):
        if model in pool.models:
            return pool, Arm(model=model)
        if ":" not in model:
            known = ", ".join(map(repr, pool.models))
            raise ConfigError(
                f"the pool has no model {model!r} that could write templates: it has {known}; "
                "write a model outside of it with its provider, such as 'openai:gpt-5-mini'"
            )
    return Pool({_WRITER: model}), Arm(model=_WRITER)
