import pytest

from fusion_agents.sandbox.names import needs_of


def test_what_tests_call_is_the_answers() -> None:
    needs = needs_of("x = [1]\nassert set(f(x)) == set(g(2))", "", "f")
    assert needs.remote == ("f", "g")
    assert needs.one_process is None


def test_modules_of_the_standard_library_are_the_tests_own() -> None:
    needs = needs_of("assert math.isclose(f(2), sys.maxsize)", "", "f")
    assert (needs.modules, needs.remote) == (("math", "sys"), ("f",))


def test_helpers_of_the_prompt_are_not_taken_from_the_answer() -> None:
    given = "def helper(x): return x\ndef f(x):\n    pass"
    needs = needs_of("def check(candidate):\n    assert candidate(helper(1))\ncheck(f)", given, "f")
    assert needs.given
    assert needs.remote == ("f",)


def test_a_function_named_like_a_builtin_is_the_answers_if_it_is_asked_for() -> None:
    assert needs_of("assert sum(1, 2) == 3", "", "sum").remote == ("sum",)
    assert needs_of("assert f(sum([1, 2])) == 3", "", "f").remote == ("f",)


@pytest.mark.parametrize(
    "tests",
    ["assert isinstance(f(1), Node)", "assert Node.count == 1", "class A(Node): pass", "f(g)"],
)
def test_tests_that_use_a_class_other_than_by_calling_it_need_one_process(tests: str) -> None:
    assert needs_of(tests, "", "f").one_process is not None


def test_tests_that_are_no_python_are_an_error() -> None:
    with pytest.raises(SyntaxError):
        needs_of("assert f(", "", "f")
