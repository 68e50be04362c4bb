"""How many threads the matrix library may use."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import scipy.linalg  # noqa: F401  so that its matrix library is loaded and found
from threadpoolctl import ThreadpoolController


@contextmanager
def one_thread() -> Iterator[None]:
    """Multiply matrices in one thread meanwhile.

    The matrices here are small. Threads of a matrix library wait for each other longer than they
    work on them: on a busy machine with two cores, a fit took 62 seconds in place of 5.
    """
    with _libraries().limit(limits=1, user_api="blas"):
        yield


@cache
def _libraries() -> ThreadpoolController:
    """Those of numpy and scipy; looking for them takes milliseconds, limiting them does not."""
    return ThreadpoolController()
