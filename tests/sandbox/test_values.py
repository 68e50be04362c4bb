import collections
import datetime
import decimal
import enum
import fractions
import json
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusion_agents.sandbox.inside.text import read_json, write_json
from fusion_agents.sandbox.inside.values import UncrossableError, decode, encode

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=9)
    | st.binary(max_size=9)
    | st.complex_numbers(allow_nan=False)
)
HASHABLE = st.recursive(
    SCALARS, lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3), max_leaves=4
)
VALUES = st.recursive(
    HASHABLE,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(HASHABLE, inner, max_size=3)
        | st.tuples(inner)
        | st.sets(HASHABLE, max_size=3)
    ),
    max_leaves=6,
)


def refuse(value: Any) -> Any:
    raise UncrossableError(type(value).__name__)


def cross(value: Any) -> Any:
    return decode(read_json(write_json(encode(value, refuse))), refuse)


def exact(one: Any, other: Any) -> bool:
    return type(one) is type(other) and bool(one == other) and repr(one) == repr(other)


@given(VALUES)
def test_values_of_builtin_types_cross_without_a_change(value: Any) -> None:
    crossed = cross(value)
    assert type(crossed) is type(value)
    assert crossed == value


@given(VALUES)
def test_the_quick_json_is_the_one_of_the_standard_library(value: Any) -> None:
    data = encode(value, refuse)
    assert read_json(json.dumps(data)) == json.loads(write_json(data)) == data


@pytest.mark.parametrize(
    "value",
    [
        *(10**5000, -(10**40), 1e308, -0.0, math.inf, "\ud800", range(1, 9, 2), bytearray(b"ab")),
        *(int, list, type(None), Ellipsis, collections.deque([1]), collections.Counter("aab")),
        *(collections.OrderedDict(a=1), decimal.Decimal("0.10"), fractions.Fraction(1, 3)),
        *(datetime.date(2020, 1, 2), datetime.datetime(2020, 1, 2, 3), datetime.time(1, 2)),  # noqa: DTZ001
    ],
    ids=lambda value: type(value).__name__,
)
def test_rarer_values_cross_as_what_they_are(value: Any) -> None:
    crossed = cross(value)
    assert type(crossed) is type(value)
    assert crossed == value


def test_not_a_number_and_views_and_iterators_cross() -> None:
    assert math.isnan(cross(math.nan))
    assert cross({"a": 1}.keys()) == {"a"}
    assert list(cross({"a": 1}.values())) == [1]
    assert cross({"a": 1}.items()) == {("a", 1)}
    crossed = cross(x * x for x in range(3))
    assert isinstance(crossed, Iterator)
    assert list(crossed) == [0, 1, 4]


@pytest.mark.parametrize(
    "value",
    [np.float64(3.5), np.int64(-7), np.bool_(True), np.complex128(1j), np.float32(0.1)],
    ids=str,
)
def test_numpy_scalars_cross_with_their_type(value: Any) -> None:
    crossed = cross(value)
    assert type(crossed) is type(value)
    assert crossed == value


def test_arrays_cross_with_shape_and_type() -> None:
    crossed = cross({"a": np.arange(6, dtype="i4").reshape(2, 3)})["a"]
    assert crossed.dtype == np.dtype("i4")
    assert crossed.tolist() == [[0, 1, 2], [3, 4, 5]]


def test_a_small_infinity_is_not_equal_to_what_its_type_cannot_hold() -> None:
    with np.errstate(over="ignore"):
        assert np.float16("inf") == 1e6  # as numpy has it
    assert cross(np.float16("inf")) != 1e6
    assert cross(np.float32("inf")) != 1e300


class Equal:
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


class Number(Equal, float):
    pass


class Words(Equal, str):
    pass


class Items(Equal, list[int]):
    pass


class Colour(enum.IntEnum):
    RED = 1


Point = collections.namedtuple("Point", "x y")


@pytest.mark.parametrize(
    ("value", "crossed"),
    [
        *((Number(2.0), 2.0), (Words("a"), "a"), (Items([1]), [1]), (Colour.RED, 1)),
        *((Point(1, 2), (1, 2)), (collections.defaultdict(int, a=1), {"a": 1})),
    ],
    ids=str,
)
def test_of_a_subclass_only_the_builtin_value_crosses(value: Any, crossed: Any) -> None:
    assert exact(cross(value), crossed)


@pytest.mark.parametrize("value", [Equal(), len, Equal, lambda: 1], ids=str)
def test_other_objects_stay_where_they_are(value: Any) -> None:
    with pytest.raises(UncrossableError):
        cross(value)
    assert encode([value], lambda _: {"ref": [0, "x"]}) == [{"ref": [0, "x"]}]


def test_an_iterator_without_an_end_does_not_cross() -> None:
    with pytest.raises(UncrossableError, match="without an end"):
        cross(iter(int, 1))


@pytest.mark.parametrize(
    "data",
    [
        *({}, {"int": 1, "dict": []}, {"eval": "1"}, {"int": "x"}, {"set": [[1]]}, {"dict": [1]}),
        *({"numpy": ["O", [1], "00"]}, {"numpy": ["<f8", [9], "00"]}, {"type": "open"}),
        *({"constant": "exit"}, {"Decimal": "x"}, {"bytes": 3}, {"set": 3}),
    ],
    ids=str,
)
def test_what_no_encoder_makes_is_refused(data: Any) -> None:
    with pytest.raises(UncrossableError):
        decode(data, refuse)
