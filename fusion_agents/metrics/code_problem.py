"""What the metric `code` needs to know of a programming problem, as one JSON string."""

import ast
import re
from typing import Literal, Self

from pydantic import model_validator

from fusion_agents.errors import DataError
from fusion_agents.sandbox.parsing import parse
from fusion_agents.types import Noun, Query

_DEFINED = re.compile(r"^(?:async )?def (\w+)", re.MULTILINE)
_AROUND = frozenset(
    [
        "abs",
        "all",
        "any",
        "bool",
        "dict",
        "float",
        "frozenset",
        "int",
        "isclose",
        "isinstance",
        "len",
        "list",
        "max",
        "min",
        "not",
        "round",
        "set",
        "sorted",
        "str",
        "sum",
        "tuple",
        "Counter",
    ]
)
"""What tests wrap around the call that they are about."""


class CodeProblem(Noun):
    """A programming problem with its tests.

    Kept in `Query.ground_truth` as `problem.model_dump_json()`.

    >>> problem = CodeProblem(kind="mbpp", tests=("assert add(1, 2) == 3",))
    >>> problem.name, CodeProblem.model_validate_json(problem.model_dump_json()) == problem
    ('add', True)
    """

    kind: Literal["humaneval", "mbpp"]
    """`humaneval`: complete the function of `prompt`, tested by `test`, which defines
    `check(candidate)`. `mbpp`: write a function, tested by the statements in `tests`."""
    prompt: str = ""
    """Code that the answer continues: imports, helpers, signature and docstring."""
    entry_point: str = ""
    """Name of the function that is asked for; read out of prompt or tests where empty."""
    test: str = ""
    """Source of the tests of a `humaneval` problem; defines `check(candidate)`."""
    tests: tuple[str, ...] = ()
    """Tests of an `mbpp` problem: one or more statements each, all of which must hold."""
    setup: str = ""
    """Code that runs before the tests and after the answer."""

    @model_validator(mode="after")
    def _has_tests(self) -> Self:
        if not (self.test if self.kind == "humaneval" else self.tests):
            raise ValueError(f"a problem of the kind {self.kind!r} needs tests")
        return self

    @property
    def name(self) -> str:
        """The function that is asked for, empty if that cannot be told."""
        if self.entry_point:
            return self.entry_point
        if self.prompt:
            return next(iter(reversed(_DEFINED.findall(self.prompt))), "")
        called = [name for test in self.tests for name in _called(test)]
        return next((name for name in called if name not in _AROUND), (called or [""])[0])

    @property
    def checks(self) -> str:
        """Source of the tests, which calls the function by its name."""
        if self.kind == "humaneval":
            return f"{self.setup}\n{self.test}\n\ncheck({self.name})\n"
        return "\n".join((self.setup, *self.tests)).replace("\r\n", "\n") + "\n"

    @classmethod
    def of(cls, query: Query) -> Self:
        """Read the problem of a query.

        Besides the JSON string of a problem this reads what published logs hold: the source of
        `check(candidate)`, where the query's text is the prompt, or a list of assertions.

        Raises:
            DataError: If the ground truth is neither.
        """
        truth = query.ground_truth
        try:
            given = dict.fromkeys(truth if isinstance(truth, tuple) else (truth or "",))
            if len(given) != 1:
                return cls(kind="mbpp", tests=tuple(map(_tested, given)))
            (text,) = given
            return cls._of_text(text, query.text)
        except (ValueError, SyntaxError, TypeError) as error:
            raise DataError(
                f"query {query.id!r} has no tests: its ground truth must be a CodeProblem in JSON, "
                f"a list of assertions or the source of check(candidate)"
            ) from error

    @classmethod
    def _of_text(cls, truth: str, prompt: str) -> Self:
        if truth.lstrip().startswith("{"):
            return cls.model_validate_json(truth)
        if re.search(r"^def check\(", truth, re.MULTILINE):
            return cls(kind="humaneval", prompt=prompt, test=truth)
        if truth.lstrip().startswith("assert"):
            return cls(kind="mbpp", tests=(truth,))
        return cls(kind="mbpp", tests=tuple(_assertions(truth)))


def _called(test: str) -> list[str]:
    try:
        tree = parse(test)
    except SyntaxError:
        return []
    names = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    found = [name for name in names if isinstance(name, ast.Name)]
    return [name.id for name in sorted(found, key=lambda name: (name.lineno, name.col_offset))]


def _tested(test: str) -> str:
    """A test as it is: anything else would hold for every answer."""
    if not any(isinstance(node, ast.Assert) for node in ast.walk(parse(test))):
        raise ValueError("a test that asserts nothing")
    return test


def _assertions(text: str) -> list[str]:
    tests = ast.literal_eval(text)
    if not tests or not all(isinstance(test, str) for test in tests):
        raise ValueError("not a list of assertions")
    return list(map(_tested, tests))
