import datetime as dt
import uuid
from enum import Enum
from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from fusion_agents.errors import ConfigError
from fusion_agents.testing.fake_schema import Inventor


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Tree(BaseModel):
    name: str
    children: list["Tree"]
    parent: "Tree | None"


class Everything(BaseModel):
    text: str
    short: Annotated[str, Field(min_length=3, max_length=5)]
    code: Annotated[str, Field(pattern=r"^[A-Z]\d$")]
    whole: Annotated[int, Field(gt=10, lt=20)]
    even: Annotated[int, Field(multiple_of=2, ge=5)]
    share: Annotated[float, Field(ge=0, le=1)]
    sure: bool
    nothing: None
    colour: Colour
    kind: Literal["fixed"]
    either: int | str
    maybe: int | None
    numbers: Annotated[list[int], Field(min_length=2)]
    pair: tuple[int, str]
    table: dict[str, int]
    tree: Tree
    day: dt.date
    moment: dt.datetime
    name: uuid.UUID
    left_out: str = "default"


SCHEMA = Everything.model_json_schema()


@given(query=st.text())
def test_what_is_made_up_for_any_query_is_valid(query: str) -> None:
    made = Everything.model_validate(Inventor(query, SCHEMA).invent(SCHEMA))
    assert made.kind == "fixed"


def test_the_same_query_gives_the_same_value() -> None:
    first, second = (Inventor("3 red 'cats'", SCHEMA).invent(SCHEMA) for _ in range(2))
    assert first == second
    assert first["colour"] == "red"
    assert "left_out" not in first


def test_a_property_that_the_query_names_is_not_left_out() -> None:
    assert "left_out" in Inventor("give left_out too", SCHEMA).invent(SCHEMA)


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": ["null", "integer"]}, 7),
        ({"allOf": [{"type": "integer"}, {"minimum": 9}]}, 9),
        ({"oneOf": [{"type": "null"}, {"const": 5}]}, 5),
        ({"properties": {"n": {"type": "integer"}}, "required": ["n"]}, {"n": 7}),
        ({"type": "array", "maxItems": 0}, []),
        ({"type": "array", "prefixItems": [{"type": "integer"}], "items": False}, [7]),
        ({"type": "integer", "exclusiveMaximum": 3}, 2),
        ({"type": "number", "maximum": 0.5}, 0.5),
        ({}, "take 7"),
    ],
)
def test_schemas_are_understood(schema: dict[str, object], value: object) -> None:
    assert Inventor("take 7", schema).invent(schema) == value


def test_a_pattern_that_no_sample_fits_is_named() -> None:
    schema = {"type": "string", "pattern": "^zzz$"}
    with pytest.raises(ConfigError, match=r"\^zzz\$"):
        Inventor("Hello", schema).invent(schema)
    assert Inventor("Use 'zzz'", schema).invent(schema) == "zzz"


def test_a_reference_to_nothing_is_named() -> None:
    with pytest.raises(ConfigError, match="#/nowhere"):
        Inventor("Hello", {}).invent({"$ref": "#/nowhere"})
