import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusion_agents.metrics import Metric, score
from fusion_agents.metrics.contains import Contains
from fusion_agents.metrics.coverage import Coverage
from fusion_agents.metrics.exact_match import ExactMatch
from fusion_agents.metrics.f1 import TokenF1
from fusion_agents.metrics.literal import Literal
from fusion_agents.metrics.normalising import normalised
from fusion_agents.simulation.questions import generate_questions
from fusion_agents.simulation.responses import exact_match, write_response
from fusion_agents.types import Query

WORDS = st.text(alphabet="abc XYZ.,'-éß京0123", max_size=30)


def given_score(metric: Metric, response: str, *golds: str) -> float | None:
    return metric.score(response, Query(text="?", ground_truth=golds)).score


@pytest.mark.parametrize(
    ("response", "gold"),
    [
        ("The Beatles", "beatles"), ("U.S.A.", "USA"), ("Beyonce", "Beyoncé"), ("ＡＢＣ", "abc"),
        ("It was long ago. The answer is: Rome.", "Rome"), ('{"answer": "Rome"}', "rome"),
        ("1,000", "1000"), ("Answer: **O'Brien**", "OBrien"), ("A", "A"), ("B & C", "b, c"),
        ("J. K. Rowling", "J.K. Rowling"), ("Answer: Prof. Smith", "Prof. Smith"),
        ("Answer: Oct. 5, 1999. I am sure.", "Oct. 5, 1999"),
        ("Answer: Mrs. Dalloway", "Mrs Dalloway"),
        ("yes", "True"), ("The answer is: False, as it says.", "no"), ("Yes, it did.", "yes"),
    ],
)  # fmt: skip
def test_exact_match_overlooks_form(response: str, gold: str) -> None:
    assert given_score(ExactMatch(), response, gold) == 1.0


@pytest.mark.parametrize(
    ("response", "gold"),
    [
        ("Roman", "Rome"),
        ("In Rome", "Rome"),
        ("-5", "5"),
        ("3.5", "35"),
        ("B", "A"),
        ("!", "?"),
        ("कि", "की"),
    ],
)
def test_exact_match_overlooks_no_word(response: str, gold: str) -> None:
    assert given_score(ExactMatch(), response, gold) == 0.0


@pytest.mark.parametrize("metric", [ExactMatch(), Contains(), TokenF1()])
@pytest.mark.parametrize(
    ("response", "gold", "expected"),
    [
        ("It is false that this is true.", "true", 0.0), ("True", "True", 1.0), ("no", "True", 0.0),
        ("Option true was rejected. The answer is no.", "True", 0.0), ("False.", "False", 1.0),
        ("Some say yes and others say no.", "yes", 0.0), ("True or false? Hard.", "True", 0.0),
        ("The passage says it is true. Answer: **Yes**", "True", 1.0), ("Not true.", "True", 0.0),
        ("It took no time.\nNo", "False", 1.0), ("No one knows.", "False", 0.0),
        ("No idea.", "no", 0.0), ("No information is given.", "no", 0.0),
        ("No doubt: yes", "no", 0.0),
    ],
)  # fmt: skip
def test_yes_and_no_are_read_from_the_stated_answer(
    metric: Metric, response: str, gold: str, expected: float
) -> None:
    assert given_score(metric, response, gold) == expected


@pytest.mark.parametrize(
    ("response", "gold"),
    [("It was Rome, I think.", "Rome"), ("in 1,000 days", "1000"), ("北京是首都", "北京")],
)
def test_contains_finds_whole_words(response: str, gold: str) -> None:
    assert given_score(Contains(), response, gold) == 1.0


@pytest.mark.parametrize(
    ("response", "gold"),
    [
        ("Romeo", "Rome"),
        ("1945", "94"),
        ("7.5", "7"),
        ("a -7", "7"),
        ("anything", "the"),
        ("anything at all", "?!"),
        ("anything", ""),
        ("new york was new", "york new"),
    ],
)
def test_contains_finds_no_parts_of_words_and_nothing_without_words(
    response: str, gold: str
) -> None:
    assert given_score(Contains(), response, gold) == 0.0


@pytest.mark.parametrize("metric", [ExactMatch(), Contains(), TokenF1()])
def test_every_alias_counts(metric: Metric) -> None:
    assert given_score(metric, "JFK", "John F. Kennedy", "JFK") == 1.0


@pytest.mark.parametrize("metric", [ExactMatch(), Contains(), TokenF1()])
@given(response=WORDS, gold=st.sampled_from(["", " ", "?!", "...", "the", "an"]))
def test_a_gold_without_words_is_matched_by_no_other_text(
    metric: Metric, response: str, gold: str
) -> None:
    if normalised(response, articles=True) != normalised(gold, articles=True):
        assert given_score(metric, response, gold) == 0.0


@given(WORDS, WORDS)
def test_f1_is_symmetric_and_bounded(one: str, other: str) -> None:
    found, back = (given_score(TokenF1(), *pair) for pair in ((one, other), (other, one)))
    if one.strip() and other.strip():
        assert found == back
    assert found is not None
    assert 0.0 <= found <= 1.0


@given(WORDS)
def test_normalising_twice_is_normalising_once(text: str) -> None:
    assert normalised(normalised(text)) == normalised(text)


def test_simulated_responses_score_as_the_simulation_says() -> None:
    import numpy as np  # noqa: PLC0415

    rng = np.random.default_rng(5)
    for number, question in enumerate(generate_questions(300, 5)):
        response = write_response(question, right=number % 2 == 0, thinks=number % 3 == 0, rng=rng)
        query = Query(text=question.text, ground_truth=question.answer, metric="exact_match")
        assert score(response, query).score == exact_match(response, question.answer), response


@pytest.mark.parametrize(
    ("response", "gold", "expected"),
    [
        ('{"answer": "[1, 2]"}', "[1,2]", 1.0), ('{"answer": "ab c"}', "'ab c'", 1.0),
        ("The answer is `{'a': 1}`.", "{'a': 1}", 1.0), ("1", "'1'", 1.0), ("'1'", "1", 0.0),
        ('{"answer": "ab  c"}', "'ab c'", 0.0), ("True", "1", 0.0), ("(1, 2)", "[1, 2]", 0.0),
        ("assert f(1) == 3", "3", 0.0), ('{"answer": ""}', "''", 1.0), ("{1, 2}", "{2, 1}", 1.0),
        ("[" * 5000, "[]", 0.0),
    ],
)  # fmt: skip
def test_literals_are_compared_as_values(response: str, gold: str, expected: float) -> None:
    assert given_score(Literal(), response, gold) == expected


def test_coverage_counts_inflected_words() -> None:
    query = Query(text="?", ground_truth="carry, stop, dance, swimming pool, cat")
    scored = Coverage().score("He carried it, stopped, and danced by the swimming pools.", query)
    assert scored.score == pytest.approx(0.8)
    assert scored.reason == "missing: cat"


@pytest.mark.parametrize("metric", [ExactMatch(), Contains(), TokenF1()])
def test_an_article_may_be_a_right_answer(metric: Metric) -> None:
    assert [given_score(metric, said, "A") for said in ("A", "The answer is A.")] == [1.0, 1.0]
    assert [given_score(metric, said, "A") for said in ("B", "The", "A dog")] == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("response", "expected"),
    [("It is not Rome.", 0.0), ("It isn't Rome.", 0.0), ("Not Rome? No, Rome it is.", 1.0)],
)
def test_contains_overlooks_what_is_denied(response: str, expected: float) -> None:
    assert given_score(Contains(), response, "Rome") == expected
