"""What somebody says who would command the reader of a text, not explain a problem.

Patterns are searched in folded text: lower case, no accents, single spaces.
"""

import re

from fusion_agents.quarantine.rules import first_why, of_kind, rules

_TOO_MUCH = 3
_TOO_MUCH_TO_ASK = 5
"""Users may ask about conversations and secrets, too."""
_SENTENCES = re.compile(r"[.!?;] ")
_STEMS = (
    "ignor disregard forget overrid bypass supersed overrul overwrit aside pay+no no+longer "
    "follow obey heed compl adher listen unlearn let bound move+past turn nullif void cancel "
    "suspend revok lifted obsolete replac withdrawn rescind discard abandon neglect drop erase "
    "delet wipe skip violat break scrap throw reset clear expired lapsed mistake outdated "
    "invalid does+not do+not outrank precedence trump than any+more any+longer for+you now appl "
    "memory never "
)
_DROPPING = tuple(stem.replace("+", " ") for stem in _STEMS.split())


def overrides(reading: str) -> str | None:
    """Say that a folded text tells its reader in English to drop its orders, or nothing."""
    if not any(stem in reading for stem in _DROPPING):
        return None
    return first_why(reading, of_kind(rules("commands"), "override"))


def commands(reading: str, *, strict: bool) -> str | None:
    """Say what a folded text commands its reader, or nothing.

    Args:
        reading: Folded.
        strict: Whether it is a template, which is about a problem, or a question, which may be
            about anything.
    """
    kinds = ("say", "hint") if strict else ("say",)
    return overrides(reading) or first_why(reading, of_kind(rules("commands"), *kinds))


def talks_of_itself(reading: str, *, strict: bool) -> bool:
    """Whether a sentence talks of conversation, orders and secrets more than of a problem."""
    most = _TOO_MUCH if strict else _TOO_MUCH_TO_ASK
    return any(_weight(sentence) >= most for sentence in _SENTENCES.split(reading))


def _weight(sentence: str) -> int:
    cues = of_kind(rules("commands"), "cue")
    return sum(int(cue.why) for cue in cues if cue.pattern.search(sentence))
