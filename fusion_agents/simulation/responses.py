"""What simulated models write, and how it is scored: from the text alone."""

import re

import numpy as np

from fusion_agents.simulation.drawing import pick
from fusion_agents.simulation.questions import Question
from fusion_agents.simulation.triage import DESKS

_ANSWER = re.compile(r"(?i)\banswer:\s*(.+)\s*\Z")
_STARTS = ("Let me go step by step.", "First, what is asked?", "I will check each part in turn.")
_TERSE = 0.3
"""Share of direct responses that are nothing but the answer."""
_INTEGER = re.compile(r"-?\d+")
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_OPPOSITES = {"yes": "no", "no": "yes", "true": "false", "false": "true"}


def write_response(
    question: Question, *, right: bool, thinks: bool, rng: np.random.Generator
) -> str:
    """Write the answer, or a plausible wrong one, the way a chat model would."""
    answer = question.answer if right else wrong_answer(question, rng)
    if not thinks and rng.random() < _TERSE:
        return pick(rng, ("{}", "**{}**")).format(answer)
    start = pick(rng, _STARTS)
    about = f"This is a question about {question.family}, so I look at what is given and at what "
    return f"{start} {about}follows from it, and write only the result.\nAnswer: {answer}"


def wrong_answer(question: Question, rng: np.random.Generator) -> str:
    """An answer of the right kind that is not the right one."""
    right = question.answer
    if right in _OPPOSITES:
        return _OPPOSITES[right]
    for kind in (_WEEKDAYS, DESKS):
        if right in kind:
            return pick(rng, [other for other in kind if other != right])
    numbers = list(_INTEGER.finditer(right))
    if numbers:
        last = numbers[-1]
        slip = pick(rng, (-10, -2, -1, 1, 2, 10))
        changed = abs(int(last.group()) + slip) or 7
        wrong = f"{right[: last.start()]}{changed:0{len(last.group())}d}{right[last.end() :]}"
        return wrong if wrong != right else f"{right}1"
    words = {word.strip(".,?:;'\"") for word in question.text.split()}
    if right in words:
        others = {word for word in words if word.isalpha() and word.istitle() == right.istitle()}
        return pick(rng, sorted(others - {right}))
    if len(set(right)) > 1:
        return right[1:] + right[0] if right[1:] + right[0] != right else right[:-1]
    return pick(rng, [letter for letter in "aeiost" if letter != right])


def exact_match(response: str, answer: str) -> float:
    r"""1 if the response's final answer is the answer, give or take case and decoration.

    The final answer is what follows the last `Answer:`, or else the whole response.

    >>> exact_match("Let me see.\nAnswer: Paris.", "paris"), exact_match("12", "21")
    (1.0, 0.0)
    """
    found = _ANSWER.search(response)
    final = found.group(1) if found else response
    return float(_plain(final) == _plain(answer))


def _plain(text: str) -> str:
    return text.strip().strip("*`'\" ").rstrip(".").casefold()
