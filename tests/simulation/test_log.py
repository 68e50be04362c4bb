import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusion_agents.outcomes import Outcomes
from fusion_agents.simulation import generate_questions, simulate_log
from fusion_agents.simulation.models import ARMS, HELPED, HURT, PROFILES, THOUGHT_ARMS
from fusion_agents.simulation.questions import FAMILIES
from fusion_agents.simulation.responses import exact_match, write_response, wrong_answer
from fusion_agents.types import LogEntry

LOG = list(simulate_log(400, seed=1))


def test_every_arm_answers_every_question_once() -> None:
    assert len(LOG) == 400 * len(ARMS)
    assert len({(entry.query.id, entry.arm) for entry in LOG}) == len(LOG)
    assert len({entry.key for entry in LOG}) == len(LOG)


def test_the_same_seed_gives_the_same_log_and_another_seed_another() -> None:
    again = list(simulate_log(20, seed=1))
    assert again == LOG[: len(again)]
    assert list(simulate_log(20, seed=2)) != again


def test_models_and_source_say_that_they_are_simulated() -> None:
    assert {entry.source for entry in LOG} == {"simulated"}
    assert all(entry.arm.model.startswith("sim-") for entry in LOG)


def test_performance_is_what_scoring_the_response_gives() -> None:
    for entry in LOG:
        if entry.error is None:
            assert isinstance(entry.query.ground_truth, str)
            assert entry.performance == exact_match(entry.response or "", entry.query.ground_truth)


def test_some_calls_time_out_and_carry_neither_performance_nor_cost() -> None:
    failed = [entry for entry in LOG if entry.error]
    assert 0 < len(failed) < 0.03 * len(LOG)
    assert {entry.error for entry in failed} == {"timeout"}
    assert all(e.performance is None and e.cost is None and e.response is None for e in failed)


def test_costs_are_tokens_times_prices() -> None:
    for entry in LOG:
        if entry.error is None:
            profile, usage = PROFILES[entry.arm.model], entry.usage
            dollars = (
                usage.input_tokens * profile.input_price
                + usage.output_tokens * profile.output_price
            ) / 1e6
            assert entry.cost == pytest.approx(dollars)
            assert (entry.input_price, entry.output_price) == (
                profile.input_price,
                profile.output_price,
            )


def test_entries_survive_json() -> None:
    for entry in LOG[:50]:
        assert LogEntry.model_validate_json(entry.model_dump_json()) == entry


def test_one_dear_arm_is_best_overall_but_cheaper_models_win_some_families() -> None:
    outcomes = Outcomes.from_entries(LOG)
    mean, cost = np.nanmean(outcomes.performance, axis=0), np.nanmean(outcomes.cost, axis=0)
    best = outcomes.arms[int(mean.argmax())]
    assert best.model == "sim-frontier"
    assert int(cost.argmax()) == int(mean.argmax())
    tasks = np.array([query.task for query in outcomes.queries])
    winners = {
        outcomes.arms[int(np.nanmean(outcomes.performance[tasks == task], axis=0).argmax())].model
        for task in FAMILIES
    }
    assert len(winners) >= 3


def test_thinking_helps_in_some_families_and_hurts_in_others() -> None:
    outcomes = Outcomes.from_entries(LOG)
    tasks = np.array([query.task for query in outcomes.queries])
    names = [str(arm) for arm in outcomes.arms]
    gain = {}
    for task in FAMILIES:
        means = np.nanmean(outcomes.performance[tasks == task], axis=0)
        gain[task] = (
            means[names.index("sim-small-math@think")] - means[names.index("sim-small-math@direct")]
        )
    assert gain["dates"] > 0.1
    assert gain["strings"] < -0.05


@given(st.integers(0, 10**6), st.booleans())
def test_a_right_response_scores_1_and_a_wrong_one_0(seed: int, thinks: bool) -> None:
    rng = np.random.default_rng(seed)
    question = generate_questions(1, seed=seed)[0]
    right = write_response(question, right=True, thinks=thinks, rng=rng)
    wrong = write_response(question, right=False, thinks=thinks, rng=rng)
    assert exact_match(right, question.answer) == 1.0
    assert exact_match(wrong, question.answer) == 0.0


def test_no_wrong_answer_is_right_for_any_of_many_questions() -> None:
    rng = np.random.default_rng(0)
    for question in generate_questions(1_200, seed=2):
        for _ in range(3):
            assert exact_match(wrong_answer(question, rng), question.answer) == 0.0, question


@pytest.mark.parametrize(
    ("response", "answer", "score"),
    [
        ("Answer: Paris.", "paris", 1.0),
        ("**Paris**", "Paris", 1.0),
        ("answer: 3\nOn reflection.\nAnswer: 4", "4", 1.0),
        ("answer: 3\nOn reflection.\nAnswer: 4", "3", 0.0),
        ("The answer is 12", "12", 0.0),
        ("", "12", 0.0),
        ("1.5", "15", 0.0),
    ],
)
def test_exact_match_reads_the_final_answer(response: str, answer: str, score: float) -> None:
    assert exact_match(response, answer) == score


def test_templates_help_one_simulated_model_in_some_families_and_hurt_it_in_others() -> None:
    right: dict[tuple[str | None, str], list[float]] = {}
    for entry in simulate_log(600, arms=THOUGHT_ARMS):
        if entry.performance is not None:
            key = entry.query.task, entry.arm.strategy
            right.setdefault(key, []).append(entry.performance)
    gain = {
        family: np.mean(right[family, "thought"]) - np.mean(right[family, "direct"])
        for family in (*HELPED, *HURT)
    }
    assert len(HELPED) == 3
    assert len(HURT) == 2
    assert all(gain[family] > 0.05 for family in HELPED)
    assert all(gain[family] < -0.05 for family in HURT)
