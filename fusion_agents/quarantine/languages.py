"""Orders to ignore one's instructions, in other languages than English."""

import re
from functools import cache
from typing import NamedTuple

from fusion_agents.quarantine.disguises import folded
from fusion_agents.quarantine.rules import lines

_LAST_SPACED = "\u058f"
"""Scripts up to here (Latin, Greek, Cyrillic, Armenian) have spaces, and words grow at the end."""
_SHORT = 3


def _any(words: str) -> str:
    """Any of the words: the beginning of one, or, where words have ends, all of a short one."""
    return "|".join(map(_one, folded(words).split()))


def _one(word: str) -> str:
    if word[0] > _LAST_SPACED:
        return re.escape(word)
    return rf"\b{re.escape(word)}" + (r"\b" if len(word) <= _SHORT else "")


class _Language(NamedTuple):
    verbs: tuple[str, ...]
    objects: tuple[str, ...]
    rule: re.Pattern[str]

    def may_be_in(self, reading: str) -> bool:
        return any(w in reading for w in self.verbs) and any(w in reading for w in self.objects)


def _language(verbs: str, objects: str) -> _Language:
    verb, thing = _any(verbs), _any(objects)
    rule = f"(?:{verb})[^.!?。]{{0,50}}(?:{thing})|(?:{thing})[^.!?。]{{0,25}}(?:{verb})"
    return _Language(tuple(folded(verbs).split()), tuple(folded(objects).split()), re.compile(rule))


@cache
def _languages() -> tuple[list[_Language], re.Pattern[str]]:
    """What each language says, and the words for what came earlier."""
    *spoken, earlier = (line.split(" | ") for line in lines("languages"))
    return [_language(*words) for words in spoken], re.compile(_any(earlier[1]))


_AROUND = 25
_WHY = "it tells the reader to drop its instructions"


def overrides(reading: str) -> str | None:
    """Say that a folded text tells its reader, in another language, to drop its orders."""
    languages, earlier = _languages()
    for language in languages:
        if language.may_be_in(reading):
            for found in language.rule.finditer(reading):
                around = reading[max(0, found.start() - _AROUND) : found.end() + _AROUND]
                if earlier.search(around):
                    return _WHY
    return None
