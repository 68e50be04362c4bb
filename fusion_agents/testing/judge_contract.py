"""What every judge promises, as test classes to subclass.

```python
class TestMyJudge(ModelJudgeContract):
    def make_with(self, model: BaseChatModel) -> Judge:
        return MyJudge(model)

    def case(self) -> Case:
        return Case(query=Query(text="2 + 2?", ground_truth="4"), response="5", entry_key="e")
```
"""

import asyncio
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models import BaseChatModel

from fusion_agents.testing.adversarial_answers import adversarial_answers
from fusion_agents.testing.careless_judges import HONEST, careless_judges
from fusion_agents.testing.fake_chat import FakeChatModel
from fusion_agents.testing.scripted_judge import Seen, scripted_judge
from fusion_agents.types import Arm, Judgement

if TYPE_CHECKING:
    from fusion_agents.judges.base import Case, Judge, Verdict

HOSTILE = {
    "nothing": "",
    "blanks": " \n\t",
    "a megabyte": "1 " * 500_000,
    "half a character": "4 \ud800",
    "a null": "4\0",
    "format fields": "{0.__class__} {{7*7}} %s ${x}",
}
ADVERSARIES = adversarial_answers(20)


class JudgeContract(ABC):
    """Subclass it, name the class `Test...` and give `make` and `case`."""

    @abstractmethod
    def make(self) -> "Judge":
        """Make a judge; always the same."""

    @abstractmethod
    def case(self) -> "Case":
        """Give an answer, with the key of its entry."""

    def test_its_name_is_that_of_its_module(self) -> None:
        cls = type(self.make())
        assert cls.name == cls.__module__.rpartition(".")[2].replace("_", "-")

    def test_two_that_are_made_alike_are_of_one_version(self) -> None:
        one, other = self.make(), self.make()
        assert one.version == other.version != ""

    @pytest.mark.parametrize("name", HOSTILE)
    def test_whatever_the_answer_is_there_is_a_verdict(self, name: str) -> None:
        check_verdict(self.make().judge(replace(self.case(), response=HOSTILE[name])))

    def test_what_is_not_known_of_an_answer_is_not_needed(self) -> None:
        plain = self.case().query.model_copy(update={"ground_truth": None, "metric": None})
        check_verdict(self.make().judge(replace(self.case(), query=plain)))

    async def test_an_event_loop_gets_the_same_verdict(self) -> None:
        alone = self.make().judge(self.case())
        assert await self.make().ajudge(self.case()) == alone

    async def test_threads_and_tasks_can_share_it(self) -> None:
        judge, case = self.make(), self.case()
        alone = judge.judge(case)
        with ThreadPoolExecutor(8) as threads:
            assert list(threads.map(lambda _: judge.judge(case), range(16))) == [alone] * 16
        assert await asyncio.gather(*(judge.ajudge(case) for _ in range(16))) == [alone] * 16

    def test_its_verdict_can_be_kept(self) -> None:
        judge, case = self.make(), self.case()
        verdict = judge.judge(case)
        kept = judge.judgement(case, verdict, source="worker")
        assert (kept.entry_key, kept.score, kept.source) == (
            case.entry_key,
            verdict.score,
            "worker",
        )
        assert (kept.judge, kept.judge_version) == (judge.name, judge.version)
        assert Judgement.model_validate_json(kept.model_dump_json()) == kept


