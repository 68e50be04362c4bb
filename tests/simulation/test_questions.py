import contextlib
import hashlib
import io
import re
from datetime import date, datetime, timedelta

import numpy as np
import pytest

from fusion_agents.near_duplicates import near_duplicate_groups
from fusion_agents.simulation import generate_questions
from fusion_agents.simulation.questions import FAMILIES, MORE_FAMILIES, Question
from fusion_agents.simulation.triage import DESKS

MANY = generate_questions(3_000, seed=11)


def of(pattern: str) -> list[tuple[re.Match[str], Question]]:
    found = [(re.search(pattern, q.text, re.DOTALL), q) for q in MANY]
    return [(match, q) for match, q in found if match]


def test_the_same_seed_gives_the_same_questions_and_another_seed_others() -> None:
    assert generate_questions(60, seed=3) == generate_questions(60, seed=3)
    assert not {q.text for q in generate_questions(60, seed=3)} & {
        q.text for q in generate_questions(60, seed=4)
    }


def test_a_longer_list_starts_with_the_shorter_one() -> None:
    assert generate_questions(100, seed=5)[:37] == generate_questions(37, seed=5)


@pytest.mark.parametrize("n", [0, 1, 7])
def test_as_many_questions_come_as_were_asked_for(n: int) -> None:
    assert len(generate_questions(n)) == n


def test_families_have_equal_shares() -> None:
    counts = [sum(q.family == family for q in MANY) for family in FAMILIES]
    assert counts == [500] * 6


def test_all_questions_differ_and_few_are_near_duplicates() -> None:
    texts = [q.text for q in MANY]
    assert len(set(texts)) == len(texts)
    sizes = np.bincount(near_duplicate_groups(texts))
    assert (sizes == 1).sum() > 0.95 * len(texts)
    assert sizes.max() < 10


def test_difficulties_lie_between_0_and_1_and_vary_within_each_family() -> None:
    for family in FAMILIES:
        values = np.array([q.difficulty for q in MANY if q.family == family])
        assert values.min() >= 0
        assert values.max() <= 1
        assert values.std() > 0.1


def test_the_answers_about_programs_are_what_python_prints() -> None:
    checked = 0
    for q in MANY:
        if q.family == "code":
            program = q.text.split("\n", 1)[1]
            with contextlib.redirect_stdout(io.StringIO()) as printed:
                exec(program, {})
            assert printed.getvalue().strip() == q.answer, q.text
            checked += 1
    assert checked == 500


def test_the_answers_about_sums_are_what_python_computes() -> None:
    found = of(r"(\d+(?: [+-] \d+)+)(?:\?|\.| = \?| exactly)")
    assert len(found) > 50
    for match, q in found:
        assert sum(map(int, match.group(1).replace(" ", "").replace("-", "+-").split("+"))) == int(
            q.answer
        )


def test_the_answers_about_weekdays_agree_with_the_calendar() -> None:
    found = of(r"day of the week of (\d{4}-\d\d-\d\d)")
    assert len(found) > 10
    for match, q in found:
        assert date.fromisoformat(match.group(1)).strftime("%A") == q.answer


def test_the_answers_about_clocks_add_minutes() -> None:
    found = of(r"Add (\d+) minutes to (\d\d:\d\d)")
    assert len(found) > 10
    for match, q in found:
        start = datetime.strptime(match.group(2), "%H:%M")  # noqa: DTZ007 - a clock, no zone
        assert (start + timedelta(minutes=int(match.group(1)))).strftime("%H:%M") == q.answer


def test_the_answers_about_letters_count_letters() -> None:
    found = of(r"the letter '(.)' occur in '([a-z ]+)'")
    assert len(found) > 10
    for match, q in found:
        assert match.group(2).count(match.group(1)) == int(q.answer)


def test_the_answers_about_temperatures_convert_back() -> None:
    found = of(r"(-?\d+) °C to °F")
    assert len(found) > 5
    for match, q in found:
        assert (int(q.answer) - 32) * 5 == int(match.group(1)) * 9


def test_the_answers_about_formulas_are_what_python_computes() -> None:
    found = of(
        r"If (p|q|r|s|t)( is .*?), (?:is|what is the truth value of) ([^?]*?)(?: true or|\?)"
    )
    assert len(found) > 20
    for match, q in found:
        facts = dict(re.findall(r"([pqrst]) is (true|false)", match.group(1) + match.group(2)))
        values = {name: value == "true" for name, value in facts.items()}
        assert str(eval(match.group(3), {}, values)).lower() == q.answer, q.text  # noqa: S307


def test_the_answers_about_orders_agree_with_the_comparisons() -> None:
    found = of(r"^(?:.*: )?((?:\w+ is taller than \w+\. )+)Who is the (tallest|shortest)\?")
    assert len(found) > 10
    for match, q in found:
        pairs = re.findall(r"(\w+) is taller than (\w+)", match.group(1))
        taller, smaller = {a for a, _ in pairs}, {b for _, b in pairs}
        ends = taller - smaller if match.group(2) == "tallest" else smaller - taller
        assert ends == {q.answer}


def test_old_seeds_give_the_questions_that_they_always_gave() -> None:
    digest = hashlib.sha256(repr(generate_questions(600, seed=0)).encode()).hexdigest()
    assert digest == "5d4f5c023371d3ffea270b9cc14ee67a61b7d6b8e37bc8ac55ad4cad902e2c23"


def test_families_are_drawn_as_asked_for() -> None:
    some = generate_questions(90, 1, ("dates", "triage", "code"))
    assert {family: sum(q.family == family for q in some) for family in FAMILIES} == {
        **dict.fromkeys(FAMILIES, 0), "dates": 30, "code": 30,
    }  # fmt: skip
    assert some == generate_questions(90, 1, ("dates", "triage", "code"))
    assert not set(MORE_FAMILIES) & {q.family for q in MANY}


@pytest.mark.parametrize("families", [("poems",), ("dates", "poems"), ()])
def test_a_family_that_there_is_not_is_refused(families: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="there are arithmetic, code"):
        generate_questions(5, 0, families)


def test_messages_go_to_all_desks_and_few_are_near_duplicates() -> None:
    messages = generate_questions(900, 4, ("triage",))
    counts = [sum(q.answer == desk for q in messages) for desk in DESKS]
    assert sum(counts) == 900
    assert min(counts) > 100
    assert all(desk in q.text for q in messages for desk in DESKS)
    assert (np.bincount(near_duplicate_groups([q.text for q in messages])) == 1).sum() > 850
    assert {q.difficulty for q in messages} == {0.2, 0.45, 0.7}


def test_the_desk_of_a_message_shows_in_its_words_whatever_else_it_says() -> None:
    """A message says one of its desk's phrases, so no two desks share one."""
    desks: dict[str, set[str]] = {}
    for q in generate_questions(900, 5, ("triage",)):
        for phrase in re.findall(r"refund|spare part|tracking|invoice|in stock|fraud", q.text):
            desks.setdefault(phrase, set()).add(q.answer)
    assert desks == {
        "refund": {"returns"}, "spare part": {"repairs"}, "tracking": {"delivery"},
        "invoice": {"billing"}, "in stock": {"sales"}, "fraud": {"security"},
    }  # fmt: skip
