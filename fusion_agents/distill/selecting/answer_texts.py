"""What an answer must not hold, however right it is."""

import re

from fusion_agents.distill.data.screening import reason_against
from fusion_agents.metrics.statements import without_next_questions
from fusion_agents.quarantine.characters import hides
from fusion_agents.quarantine.commands import overrides
from fusion_agents.types import LogEntry

_FORGED_TURN = re.compile(
    r"^[ \t]*(?:#{2,6} ?(?:Instruction|Response|Input|Human|User|Assistant|System)[ \t]*:"
    r"|(?:\*\*)?(?:Human|User|Assistant|System)(?:\*\*)?:)(?!:)",
    re.IGNORECASE | re.MULTILINE,
)
_REASONING = re.compile(r"</?(?:think|thinking|reasoning|scratchpad)>", re.IGNORECASE)
_FENCE = re.compile(r"^[ \t]*(?:```|~~~)", re.MULTILINE)
_ALONE = frozenset(("direct", "think"))
"""Strategies that show nothing but the question and how to go about it."""
_LEANS = re.compile(
    r"\b(?:the|this|that|these|those|first|second|third|last|previous|earlier|given|provided)\s+"
    r"(?:examples?|templates?|reference material|demonstrations?|similar (?:question|problem))"
    r"(?:\s+(?:question|problem|solution)s?)?\s+"
    r"(?:above|shown|given|provided|before|earlier|you (?:gave|provided|showed))\b"
    r"|\b(?:as|like|similar(?:ly)?)\s+(?:to|in|with)?\s*(?:the\s+)?"
    r"(?:previous|earlier|above|preceding|other)\s+(?:examples?|questions?|problems?|templates?)\b"
    r"|\breference material\b",
    re.IGNORECASE,
)

_ORDERS = re.compile(
    r"instruct|prompt|directi[ov]|guid|polic|command|orders|programming|restrict|safety|alignment"
    r"|training|rules|message|conversation|memory|\btold\b|\bsaid\b|question|query|request|user"
    r"|everything|anything|whatever|\babove\b"
)
"""What one is told to drop; a text without any of them need not be looked at closely."""


def text_problem(entry: LogEntry) -> str | None:
    """Say why nobody should learn from the text of an answer; none if nothing is against it.

    Hidden reasoning (`<think>`) is left out because chat templates treat it as no part of an
    answer. An answer that goes on to ask itself further questions, as base models with examples
    in front do, is left out whole: cut, it would be no answer of the log any more. Answers of
    strategies that show more than the question must not lean on what a student will not see.
    """
    text, question = entry.response or "", entry.query.text
    if why := reason_against(text):
        return why
    if _FORGED_TURN.search(text):
        return "holds a forged turn"
    if _REASONING.search(text):
        return "holds hidden reasoning"
    if without_next_questions(text, question) != text:
        return "goes on to ask itself"
    if len(_FENCE.findall(text)) % 2:
        return "ends within a block of code"
    if entry.arm.strategy not in _ALONE and _LEANS.search(text) and not _LEANS.search(question):
        return "leans on what was shown beside the question"
    return None


def commands_its_reader(text: str) -> bool:
    """Whether an answer holds hidden characters, or tells its reader to drop its instructions."""
    if not text.isascii() and hides(text, strict=False):
        return True
    plain = " ".join(text.casefold().split())
    return _ORDERS.search(plain) is not None and overrides(plain) is not None
