from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar

import numpy as np
import pytest
from numpy.typing import NDArray
from typing_extensions import TypeAliasType

from fusion_agents.errors import ArtefactError
from fusion_agents.packing import Arrays, pack, unpack, unpack_fields

if TYPE_CHECKING:
    from somewhere import Thing

Number = TypeVar("Number", bound=np.generic)
Alias = TypeAliasType("Alias", np.ndarray[Any, np.dtype[Number]], type_params=(Number,))
"""As NDArray is declared from numpy 2.5 on."""
Named = TypeAliasType("Named", NDArray[np.float64])


class Pair(NamedTuple):
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Inner:
    weights: NDArray[np.float64]
    name: str = ""


@dataclass(kw_only=True)
class Partly:
    size: int = 1
    thing: "Thing | None" = None


@pytest.mark.parametrize(
    ("hint", "value"),
    [
        (int, 3),
        (float, 0.5),
        (float, float("inf")),
        (bool, True),
        (str | None, None),
        (int | str, "x"),
        (Literal["a", "b"], "b"),
        (tuple[int, ...], (1, 2)),
        (tuple[int, str], (1, "x")),
        (list[Pair], [Pair(0.0, 1.0)]),
        (dict[str, int], {"a": 1}),
    ],
)
def test_values_come_back(hint: Any, value: object) -> None:
    assert unpack(hint, pack(value, {}), {}) == value


def test_an_integer_that_stands_for_a_float_stays_one() -> None:
    assert type(unpack(float, 3, {})) is int


def test_numpy_numbers_become_plain_ones() -> None:
    assert pack([np.int64(3), np.bool_(True), np.float32(0.5)], {}) == [3, True, 0.5]


@pytest.mark.parametrize(
    ("hint", "data"),
    [
        (int, True),
        (int, "3"),
        (int, 3.5),
        (float, True),
        (float, "3"),
        (float, None),
        (bool, 1),
        (str, 1),
        (int | str, []),
        (Literal["a", "b"], "c"),
        (Literal[1], True),
        (tuple[int, ...], "12"),
        (tuple[int, ...], {"1": 1}),
        (tuple[int, str], [1]),
        (Pair, [1.0]),
        (Pair, {"low": 1.0, "high": 2.0}),
        (dict[str, int], [1]),
        (dict[str, int], {"a": "x"}),
        (Inner, []),
        (Inner, {"name": "x"}),
        (Inner, {"weights": {"tensor": "w"}, "name": 1}),
        (Inner, {"weights": {"tensor": "w"}, "other": 1}),
        (Inner, {"weights": {"tensor": "none"}}),
        (Inner, {"weights": {"tensor": []}}),
        (Inner, {"weights": {}}),
        (Inner, {"weights": None}),
        (NDArray[np.float32], {"tensor": "i"}),
        (NDArray[np.int64], {"tensor": "w"}),
        (NDArray[np.bool_], {"tensor": "i"}),
        (Alias[np.float32], {"tensor": "i"}),
        (Named, {"tensor": "i"}),
    ],
)
def test_data_of_another_type_is_refused(hint: Any, data: object) -> None:
    arrays: Arrays = {"w": np.zeros(2), "i": np.zeros(2, np.int64)}
    with pytest.raises(ArtefactError, match="does not fit"):
        unpack(hint, data, arrays)


@pytest.mark.parametrize("hint", [NDArray[np.float32], NDArray[Any], Alias[np.float64], Named])
def test_arrays_of_the_declared_kind_come_back_in_any_precision(hint: Any) -> None:
    arrays: Arrays = {"w": np.zeros(2, np.float16)}
    assert unpack(hint, {"tensor": "w"}, arrays) is arrays["w"]


def test_fields_are_read_although_others_name_types_for_type_checkers_only() -> None:
    assert unpack_fields(Partly, {"size": 3}, {}) == {"size": 3}
    with pytest.raises(ArtefactError, match="Thing"):
        unpack_fields(Partly, {"thing": 3}, {})


def test_what_is_no_data_cannot_be_packed() -> None:
    with pytest.raises(TypeError, match="set"):
        pack({"a": {1}}, {})
