"""Reading Python without running it, and without its warnings about unknown text."""

import ast
import threading
import warnings

_lock = threading.Lock()
"""Filters of warnings belong to the whole process."""


def parse(source: str) -> ast.Module:
    """Parse a program.

    Raises:
        SyntaxError: If it is none.
    """
    try:
        with _lock, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(source)
    except (ValueError, RecursionError, MemoryError) as error:
        raise SyntaxError(str(error) or "too deeply nested") from None
