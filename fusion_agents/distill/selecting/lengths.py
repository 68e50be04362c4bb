"""How long answers may be, and which of equals is preferred for its length: never the longest."""

from collections.abc import Sequence
from math import exp, inf, log
from statistics import median

from fusion_agents.distill.selecting.options import SelectionOptions

_ENOUGH = 20
"""Answers of a task from which on some of them may be outliers."""
_TO_DEVIATION = 1.4826
"""Standard deviation of a normal distribution over its median absolute deviation."""
_LEAST_DEVIATION = 0.37
"""Of the logarithm: where all answers are alike, longer by a half is no outlier yet."""


def too_long(question: str, answer: str, options: SelectionOptions) -> bool:
    """Whether an answer is longer than the options allow."""
    if options.max_characters is not None and len(answer) > options.max_characters:
        return True
    return options.max_tokens is not None and tokens(question, answer) > options.max_tokens


def tokens(*texts: str) -> int:
    """About how many tokens texts have: three bytes each, to be on the safe side.

    >>> tokens("What is 2 + 2?", "Four.")
    7
    """
    return sum(-(-len(text.encode("utf-8", "replace")) // 3) for text in texts)


def longest_usual(characters: Sequence[int], deviations: float | None) -> float:
    """From where on an answer of a task is unusually long, in characters; infinite for few.

    The median of the logarithms, and so many of their robust standard deviations (from the median
    absolute deviation; Iglewicz and Hoaglin, "How to Detect and Handle Outliers", 1993) above it.

    >>> round(longest_usual([100] * 50, 3.5))
    365
    """
    if deviations is None or len(characters) < _ENOUGH:
        return inf
    logs = [log(max(1, one)) for one in characters]
    middle = median(logs)
    spread = median([abs(one - middle) for one in logs])
    return exp(middle + deviations * max(_TO_DEVIATION * spread, _LEAST_DEVIATION) + 1e-9)


def strangeness(characters: int, usual: float) -> float:
    """How far an answer is from the usual length: 0 at it, and twice as fast above it as below.

    >>> strangeness(100, 100.0), strangeness(200, 100.0) > strangeness(50, 100.0)
    (0.0, True)
    """
    distance = log(max(1, characters) / max(1.0, usual))
    return 2 * distance if distance > 0 else abs(distance)
