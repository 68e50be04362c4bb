"""A model judges by a rubric, with the right answer beside it where that is known."""

from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast, get_args

from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import RunnableConfig

from fusion_agents.answering.policy import AnswerPolicy
from fusion_agents.errors import ConfigError
from fusion_agents.judges.asking import JudgeModel, Said
from fusion_agents.judges.base import Case, Judge, Verdict
from fusion_agents.judges.quoting import Shown, context, show
from fusion_agents.judges.schema import read_score
from fusion_agents.judges.specs import read_spec, read_switch
from fusion_agents.pool.pool import Pool

if TYPE_CHECKING:
    from fusion_agents.judges.specs import Making

Anchors = Literal["aspects", "fusionfactory"]

_TASK = "Judge the answer."
_PROMPTS = {"aspects": "rubric.md", "fusionfactory": "rubric_fusionfactory.md"}
_FIELDS = {
    "aspects": {
        "correctness": "From 0 (wrong) to 1 (right).",
        "reasoning": "From 0 (none or wrong) to 1 (every step holds).",
        "usefulness": "From 0 (harmful as an example) to 1 (excellent).",
    },
    "fusionfactory": {"score": "From 0 to 1, on the anchors."},
}


class RubricJudge(Judge):
    """Lets a model score an answer on anchors in words.

    With the anchors `aspects`, the model gives correctness, reasoning and usefulness, each in
    [0, 1], and the score is the correctness: fine reasoning cannot make up for a wrong answer.
    With `fusionfactory`, it gives the paper's one number, which is 0 for what is wrong and grows
    with the reasoning that is shown. Source: FusionFactory (arXiv 2507.10540), whose judge has
    the anchors 0, 0.3, 0.6, 0.8 and 1; the words here are our own.

    The question, the answer and the reference are passed as data between lines with a random
    marker. A verdict counts only if it repeats the marker, which no answer contains, and only
    with all of its numbers in [0, 1]: anything else is an `invalid` verdict without a score.

    Args:
        model: A name in the pool, a string for `init_chat_model`, or a chat model.
        anchors: What the model is asked for.
        reference: Whether it is shown the ground truth, where there is one.
        pool: Has the prices, and the models of the arms.
        policy: How hard to try for a verdict.
        allow_own_family: Whether it judges answers of its own model family, which it favours.

    Raises:
        ConfigError: If there are no such anchors.
    """

    name: ClassVar[str] = "rubric"
    calls_models: ClassVar[bool] = True

    def __init__(
        self,
        model: BaseChatModel | str,
        *,
        anchors: Anchors = "aspects",
        reference: bool = True,
        pool: Pool | None = None,
        policy: AnswerPolicy | None = None,
        allow_own_family: bool = False,
    ) -> None:
        if anchors not in _PROMPTS:
            raise ConfigError(f"there are no anchors {anchors!r}: use {' or '.join(_PROMPTS)}")
        self.anchors = anchors
        self.reference = reference
        self.model = JudgeModel(
            model,
            {name: _number(words) for name, words in _FIELDS[anchors].items()},
            pool=pool,
            policy=policy,
            allow_own_family=allow_own_family,
        )

    @cached_property
    def version(self) -> str:
        """Changes with the model, the prompt and the options."""
        return self.model.version(self.name, _prompt(self.anchors), self.reference)

    def refusal(self, case: Case) -> str | None:
        """Why it must not judge this answer: it is kin to the model."""
        return self.model.refusal(case)

    def judge(self, case: Case, config: RunnableConfig | None = None) -> Verdict:
        """Ask the model about one answer."""
        if (why := self.model.refusal(case)) is not None:
            return Verdict(score=None, reason=why, refused=True)
        shown = self._shown(case)
        return self._verdict(
            self.model.ask(case.query, _prompt(self.anchors), shown, _TASK, config)
        )

    async def ajudge(self, case: Case, config: RunnableConfig | None = None) -> Verdict:
        """The same without blocking the event loop."""
        if (why := self.model.refusal(case)) is not None:
            return Verdict(score=None, reason=why, refused=True)
        shown = self._shown(case)
        return self._verdict(
            await self.model.aask(case.query, _prompt(self.anchors), shown, _TASK, config)
        )

    @classmethod
    def from_spec(cls, rest: str, making: "Making") -> Judge:
        """Read `rubric:MODEL[,anchors=aspects|fusionfactory][,reference=yes|no]`."""
        spec = read_spec(cls.name, rest, ("anchors", "reference"))
        return cls(
            spec.model,
            anchors=cast(Anchors, spec.options.get("anchors", get_args(Anchors)[0])),
            reference=read_switch("reference", spec.options.get("reference", "yes")),
            pool=making.pool,
            policy=making.policy,
            allow_own_family=making.allow_own_family,
        )

    def _shown(self, case: Case) -> Shown:
        return show({**context(case, reference=self.reference), "answer": case.response})

    def _verdict(self, said: Said) -> Verdict:
        if said.fields is None:
            return said.failed()
        numbers = {name: read_score(said.fields, name) for name in _FIELDS[self.anchors]}
        missing = [name for name, number in numbers.items() if number is None]
        if missing:
            return said.failed(f"no number from 0 to 1 was given for {', '.join(missing)}")
        return Verdict(
            score=numbers.get("score", numbers.get("correctness")),
            reason=said.words or None,
            correctness=numbers.get("correctness"),
            reasoning=numbers.get("reasoning"),
            usefulness=numbers.get("usefulness"),
            usage=said.usage,
            cost=said.cost,
        )


@cache
def _prompt(anchors: Anchors) -> str:
    return (Path(__file__).parent / _PROMPTS[anchors]).read_text(encoding="utf-8").strip()


def _number(words: str) -> dict[str, Any]:
    return {"type": "number", "description": words}
