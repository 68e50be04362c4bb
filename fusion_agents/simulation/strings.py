"""Questions about letters and words."""

import numpy as np

from fusion_agents.simulation.drawing import WORDS, Draft, between, pick, pick_some


def _word(rng: np.random.Generator) -> str:
    return "".join(pick_some(rng, WORDS, between(rng, 1, 2)))


def reversals(rng: np.random.Generator) -> Draft:
    """A word backwards."""
    word = _word(rng)
    texts = (
        f"Spell {word!r} backwards.",
        f"Reverse the string {word!r}.",
        f"What does {word!r} read from right to left?",
    )
    return Draft(pick(rng, texts), word[::-1], len(word) / 20)


def letter_counts(rng: np.random.Generator) -> Draft:
    """How often a letter occurs."""
    words = " ".join(pick_some(rng, WORDS, between(rng, 1, 5)))
    letter = pick(rng, sorted(set(words) - {" "}))
    texts = (
        f"How often does the letter {letter!r} occur in {words!r}?",
        f"Count every {letter!r} in the phrase {words!r}.",
        f"In {words!r}, how many characters equal {letter!r}?",
    )
    return Draft(pick(rng, texts), str(words.count(letter)), 0.3 + len(words) / 60)


def positions(rng: np.random.Generator) -> Draft:
    """The letter at a position."""
    word = _word(rng)
    place = between(rng, 1, len(word))
    texts = (
        f"Which letter is number {place} in {word!r}, counted from 1?",
        f"Name the character at position {place} (the first is 1) of {word!r}.",
    )
    return Draft(pick(rng, texts), word[place - 1], place / 18)


def removals(rng: np.random.Generator) -> Draft:
    """A phrase without its vowels."""
    words = " ".join(pick_some(rng, WORDS, between(rng, 1, 4)))
    texts = (
        f"Delete all vowels (a, e, i, o, u) from {words!r} and keep the spaces.",
        f"Write {words!r} without a, e, i, o and u; spaces stay.",
    )
    answer = "".join(c for c in words if c not in "aeiou")
    return Draft(pick(rng, texts), answer, len(words) / 40)


def orders(rng: np.random.Generator) -> Draft:
    """Words in alphabetical order."""
    words = pick_some(rng, WORDS, between(rng, 3, 7))
    listed = ", ".join(words)
    texts = (
        f"Which of these comes first in a dictionary: {listed}?",
        f"Sort alphabetically and give only the first word: {listed}.",
    )
    return Draft(pick(rng, texts), min(words), len(words) / 12)


def initials(rng: np.random.Generator) -> Draft:
    """The first letters of several words."""
    words = pick_some(rng, WORDS, between(rng, 3, 8))
    phrase = " ".join(words)
    texts = (
        f"Join the first letters of {phrase!r} into one lower-case string.",
        f"Which acronym (lower case) do the words {phrase!r} form?",
    )
    return Draft(pick(rng, texts), "".join(word[0] for word in words), len(words) / 14)


KINDS = (reversals, letter_counts, positions, removals, orders, initials)
