"""What tests need of the answer that they test, found out without running anything."""

import ast
import builtins
import symtable
import sys
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from fusion_agents.sandbox.parsing import parse, symbols

_BUILTINS = frozenset(dir(builtins)) | {"__name__", "__file__", "__doc__"}


class Needs(NamedTuple):
    """Names that tests use and do not define."""

    given: bool = False
    """Whether some are defined by the code that the answer continues."""
    modules: tuple[str, ...] = ()
    """Modules of the standard library."""
    remote: tuple[str, ...] = ()
    """Functions and classes of the answer."""
    one_process: str | None = None
    """Why the tests cannot run in another process than the answer."""


@lru_cache(maxsize=4096)
def needs_of(checks: str, given: str, entry_point: str) -> Needs:
    """Find what tests need.

    Args:
        checks: Source of the tests.
        given: Code that the answer continues, which may define helpers that the tests use.
        entry_point: The function that is asked for, which is the answer's in any case.

    Raises:
        SyntaxError: If the tests are no Python.
    """
    tree = parse(checks)
    unknown = unknown_names(checks, entry_point)
    helpers = unknown & defined_names(given) - {entry_point}
    uses = list(_uses(tree))
    modules = {
        name for name, use in uses if use == "attribute" and name in sys.stdlib_module_names
    } & (unknown - helpers)
    remote = unknown - helpers - modules
    odd = sorted(name for name, use in uses if name in remote and use != "call")
    why = f"the tests use {odd[0]!r} of the answer other than by calling it" if odd else None
    return Needs(bool(helpers), tuple(sorted(modules)), tuple(sorted(remote)), why)


def unknown_names(source: str, entry_point: str = "") -> frozenset[str]:
    r"""Names that a program uses and nobody has defined.

    >>> sorted(unknown_names("import math\ndef f(x): return math.pi * g(x) + len(y)"))
    ['g', 'y']

    Raises:
        SyntaxError: If it is no Python.
    """
    top = symbols(source)
    bound = {
        symbol.get_name()
        for symbol in top.get_symbols()
        if symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace()
    }
    known = _BUILTINS - {entry_point}  # some problems ask for a function named like a builtin
    return frozenset(_globals(top)) - bound - known


def _globals(table: symtable.SymbolTable) -> Iterator[str]:
    top = table.get_type() == "module"
    for symbol in table.get_symbols():
        if symbol.is_referenced() and (top or symbol.is_global()):
            yield symbol.get_name()
    for child in table.get_children():
        yield from _globals(child)


def defined_names(source: str) -> frozenset[str]:
    """Names that a program defines for itself; none if it is no Python."""
    try:
        body = parse(source).body
    except SyntaxError:
        return frozenset()
    names: set[str] = set()
    for statement in body:
        if isinstance(statement, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            names.add(statement.name)
        elif isinstance(statement, ast.Import | ast.ImportFrom):
            names.update((alias.asname or alias.name).split(".")[0] for alias in statement.names)
        else:
            stored = (node for node in ast.walk(statement) if isinstance(node, ast.Name))
            names.update(node.id for node in stored if isinstance(node.ctx, ast.Store))
    return frozenset(names)


def _uses(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Each use of a name: called, given to `check`, with an attribute, or in another way."""
    for node in ast.walk(tree):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Name) and isinstance(child.ctx, ast.Load):
                yield child.id, _use(node, child)


def _use(node: ast.AST, name: ast.Name) -> str:
    if isinstance(node, ast.Call):
        to_check = isinstance(node.func, ast.Name) and node.func.id == "check"
        return "call" if node.func is name or to_check else "argument"
    return "attribute" if isinstance(node, ast.Attribute) else "other"
