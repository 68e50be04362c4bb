"""Whether what a summariser wrote is a template: short, general, in the question's language."""

import re
import unicodedata
from collections import Counter
from itertools import takewhile

from fusion_agents.quarantine import suspicion
from fusion_agents.templates.leaks import Source, all_runs, find_leak, runs_of, words_of
from fusion_agents.templates.summarizing import Draft
from fusion_agents.types import ThoughtTemplate

_SENTENCES = 5
_PART = 2
"""Sentences of the first and of the last part, at most."""
_CHARACTERS = 1_500
_LONGEST = 80
"""Words of a sentence, at most."""

_END = re.compile(r"[.!?…]+[\"'”’)\]]*(?=\s|$)|[。！？]+[」』”]*|\n+")
_SHORT = re.compile(r"(?i)\b(?:e\.g|i\.e|etc|cf|vs|approx|resp|z\.b|d\.h|no|eq|fig)\.")
_LIST = re.compile(r"(?:^|\s)(?:[*•]\s|#{1,6}\s)|(?:^|\s)1[.)]\s.*\s2[.)]\s|```|\|.*\|")
_ABOUT_ITSELF = re.compile(
    r"(?i)\bas an ai\b|\bhere (?:is|are) (?:the|a|your)\b|"
    r"\b(?:the|these|those|both|all|given|provided) (?:right |wrong |shown |given |provided )?"
    r"solutions? (?:shown|given|provided|above|all|both)\b|\b(?:the )?(?:above|provided|shown) "
    r"(?:question|solutions?|answers?)\b|\bthis template\b|\bthe template\b|\bsolution \d\b"
)
_COPIED_RUN = 5
_COPIED = 0.4
"""Share of its runs of five words that a template may have from question and answers."""
_FEW_LETTERS = 6
_EASTERN = "CJK"
_IDEOGRAPH = 3
"""Letters that an ideograph is worth."""


def check(draft: Draft, source: Source, *, max_reasoning: int = 3) -> str | None:
    """Say why a draft is no template; none if it is one.

    The reason is made for the summariser: it never repeats the answer.

    >>> draft = Draft("Counting in steps: add them up.", "Add what is sold each month.", "")
    >>> check(draft, Source("She sold 48 clips in April, and half as many in May.", ("72",)))

    Args:
        draft: What was written.
        source: What it must not give away.
        max_reasoning: Sentences of the chain of reasoning.
    """
    text = " ".join(filter(None, draft))
    return (
        _check_form(text)
        or _check_length(draft, max_reasoning)
        or find_leak(text, source)
        or _check_script(text, source.question)
        or _check_copy(text, source)
        or _check_advice(draft, source.question)
    )


def count_sentences(text: str) -> int:
    """Count sentences; an abbreviation does not end one.

    >>> count_sentences("Add them, e.g. from left to right. Then 3.5 is left")
    2
    """
    plain = _SHORT.sub(lambda found: found[0].replace(".", ""), text.strip())
    return sum(1 for sentence in _END.split(plain) if words_of(sentence))


def _check_length(draft: Draft, max_reasoning: int) -> str | None:
    counts = [count_sentences(part) for part in draft]
    if not counts[0]:
        return "it does not say what kind of problem it is"
    if counts[1] > max_reasoning:
        return f"its reasoning has more than {max_reasoning} sentence{'s'[: max_reasoning > 1]}"
    if max(counts[0], counts[2]) > _PART or sum(counts) > _SENTENCES:
        return f"it has more than {_SENTENCES} sentences"
    longest = max(len(words_of(one)) for part in draft for one in _END.split(part))
    if longest > _LONGEST or sum(map(len, draft)) > _CHARACTERS:
        return "it is too long"
    return None


def _check_form(text: str) -> str | None:
    if _LIST.search(text):
        return "it has a list, a table or code in it"
    return "it speaks of the solutions or of itself" if _ABOUT_ITSELF.search(text) else None


def _check_advice(draft: Draft, question: str) -> str | None:
    template = ThoughtTemplate(**draft._asdict(), question=question, query_id="draft")
    suspicious = suspicion(template)
    return f"it is more than advice: {suspicious}" if suspicious else None


def _check_script(text: str, question: str) -> str | None:
    asked, said = script_of(question), script_of(text)
    if asked and said and asked != said:
        return "it is not written in the language of the question"
    return None


def script_of(text: str) -> str | None:
    """The script of most letters of a text, such as `LATIN`; none if it has hardly any.

    >>> script_of("Сколько будет?"), script_of("2 + 2 = ?")
    ('CYRILLIC', None)
    """
    scripts: Counter[str] = Counter()
    for letter in filter(str.isalpha, text):
        script = "".join(takewhile(lambda c: c not in " -", unicodedata.name(letter, "")))
        if script in ("CJK", "HIRAGANA", "KATAKANA"):
            scripts[_EASTERN] += _IDEOGRAPH
        else:
            scripts[script] += 1
    if scripts.total() < _FEW_LETTERS:
        return None
    return scripts.most_common(1)[0][0]


def _check_copy(text: str, source: Source) -> str | None:
    own = runs_of(words_of(text), _COPIED_RUN)
    if not own:
        return None
    shared = own & all_runs((source.question, *source.answers), _COPIED_RUN)
    return "it copies the question or a solution" if len(shared) > _COPIED * len(own) else None
