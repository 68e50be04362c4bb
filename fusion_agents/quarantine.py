"""Whether a thought template looks like an attempt to command whoever reads it."""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fusion_agents.types import ThoughtTemplate

_RULES = (
    ("it tells the reader to ignore instructions",
     r"(?i)\b(ignore|disregard|forget)\b[^.]{0,40}\b(previous|prior|above|earlier|all)\b[^.]{0,40}"
     r"\b(instructions?|prompts?|rules?|messages?)\b"),
    ("it plays a role", r"(?im)^\s*(system|assistant|user|developer)\s*:|<\|[a-z_]+\|>"),
    ("it closes a quotation", r"\[end of [a-z ]+ [0-9a-f]{12}\]"),
    (
        "it holds hidden characters",
        "[\u200b-\u200f\u202a-\u202e\u2060-\u2069\U000e0000-\U000e007f]",
    ),
    ("it holds a link", r"(?i)https?://|!\[[^\]]*\]\("),
)  # fmt: skip


def suspicion(template: "ThoughtTemplate") -> str | None:
    """Say why a template should not be shown to a model, or nothing.

    >>> from fusion_agents.types import ThoughtTemplate
    >>> suspicion(ThoughtTemplate(problem="Add the numbers.", question="2 + 2?", query_id="a"))
    """
    text = f"{template.text}\n{template.question}"
    return next((why for why, rule in _RULES if re.search(rule, text)), None)
