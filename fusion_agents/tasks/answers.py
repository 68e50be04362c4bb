"""Answers in words, of which several may be right."""

from collections.abc import Iterable


def distinct(answers: Iterable[str | None]) -> tuple[str, ...]:
    """Keep every answer that is not blank, once, in the order given.

    >>> distinct(["Oslo", " Oslo ", "", None, "oslo", "Kristiania"])
    ('Oslo', 'oslo', 'Kristiania')
    """
    return tuple(dict.fromkeys(one.strip() for one in answers if one and one.strip()))
