"""Yes and no, true and false: read from what is stated, never from a word inside a sentence."""

import re
from collections.abc import Iterable

from fusion_agents.metrics.normalising import normalised
from fusion_agents.metrics.statements import stated_answers

_MEANS = {"yes": True, "true": True, "no": False, "false": False}
_SAID = re.compile(
    r"[\s*_`\"'“”‘’#>:=(\[$]*(?:\\(?:text|boxed|mathrm)\s*\{)?"
    r"(?:(?:clearly|definitely|simply|therefore|thus|probably|most likely),?\s+)?"
    r"(yes|no|true|false)\b(?!\s*(?:or|/|and|one|longer|more)\b|\s*/)"
    r"(?!\s+(?:idea|clue|info\w*|answer|comment|way|doubt|evidence|mention|data|opinion|such|need"
    r"|problem|matter|question|other|single|amount|context|details?|conclusion|reason)\b)",
    re.I,
)


def boolean_of(golds: Iterable[str]) -> bool | None:
    """Tell whether the right answers are a yes (or true) or a no; none if they are neither.

    >>> boolean_of(["True"]), boolean_of(["No", "false"]), boolean_of(["Paris"])
    (True, False, None)
    """
    found = {_MEANS.get(normalised(gold)) for gold in golds}
    return found.pop() if len(found) == 1 else None


def read_boolean(text: str) -> bool | None:
    """Read a stated yes or no; none where there is none.

    The last stated answer counts; without one, the first word, or a last line that is nothing
    else.

    >>> read_boolean("Yes, it did."), read_boolean("It is true that some say no.")
    (True, None)
    """
    for statement in reversed(stated_answers(text)):
        if found := _SAID.match(statement.text):
            return _MEANS[found[1].lower()]
    if found := _SAID.match(text):
        return _MEANS[found[1].lower()]
    return _MEANS.get(normalised(text.rstrip()[-100:].rpartition("\n")[2]))