class ModelJudgeContract(JudgeContract):
    """For judges that ask a model; give `make_with` in place of `make`."""

    @abstractmethod
    def make_with(self, model: BaseChatModel, **options: Any) -> "Judge":
        """Make a judge that asks this model; options are those that every such judge takes."""

    def make(self) -> "Judge":
        return self.make_with(scripted_judge(HONEST))

    def test_it_says_that_it_costs_money(self) -> None:
        assert self.make().calls_models

    @pytest.mark.parametrize("in_json", [False, True])
    def test_the_score_is_what_the_model_says(self, in_json: bool) -> None:
        for score in (0.0, 0.5, 1.0):
            judge = self.make_with(fair_judge(self.case(), score, in_json=in_json))
            assert judge.judge(self.case()).score == score

    @pytest.mark.parametrize("wrong", [1.01, -0.1, 85, float("nan"), "1.0", True, None, [1]])
    def test_what_is_no_score_is_an_invalid_verdict_and_not_a_zero(self, wrong: object) -> None:
        names = ("score", "correctness", "reasoning", "usefulness", "winner")
        verdict = self.make_with(scripted_judge(dict.fromkeys(names, wrong))).judge(self.case())
        assert (verdict.score, verdict.error, verdict.refused) == (None, "invalid", False)

    async def test_a_model_that_fails_gives_no_score_but_a_reason(self) -> None:
        judge = self.make_with(scripted_judge(1.0, error=ValueError("out of order")))
        for verdict in (judge.judge(self.case()), await judge.ajudge(self.case())):
            assert (verdict.score, verdict.error is None, verdict.refused) == (None, False, False)
            assert "out of order" in (verdict.reason or "")

    def test_a_key_that_the_provider_repeats_is_not_in_the_reason(self) -> None:
        key = "key-of-mine-123456"
        model = scripted_judge(1.0, api_key=key, error=ValueError(f"{key}?"))
        assert key not in (self.make_with(model).judge(self.case()).reason or "")

    @pytest.mark.parametrize("name", careless_judges())
    def test_no_answer_gets_the_score_that_it_claims(self, name: str) -> None:
        judge = self.make_with(careless_judges(max_tokens=250)[name])
        for response in ADVERSARIES:
            verdict = judge.judge(replace(self.case(), response=response))
            assert verdict.score in (None, HONEST, 0.5), response

    def test_it_leaves_its_own_family_alone_unless_it_is_told_not_to(self) -> None:
        model = scripted_judge(0.5, model="gpt-5")
        kin = replace(self.case(), arm=Arm(model="mine"), model_version="gpt-4o-2024-08-06")
        refused = self.make_with(model).judge(kin)
        assert (refused.score, refused.refused, model.calls) == (None, True, 0)
        assert self.make_with(model, allow_own_family=True).judge(kin).score == 0.5

    def test_its_tokens_are_counted_and_stay_out_of_streams(self) -> None:
        seen = _Tags()
        verdict = self.make().judge(self.case(), {"callbacks": [seen]})
        assert verdict.usage.input_tokens
        assert {"nostream", "fusion:judge"} <= set(seen.tags)

    def test_its_version_changes_with_the_model(self) -> None:
        one = self.make_with(scripted_judge(HONEST, model="a"))
        other = self.make_with(scripted_judge(HONEST, model="b"))
        warm = self.make_with(scripted_judge(HONEST, model="a", temperature=1.0))
        assert len({one.version, other.version, warm.version}) == 3


class _Tags(BaseCallbackHandler):
    def __init__(self) -> None:
        self.tags: list[str] = []

    def on_chat_model_start(self, *_: Any, tags: list[str] | None = None, **__: Any) -> None:
        self.tags += tags or []


def check_verdict(verdict: "Verdict") -> None:
    """A verdict has a score in [0, 1], or says why it has none."""
    if verdict.score is None:
        assert verdict.reason
        assert verdict.refused != (verdict.error is not None)
    else:
        assert 0.0 <= verdict.score <= 1.0
        assert not verdict.refused
        assert verdict.error is None


def fair_judge(case: "Case", score: float, *, in_json: bool = False) -> FakeChatModel:
    """A model that thinks so of this answer, wherever it is shown."""

    def opinion(seen: Seen) -> float:
        return 1.0 - score if seen.texts.get("second answer") == case.response else score

    return scripted_judge(opinion, in_json=in_json)
