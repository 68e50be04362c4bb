import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusion_agents.errors import DataError
from fusion_agents.metrics.multiple_choice import MultipleChoice
from fusion_agents.types import Query

CITIES = Query(
    text="What is the capital of France?\n(A) Lyon\n(B) Paris\n(C) Nice\n(D) Lille",
    ground_truth="B",
)
BARE = Query(text="Which one is it?", ground_truth="B")
NUMBERED = Query(text="Which is prime?\n1. Four\n2. Six\n3. Seven\n4. Eight", ground_truth="3")


def read(response: str, query: Query = CITIES) -> str | None:
    return MultipleChoice().score(response, query).answer


@pytest.mark.parametrize(
    "response",
    [
        "B", "b", "(B)", "(b)", "B.", "B)", "**B**", "`B`", "B) Paris", "(B) Paris", "B. Paris",
        "The answer is B", "The answer is (B).", "The answer is **(B) Paris**.", "Answer: B",
        "**Answer:** B", "ANSWER:\nB", "Final answer: b", "The correct answer is: B. Paris",
        "The best answer here is clearly option B.", "The answer is Paris.", "Paris",
        "The correct option is B.", "Option B is correct.", "(B) is the correct answer.",
        "I would choose B.", "I'll go with (B) because it is the seat of government.",
        r"\boxed{B}", r"$\boxed{\text{B}}$", r"The answer is $\boxed{(B)}$.",
        '{"answer": "B"}', '```json\n{"reasoning": "the answer is C?", "answer": "B"}\n```',
        '{"answer": "B", "reasoning": "It is tempting to say the answer is C."}',
        '{"final_answer": "(B) Paris"}', "{'answer': 'B'}", "<answer>B</answer>", "Ｂ",
        "The answer is A. Wait, the answer is B.", "Lyon is large.\n\nTherefore, (B).",
        "Lyon (A) is not it, and Nice (C) is not.\n\nThe answer is B", "Answer\n\nB",
        "The seat of government has long been in option (B).", "First A, then C?\nB",
        "The answer is B because A is not a capital.", "Between A and C... no. Answer: B, Paris.",
        "<think>The answer is C.</think>The answer is B.", "**B**\n\nIt is a large city.",
        '>> FINAL ANSWER:\n"""\n(B) Paris\n"""', "Answer - B", "__Answer__: __B__", "*Answer*: *B*",
        "Option B", "B is correct.", "**B** is the correct answer.", "The answer is Paris (B).",
        "The answer is Paris, option B.", "The answer is Paris, not Lyon.", "Answer: B\u200b",
    ],
)  # fmt: skip
def test_a_stated_choice_is_read(response: str) -> None:
    assert read(response) == "B"


@pytest.mark.parametrize(
    "response",
    [
        "A quick look says so.", "A city in the north, I think.", "I think so.", "A",
        "It could be A or B.", "The answer is A or B.", "The answer is (A) and (B).",
        "The answer is either B or C.", "B or C", "I am not sure whether the answer is B.",
        "I don't think the answer is B.", "If the answer is B, then Paris is a capital.",
        "The answer is not B.", "The answer is (B) is incorrect.", "There is no answer.",
        "A) Lyon\nB) Paris\nC) Nice\nD) Lille", "Vitamin B helps.", "B2B sales", "Plan B it was.",
        "The answer depends.", "The answer is a city.", "The answer is A good guess.",
        "Options A, B, C and D were looked at.", '{"answer": null}', r"\boxed{}", "Answer:",
        "The correct answers are:\n(A) Lyon\n(B) Paris", "(A) and (B)", "B = 3", "the sky",
        "The answer is B. On reflection, the answer is C.", "The answer is N/A.", "A\nB",
        "The wrong answer is B.", "An incorrect answer is B.", "The least likely answer is B.",
        "It is unlikely that the answer is B.", "One might think the answer is B.",
        "The answer is Paris (C).", "The answer is not Paris.", "The answer is Paris or Nice.",
    ],
)  # fmt: skip
def test_a_letter_that_is_not_stated_as_the_answer_scores_nothing(response: str) -> None:
    scored = MultipleChoice().score(response, CITIES)
    assert scored.score == 0.0
    assert scored.reason


@pytest.mark.parametrize("response", ["3", "(3)", "The answer is 3.", "3. Seven", "Seven"])
def test_choices_may_be_numbers(response: str) -> None:
    assert read(response, NUMBERED) == "3"


@pytest.mark.parametrize("response", ["The answer is 3.5", "There are 3 of them", "C", "13", "3/4"])
def test_other_numbers_are_no_choices(response: str) -> None:
    assert MultipleChoice().score(response, NUMBERED).score == 0.0


def test_the_text_of_an_option_may_begin_with_the_letter_of_another() -> None:
    keys = Query(text="Which key?\n(A) C major\n(B) A minor\n(C) A large one", ground_truth="A")
    assert [read(said, keys) for said in ("The answer is C major.", "A minor")] == ["A", "B"]
    assert [read(said, keys) for said in ("A large one", "The answer is C.")] == ["C", "C"]


@pytest.mark.parametrize("gold", ["B", "(B)", "b", "B."])
def test_the_right_label_may_be_decorated(gold: str) -> None:
    assert MultipleChoice().score("B", BARE.model_copy(update={"ground_truth": gold})).score == 1


def test_a_right_answer_that_is_no_label_is_refused() -> None:
    with pytest.raises(DataError, match="letter or number"):
        MultipleChoice().score("B", Query(text="?", ground_truth="Paris"))


def test_a_right_answer_that_is_labelled_otherwise_than_the_options_is_refused() -> None:
    with pytest.raises(DataError, match="is 1, and its options are labelled A, B, C, D"):
        read("B", CITIES.model_copy(update={"ground_truth": "1"}))


def test_what_a_model_goes_on_to_ask_itself_is_not_read() -> None:
    response = "It is Paris. The answer is (B).\n\nQuestion: And of Italy?\nThe answer is (C)."
    assert read(response) == "B"


def test_a_response_that_begins_with_the_question_is_read() -> None:
    assert read(f"Hm.\nQuestion: {CITIES.text}\nAnswer: B") == "B"


def test_several_and_none_are_told_apart() -> None:
    metric = MultipleChoice()
    assert metric.score("The answer is A or B.", CITIES).reason == "several answers stated"
    assert metric.score("Hard to tell.", CITIES).reason == "no stated answer"
    assert metric.score("C", CITIES).reason == "wrong choice"


@given(
    before=st.sampled_from(["", "Let me see. ", "A thought: ", "I looked at C.\n"]),
    form=st.sampled_from(
        [
            "The answer is {}.",
            "Answer: ({})",
            "**Final answer: {}**",
            r"\boxed{{{}}}",
            "<answer>{}</answer>",
        ]
    ),
    label=st.sampled_from("ABCD"),
)
def test_a_statement_is_read_whatever_stands_before_it(before: str, form: str, label: str) -> None:
    assert read(before + form.format(label)) == label


@given(st.text(alphabet="ABCD .,\n()*is the or answer", max_size=60))
def test_no_response_breaks_it(response: str) -> None:
    assert MultipleChoice().score(response, CITIES).score in (0.0, 1.0)
