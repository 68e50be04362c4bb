import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusion_agents.errors import ConfigError
from fusion_agents.pool.models_editing import TomlValue, with_model, written

FILE = Path("models.toml")
TEXT = '''# the models of our team
[models.small]  # cheap
model = "openai:gpt-5-mini"
description = """
[models.student]
not a header
"""
stop = [
  "[models.student]",
]

# the student
[models."my student"] # by hand
model = "student:/old" # where it is
# the price is ours
price = { input = 0.0, output = 0.0 }
strategies = [
    "direct",  # as in training
]
device = "cuda"

# the last one
[models.large]
model = "openai:gpt-5"
[models.large.price]
input = 1.0
output = 2.0'''


def edited(values: dict[str, TomlValue | None], text: str = TEXT, name: str = "my student") -> str:
    return with_model(text, name, values, FILE)


def test_a_new_table_is_added_below_everything_else() -> None:
    after = edited({"model": "student:/new", "base_url": None, "size": 0.5}, name="student")
    assert after == TEXT + '\n\n[models.student]\nmodel = "student:/new"\nsize = 0.5\n'


def test_a_file_that_is_empty_gets_its_first_table() -> None:
    assert edited({"model": "a"}, "", 'a "b".c') == '[models."a \\"b\\".c"]\nmodel = "a"\n'


def test_only_the_lines_that_are_wrong_are_written_anew() -> None:
    after = edited({"model": "student:/new", "strategies": ["direct"], "size": 0.5, "price": None})
    expected = TEXT.replace('model = "student:/old" # where it is', 'model = "student:/new"')
    expected = expected.replace("price = { input = 0.0, output = 0.0 }\n", "")
    assert after == expected.replace('device = "cuda"\n', 'device = "cuda"\nsize = 0.5\n')


def test_what_is_right_already_changes_nothing() -> None:
    same: dict[str, TomlValue | None] = {
        "model": "student:/old",
        "price": {"input": 0, "output": 0},
        "strategies": ("direct",),
        "base_url": None,
    }
    assert edited(same) == TEXT
    assert edited({"model": "openai:gpt-5"}, name="large") == TEXT


def test_line_ends_stay_as_they_are() -> None:
    text = TEXT.replace("\n", "\r\n")
    after = edited({"model": "student:/new"}, text)
    assert after.replace("\r\n", "\n") == edited({"model": "student:/new"})
    assert after.count("\n") == after.count("\r\n")


@pytest.mark.parametrize(
    "text",
    [
        '[models]\nstudent = "openai:gpt-5"\n',
        'models.student.model = "openai:gpt-5"\n',
        "[models.student.price]\ninput = 1.0\n",
        '[[models.student]]\nmodel = "a"\n',
        'models = { large = "openai:gpt-5" }\n',
        '[models.student]\nmodel = "a"\n[models.student.price]\ninput = 1.0\n',
        "[models.student\n",
    ],
)
def test_what_is_written_in_another_way_is_left_to_a_hand(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^models.toml: "):
        edited({"model": "b", "price": {"input": 0.0}}, text, "student")


leaves = (
    st.text()
    | st.booleans()
    | st.integers(-(2**62), 2**62)
    | st.floats(allow_nan=False, allow_infinity=False)
)
plain = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(st.text(), plain)
def test_whatever_is_written_is_read_again(name: str, value: TomlValue) -> None:
    after = edited({"model": value}, name=name or "x")
    read = tomllib.loads(after)["models"]
    assert read.pop(name or "x") == {"model": value}
    assert read == {k: v for k, v in tomllib.loads(TEXT)["models"].items() if k != name}


def test_half_a_character_is_replaced() -> None:
    assert written("a\ud800") == '"a?"'


def test_a_number_without_end_is_refused() -> None:
    with pytest.raises(ConfigError, match="inf is no setting"):
        written(float("inf"))
