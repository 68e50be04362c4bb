import pytest

from fusion_agents.answering.policy import AnswerPolicy
from fusion_agents.errors import ConfigError
from fusion_agents.judges.base import Case
from fusion_agents.judges.pairwise import PairwiseJudge
from fusion_agents.testing.scripted_judge import Seen, scripted_judge
from fusion_agents.types import Arm, Query

ONCE = AnswerPolicy(max_attempts=1)
QUERY = Query(text="How much is 2 + 2?", ground_truth="4")


def case(response: str, *rivals: str, arm: str | None = None) -> Case:
    others = tuple(Case(query=QUERY, response=rival) for rival in rivals)
    return Case(query=QUERY, response=response, rivals=others, arm=Arm(model=arm) if arm else None)


def longer_wins(seen: Seen) -> float:
    first, second = len(seen.texts["first answer"]), len(seen.texts["second answer"])
    return 0.5 + (first > second) / 2 - (first < second) / 2


def test_the_score_is_the_mean_over_the_rivals() -> None:
    verdict = PairwiseJudge(scripted_judge(longer_wins)).judge(case("222", "1", "333", "55555"))
    assert verdict.score == pytest.approx((1 + 0.5 + 0) / 3)
    assert (verdict.reason or "").startswith("won 1, tied 1, lost 1")


@pytest.mark.parametrize("place", [0.0, 1.0])
async def test_a_judge_that_prefers_a_place_ties_everything(place: float) -> None:
    judge = PairwiseJudge(scripted_judge(place))
    for verdict in (judge.judge(case("4", "5")), await judge.ajudge(case("4", "5"))):
        assert verdict.score == 0.5
        assert "1 of the ties because the order mattered" in (verdict.reason or "")
    assert judge.compare(case("4"), case("5")).agreed is False


def test_both_orders_are_asked() -> None:
    model = scripted_judge(0.5)
    found = PairwiseJudge(model).compare(case("4"), case("5"))
    assert (found.orders, found.agreed, model.calls) == ((0.5, 0.5), True, 2)


def test_two_equal_answers_tie_without_a_call() -> None:
    model = scripted_judge(1.0)
    assert PairwiseJudge(model).judge(case("4", "4")).score == 0.5
    assert model.calls == 0


def test_a_rival_that_could_not_be_compared_is_left_out() -> None:
    def fails_on_five(seen: Seen) -> float | str:
        return "No." if "5" in seen.texts.values() else longer_wins(seen)

    verdict = PairwiseJudge(scripted_judge(fails_on_five), policy=ONCE).judge(case("44", "5", "6"))
    assert verdict.score == 1.0
    assert "1 not compared" in (verdict.reason or "")


def test_without_any_comparison_there_is_no_score() -> None:
    verdict = PairwiseJudge(scripted_judge("No."), policy=ONCE).judge(case("4", "5"))
    assert (verdict.score, verdict.error) == (None, "invalid")


def test_an_answer_without_rivals_is_refused() -> None:
    verdict = PairwiseJudge(scripted_judge(1.0)).judge(case("4"))
    assert (verdict.score, verdict.refused) == (None, True)


def test_rivals_of_the_judges_family_are_left_out() -> None:
    judge = PairwiseJudge(scripted_judge(longer_wins, model="gpt-5"))
    kin, other = case("55555", arm="gpt-4o"), case("1", arm="claude-haiku-4-5")
    assert judge.judge(Case(query=QUERY, response="44", rivals=(kin, other))).score == 1.0
    assert judge.judge(Case(query=QUERY, response="44", rivals=(kin,))).refused


def test_only_so_many_rivals_are_asked_about() -> None:
    model = scripted_judge(0.5)
    PairwiseJudge(model, rivals=2).judge(case("4", "1", "2", "3"))
    assert model.calls == 4
    with pytest.raises(ConfigError):
        PairwiseJudge(model, rivals=0)
