"""The words that a response gives as its answer."""

import re

from fusion_agents.metrics.statements import stated_answers

_SHORT = (
    *("prof", "capt", "gen", "sgt", "col", "maj", "rev", "gov", "sen", "rep", "mrs", "vol", "fig"),
    *("jan", "feb", "mar", "apr", "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec"),
)
"""Abbreviations that begin a name or a date."""
_WHOLE = "".join(rf"(?<!\b(?i:{short}))" for short in _SHORT)
_CLAUSE = re.compile(
    rf"(?<=[^\W\d_]{{3}}){_WHOLE}[*_`)\"']*[.!?](?=\s)|[!?](?=\s)|(?<=\d)\.(?=\s)|\s(?:because|since)\s"
)
_WRAPPED = re.compile(r"\\(?:boxed|text(?:bf|it|rm)?|math(?:rm|bf|it)|fbox)\s*\{([^{}]*)\}")


def stated_text(text: str) -> str:
    r"""Read the last stated answer, or the whole text where none is stated.

    >>> stated_text("It lies in France. The answer is **Paris**. I am sure."), stated_text("Paris")
    ('Paris', 'Paris')
    """
    for statement in reversed(stated_answers(text)):
        said = _WRAPPED.sub(r"\1", statement.text)
        if statement.kind == "phrase":
            said = _CLAUSE.split(said, maxsplit=1)[0]
        said = said.strip(" \t\r\n*_`$:.")
        if said:
            return said
    return text.strip()
