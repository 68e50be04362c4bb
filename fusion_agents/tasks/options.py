"""Questions with options to choose from."""

from collections.abc import Sequence

from fusion_agents.tasks.base import Question

INSTRUCTION = 'Choose one option and end with the line "Answer: X", X being its letter.'
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def with_options(text: str, options: Sequence[str], right: int, gist: str = "") -> Question:
    """Put a question with lettered options; `right` counts from 0.

    >>> print(with_options("Which is a fruit?", ["slate", "plum"], 1).text)
    Which is a fruit?
    (A) slate
    (B) plum

    Raises:
        ValueError: If there are fewer than two options, or the right one is none of them.
    """
    if not 2 <= len(options) <= len(_LETTERS) or not 0 <= right < len(options):
        raise ValueError(f"option {right} of {len(options)}")
    lines = [f"({letter}) {one.strip()}" for letter, one in zip(_LETTERS, options, strict=False)]
    return Question("\n".join([text.strip(), *lines]), _LETTERS[right], gist)


def with_labels(text: str, choices: dict[str, list[str]], key: str) -> Question | None:
    """Put a question whose options carry labels (`A` or `1`); none without a right one.

    Labels become letters by their place, so that digits among them cannot be taken for options.
    """
    if not key.strip():
        return None
    return with_options(text, choices["text"], choices["label"].index(key))
