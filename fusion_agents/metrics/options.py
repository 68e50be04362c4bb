"""The options of a multiple-choice question, as they stand in its text."""

import re
from functools import lru_cache

from fusion_agents.metrics.normalising import normalised

_OPTION = re.compile(r"^[ \t*]{0,4}[(\[]?([A-Z]|\d{1,2})[)\].:][*]{0,2}[ \t]+(\S[^\n]*)", re.M)
_INLINE = re.compile(r"(?<!\w)\(([A-Z])\)[ \t]+([^\n()]+)")


@lru_cache(maxsize=1024)
def read_options(question: str) -> dict[str, str]:
    r"""Map the labels of the options to their texts, normalised; empty where none are found.

    Labels run from A, 0 or 1; where several runs are found (examples, a numbered passage), the
    last one counts.

    >>> read_options("Which is a colour?\nA) Blue\nB) Loud")
    {'A': 'blue', 'B': 'loud'}
    """
    for pattern in (_OPTION, _INLINE):
        run: dict[str, str] = {}
        for label, text in pattern.findall(question):
            if label in ("A", "1", "0") and not (label == "1" and run.keys() == {"0"}):
                run = {}
            elif not run or label != _next(list(run)[-1]):
                continue
            run[label] = normalised(text)
        if len(run) >= 2:
            return run
    return {}


def _next(label: str) -> str:
    return str(int(label) + 1) if label.isdigit() else chr(ord(label) + 1)
