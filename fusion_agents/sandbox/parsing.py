"""Reading Python without running it, and without its warnings about unknown text."""

import ast
import symtable
import threading
import warnings
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_lock = threading.Lock()
"""Filters of warnings belong to the whole process."""


def parse(source: str) -> ast.Module:
    """Parse a program.

    Raises:
        SyntaxError: If it is none.
    """
    return _quietly(ast.parse, source)


def symbols(source: str) -> symtable.SymbolTable:
    """Find a program's names and where they are bound.

    Raises:
        SyntaxError: If it is none.
    """
    return _quietly(lambda text: symtable.symtable(text, "program.py", "exec"), source)


def _quietly(read: Callable[[str], T], source: str) -> T:
    try:
        with _lock, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return read(source)
    except (ValueError, RecursionError, MemoryError) as error:
        raise SyntaxError(str(error) or "too deeply nested") from None
