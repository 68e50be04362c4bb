"""A model compares an answer with others to the same query, in both orders."""

import asyncio
from collections.abc import Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import RunnableConfig

from fusion_agents.answering.policy import AnswerPolicy
from fusion_agents.errors import ConfigError
from fusion_agents.judges.asking import JudgeModel
from fusion_agents.judges.base import Case, Judge, Verdict
from fusion_agents.judges.comparison import FIRST, Comparison, compared, verdict_of
from fusion_agents.judges.quoting import Shown, context, show
from fusion_agents.judges.specs import read_count, read_spec, read_switch
from fusion_agents.pool.pool import Pool

if TYPE_CHECKING:
    from fusion_agents.judges.specs import Making

_TASK = "Compare the two answers."
_PROMPT = Path(__file__).with_suffix(".md")
_FIELDS = {
    "winner": {
        "type": "string",
        "enum": list(FIRST),
        "description": "The better answer, or tie.",
    }
}
_NO_RIVAL = "there is no other answer to the query to compare this one with"


class PairwiseJudge(Judge):
    """Lets a model say which of two answers is better, and asks in both orders.

    An answer gets 1 from a rival that it beats in both orders, 0 from one that it loses to in
    both, and 0.5 otherwise: a judge that prefers a position says nothing. The score is the mean
    over the case's rivals; those that could not be compared are left out. An answer without
    rivals is refused, and so is one whose rivals are all of the judge's family.

    Texts are passed, and verdicts taken, as `RubricJudge` does it.

    Args:
        model: A name in the pool, a string for `init_chat_model`, or a chat model.
        reference: Whether it is shown the ground truth, where there is one.
        rivals: At most so many are compared with, the case's first ones: two calls for each.
        pool: Has the prices, and the models of the arms.
        policy: How hard to try for each of the two verdicts.
        allow_own_family: Whether it compares answers of its own model family, which it favours.

    Raises:
        ConfigError: If `rivals` is less than 1.
    """

    name: ClassVar[str] = "pairwise"
    calls_models: ClassVar[bool] = True
    compares = True

    def __init__(
        self,
        model: BaseChatModel | str,
        *,
        reference: bool = True,
        rivals: int = 4,
        pool: Pool | None = None,
        policy: AnswerPolicy | None = None,
        allow_own_family: bool = False,
    ) -> None:
        if rivals < 1:
            raise ConfigError(f"an answer is compared with at least 1 rival, not {rivals}")
        self.reference = reference
        self.rivals = rivals
        self.model = JudgeModel(
            model, _FIELDS, pool=pool, policy=policy, allow_own_family=allow_own_family
        )

    @cached_property
    def version(self) -> str:
        """Changes with the model, the prompt and the options."""
        return self.model.version(self.name, _prompt(), self.reference, self.rivals)

    def refusal(self, case: Case) -> str | None:
        """Why it will not judge this answer: it is kin to the model, or there are no rivals."""
        return self._rivals(case)[1]

    def judge(self, case: Case, config: RunnableConfig | None = None) -> Verdict:
        """Compare one answer with its rivals."""
        rivals, why = self._rivals(case)
        if why is not None:
            return Verdict(score=None, reason=why, refused=True)
        return verdict_of([self.compare(case, rival, config) for rival in rivals])

    async def ajudge(self, case: Case, config: RunnableConfig | None = None) -> Verdict:
        """The same without blocking the event loop; both orders of all rivals at a time."""
        rivals, why = self._rivals(case)
        if why is not None:
            return Verdict(score=None, reason=why, refused=True)
        tries = (self.acompare(case, rival, config) for rival in rivals)
        return verdict_of(await asyncio.gather(*tries))

    def compare(self, case: Case, rival: Case, config: RunnableConfig | None = None) -> Comparison:
        """Compare one answer with one other, whoever wrote it."""
        if case.response == rival.response:
            return Comparison((0.5, 0.5))
        one, other = self._orders(case, rival)
        ask = self.model.ask
        return compared(
            ask(case.query, _prompt(), one, _TASK, config),
            ask(case.query, _prompt(), other, _TASK, config),
        )

    async def acompare(
        self, case: Case, rival: Case, config: RunnableConfig | None = None
    ) -> Comparison:
        """The same without blocking the event loop; both orders at a time."""
        if case.response == rival.response:
            return Comparison((0.5, 0.5))
        asked = (
            self.model.aask(case.query, _prompt(), shown, _TASK, config)
            for shown in self._orders(case, rival)
        )
        return compared(*await asyncio.gather(*asked))

    @classmethod
    def from_spec(cls, rest: str, making: "Making") -> Judge:
        """Read `pairwise:MODEL[,reference=yes|no][,rivals=N]`."""
        spec = read_spec(cls.name, rest, ("reference", "rivals"))
        return cls(
            spec.model,
            reference=read_switch("reference", spec.options.get("reference", "yes")),
            rivals=read_count("rivals", spec.options.get("rivals", "4")),
            pool=making.pool,
            policy=making.policy,
            allow_own_family=making.allow_own_family,
        )

    def _rivals(self, case: Case) -> tuple[Sequence[Case], str | None]:
        """Whom to compare with, or why with nobody."""
        if (why := self.model.refusal(case)) is not None:
            return (), why
        whys = [self.model.refusal(rival) for rival in case.rivals]
        allowed = [rival for rival, why in zip(case.rivals, whys, strict=True) if why is None]
        if not allowed:
            return (), whys[0] if whys else _NO_RIVAL
        return allowed[: self.rivals], None

    def _orders(self, case: Case, rival: Case) -> tuple[Shown, Shown]:
        texts = context(case, reference=self.reference)

        def shown(first: str, second: str) -> Shown:
            return show({**texts, "first answer": first, "second answer": second})

        return shown(case.response, rival.response), shown(rival.response, case.response)


@cache
def _prompt() -> str:
    return _PROMPT.read_text(encoding="utf-8").strip()
