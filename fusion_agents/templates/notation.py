"""How questions are written down: a trait that vectors of their words weigh too little."""

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_READ = 4_000
_WEIGHT = 0.5
_FORMULA = re.compile(
    r"(?<!\\)\$(?!\s)(?:\\.|[^$\\\n]){1,200}(?<!\s)\$(?!\d)"  # as Pandoc tells prices from formulas
    r"|\\[(\[]|\\(?:begin|boxed|frac|sqrt)\b"
)


def has_formulas(text: str) -> bool:
    r"""Tell whether a text sets formulas in TeX; its first 4,000 characters are read.

    >>> has_formulas(r"Find $x$ if $\$5$ buys $x$."), has_formulas("Tea is $5, cake is $6.")
    (True, False)
    """
    return _FORMULA.search(text[:_READ]) is not None


def notation(texts: Sequence[str]) -> NDArray[np.float32]:
    """Describe how each text is written, to stand beside its unit vector, shape (n_texts, 1)."""
    return np.array([[_WEIGHT * has_formulas(text)] for text in texts], np.float32).reshape(-1, 1)
