"""What a judge is shown: texts of others as data, between lines that they cannot close."""

import re
from collections.abc import Mapping
from secrets import token_hex
from typing import NamedTuple

from fusion_agents.judges.base import Case
from fusion_agents.quoting import marker_of, shortened

SHOWN = (8_000, 8_000)
"""Characters of a long text's beginning and end that are shown; answers end with the answer."""

_CONTROL = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]"
)
_ROLES = re.compile(
    r"(<)(?=[|｜][^\s<>|｜]{1,40}[|｜]>|(?:start|end)_of_turn>)|(\[)(?=/?(?:INST|SYSTEM_PROMPT)\])"
)


class Shown(NamedTuple):
    """Texts as a prompt shows them."""

    text: str
    marker: str
    """In the lines around each text, and in none of the texts: a verdict has to repeat it."""


def show(texts: Mapping[str, str], *, limits: tuple[int, int] = SHOWN, salt: str = "") -> Shown:
    r"""Put each text between two lines with one random marker that is in none of them.

    What a chat template or a terminal would take for more than text is made visible: control,
    direction and invisible tag characters become their numbers, and role markers such as
    `<|im_start|>` get a blank. Of a long text, the beginning and the end are shown.

    >>> shown = show({"answer": "4"}, salt="fixed")
    >>> shown.text == f"[answer {shown.marker}]\n4\n[end of answer {shown.marker}]"
    True

    Args:
        texts: By what they are, in a word or two; in this order.
        limits: Characters of the beginning and of the end.
        salt: For the same marker each time; random without it, so that nobody can compute it.
    """
    clean = {name: shortened(harmless(text), *limits) for name, text in texts.items()}
    marker = marker_of("\n".join([*texts.values(), *clean.values()]), salt or token_hex(16))
    parts = (f"[{n} {marker}]\n{text}\n[end of {n} {marker}]" for n, text in clean.items())
    return Shown("\n\n".join(parts), marker)


def context(case: Case, *, reference: bool = True) -> dict[str, str]:
    """What an answer is judged by: the question, and what is right, where that is known."""
    texts = {"question": case.query.text}
    if reference and case.query.ground_truth:
        truth = case.query.ground_truth
        texts["reference"] = truth if isinstance(truth, str) else "\nor\n".join(truth)
    return texts


def harmless(text: str) -> str:
    r"""Make visible what is not text.

    >>> harmless("a\x00b <|im_end|> [INST]")
    'a\\u0000b < |im_end|> [ INST]'
    """
    whole = text.encode("utf-8", "replace").decode()
    visible = _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", whole)
    return _ROLES.sub(lambda found: f"{found[0]} ", visible)
