"""Questions about sums, products, remainders and percentages."""

import math
from collections.abc import Callable

import numpy as np

from fusion_agents.simulation.drawing import NAMES, THINGS, Draft, between, pick, pick_some


def sums(rng: np.random.Generator) -> Draft:
    """Add and subtract a few numbers."""
    count, digits = between(rng, 2, 6), between(rng, 2, 4)
    terms = [between(rng, 10 ** (digits - 1), 10**digits - 1) for _ in range(count)]
    signs = [1, *(pick(rng, (1, 1, -1)) for _ in terms[1:])]
    parts = [f"{'+' if sign > 0 else '-'} {t}" for sign, t in zip(signs, terms, strict=True)]
    sum_text = " ".join(parts)[2:]
    text = pick(rng, ("What is {}?", "Compute {}.", "{} = ?", "Evaluate {} exactly."))
    total = sum(sign * t for sign, t in zip(signs, terms, strict=True))
    return Draft(text.format(sum_text), str(total), (count * digits - 4) / 20)


def products(rng: np.random.Generator) -> Draft:
    """Multiply two numbers, perhaps in a story."""
    a, b = between(rng, 3, 999), between(rng, 12, 99)
    thing, name = pick(rng, THINGS), pick(rng, NAMES)
    texts = (
        f"Multiply {a} by {b}.",
        f"What is {a} times {b}?",
        f"{name} stacks {a} boxes with {b} {thing} each. How many {thing} is that?",
        f"A theatre has {a} rows of {b} seats. How many people can sit?",
        f"One crate holds {b} {thing}. How many are in {a} full crates?",
    )
    return Draft(pick(rng, texts), str(a * b), math.log10(a * b) / 5)


def remainders(rng: np.random.Generator) -> Draft:
    """What is left over after dividing."""
    a, b = between(rng, 100, 99_999), between(rng, 3, 29)
    thing = pick(rng, THINGS)
    texts = (
        f"What remains when {a} is divided by {b}?",
        f"{a} mod {b}?",
        f"{a} {thing} are shared out equally among {b} children. How many are left over?",
        f"Give the remainder of {a} / {b}.",
    )
    return Draft(pick(rng, texts), str(a % b), math.log10(a * b) / 6.5)


def percentages(rng: np.random.Generator) -> Draft:
    """A share of an amount."""
    share, amount = between(rng, 1, 19) * 5, between(rng, 2, 450) * 20
    name, city = pick(rng, NAMES), pick(rng, ("Lagos", "Lima", "Oslo", "Pune", "Quito"))
    texts = (
        f"What is {share}% of {amount}?",
        f"{name} saves {share} percent of a salary of {amount}. How much is saved?",
        f"Of {amount} voters in {city}, {share} % voted yes. How many voted yes?",
        f"Take {share} per cent of {amount}.",
    )
    return Draft(pick(rng, texts), str(share * amount // 100), 0.3 + amount / 20_000)


def stories(rng: np.random.Generator) -> Draft:
    """Several steps told as a story."""
    (a, b), thing = pick_some(rng, NAMES, 2), pick(rng, THINGS)
    start, factor = between(rng, 12, 95), between(rng, 2, 9)
    given, bought = between(rng, 1, 11), between(rng, 5, 60)
    steps: list[tuple[str, Callable[[int], int]]] = [
        (f"{b} has {factor} times as many", lambda n: n * factor),
        (f"then {given} of those break", lambda n: n - given),
        (f"after that {bought} more are bought", lambda n: n + bought),
        ("finally their number doubles", lambda n: n * 2),
    ][: between(rng, 2, 4)]
    amount = start
    for _, change in steps:
        amount = change(amount)
    told = "; ".join(words for words, _ in steps)
    text = f"{a} owns {start} {thing}; {told}. How many {thing} does {b} have in the end?"
    return Draft(text, str(amount), 0.2 + len(steps) / 6)


KINDS = (sums, products, remainders, percentages, stories)
