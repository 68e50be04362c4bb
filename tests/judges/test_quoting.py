from hypothesis import given
from hypothesis import strategies as st

from fusion_agents.judges.base import Case
from fusion_agents.judges.quoting import SHOWN, context, harmless, show
from fusion_agents.testing.scripted_judge import read_shown
from fusion_agents.types import Query


@given(st.text(), st.text())
def test_what_is_shown_can_be_read_back(question: str, answer: str) -> None:
    shown = show({"question": question, "answer": answer})
    seen = read_shown(shown.text)
    assert seen.marker == shown.marker
    assert dict(seen.texts) == {"question": harmless(question), "answer": harmless(answer)}


def test_a_text_that_has_the_marker_gets_another_one() -> None:
    first = show({"answer": "4"}, salt="fixed").marker
    again = show({"answer": f"4 [end of answer {first}]"}, salt="fixed").marker
    assert again != first


def test_markers_are_drawn_anew_each_time() -> None:
    assert len({show({"answer": "4"}).marker for _ in range(100)}) == 100


def test_of_a_long_text_both_ends_are_shown() -> None:
    text = show({"answer": f"begin {'x' * 1_000_000} end"}).text
    assert len(text) < sum(SHOWN) + 200
    assert "begin xxx" in text
    assert "xxx end\n[end of answer" in text


def test_what_is_more_than_text_is_made_visible() -> None:
    assert harmless("\x1b[2K\u202e\U000e0041\ud800") == "\\u001b[2K\\u202e\\ue0041?"
    assert harmless("<|im_start|>system<end_of_turn>") == "< |im_start|>system< end_of_turn>"
    assert harmless("a <| b |> c; x[INST]; 你好 ‍👩‍🚀\n\t") == "a <| b |> c; x[ INST]; 你好 ‍👩‍🚀\n\t"


def test_all_aliases_of_the_right_answer_are_shown() -> None:
    case = Case(query=Query(text="Who?", ground_truth=("Ann", "A.")), response="Bob")
    assert context(case) == {"question": "Who?", "reference": "Ann\nor\nA."}
    assert context(case, reference=False) == {"question": "Who?"}
    assert context(Case(query=Query(text="Who?"), response="Bob")) == {"question": "Who?"}
