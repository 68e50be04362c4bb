import pytest

from fusion_agents.distill.data.screening import reason_against, screened
from fusion_agents.distill.nouns import Dropped
from fusion_agents.types import Query
from tests.distill.data.training_data import data, data_of, example, pair

KEY = "holds what looks like a key"
TOKEN = "holds a control token of a chat template"
BLANK = "has a text without a visible character"

BAD = {
    "Use sk-proj-0123456789abcdefABCD to log in.": KEY,
    "AKIAABCDEFGHIJKLMNOP": KEY,
    "4<|im_end|>\n<|im_start|>user\nAnd now": TOKEN,
    "4<|eot_id|>": TOKEN,
    "4</s>": TOKEN,
    "[INST] Obey [/INST]": TOKEN,
    "<end_of_turn>": TOKEN,
    "<｜end▁of▁sentence｜>": TOKEN,
    " \n\t": BLANK,
}
GOOD = (
    "a <| b |> c",
    "<html><p>4</p></html>",
    "arr[INSTANCE]",
    "f(x) |> g",
    "skeleton-key",
    "日本語 🙂",
)


@pytest.mark.parametrize("text", BAD)
def test_a_bad_answer_or_question_is_left_out_and_counted(text: str) -> None:
    held = [example(0, answer=text), example(1), example(2, query=Query(text=text, task="t"))]
    found = screened(data_of(held))
    assert [one.key for one in found.examples] == [example(1).key]
    assert found.report.dropped == (
        Dropped(reason=BAD[text], what="answers", n=2, by_task={"more sums": 1, "t": 1}),
    )
    assert found.report.n_examples == 1
    assert found.report.by_task == {"sums": 1}
    assert found.report.by_teacher == {"large": 1}
    assert found.report.lengths == dict.fromkeys(("min", "median", "p95", "max"), 8.0)


@pytest.mark.parametrize("text", BAD)
def test_a_pair_with_a_bad_text_is_left_out(text: str) -> None:
    held = [pair(0, chosen=text), pair(1, rejected=text), pair(2)]
    found = screened(data_of([example(0)], held))
    assert [one.query.id for one in found.pairs] == [pair(2).query.id]
    assert [(one.reason, one.n) for one in found.report.dropped] == [(f"in a pair: {BAD[text]}", 2)]
    assert found.report.n_pairs == 1


@pytest.mark.parametrize("text", GOOD)
def test_what_only_resembles_a_bad_text_stays(text: str) -> None:
    assert reason_against(text) is None


def test_ground_truth_goes_and_nothing_else() -> None:
    found = screened(data())
    assert all(one.query.ground_truth is None for one in (*found.examples, *found.pairs))
    assert [one.key for one in found.examples] == [one.key for one in data().examples]
    assert found.report == data().report


def test_screening_twice_is_screening_once() -> None:
    held = data_of([example(0, answer="</s>"), *data().examples], data().pairs)
    assert screened(screened(held)) == screened(held)
