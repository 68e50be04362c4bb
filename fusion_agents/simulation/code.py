"""Questions about what a few lines of Python print."""

import math

import numpy as np

from fusion_agents.simulation.drawing import WORDS, Draft, between, pick, pick_some

_ASKED = (
    "What does this print?\n{}",
    "Give the output of this program:\n{}",
    "Predict what Python writes to the console.\n{}",
)


def _ask(rng: np.random.Generator, program: str) -> str:
    return pick(rng, _ASKED).format(program)


def loops(rng: np.random.Generator) -> Draft:
    """A loop that adds something up."""
    start, stop, step = between(rng, 0, 9), between(rng, 12, 60), between(rng, 1, 7)
    factor, name = between(rng, 2, 9), pick(rng, ("total", "acc", "s", "result"))
    program = (
        f"{name} = 0\nfor i in range({start}, {stop}, {step}):\n    {name} += i * {factor}\n"
        f"print({name})"
    )
    answer = sum(i * factor for i in range(start, stop, step))
    return Draft(_ask(rng, program), str(answer), len(range(start, stop, step)) / 60)


def slices(rng: np.random.Generator) -> Draft:
    """A slice of a string."""
    word, variable = "".join(pick_some(rng, WORDS, 2)), pick(rng, ("w", "text", "name", "s"))
    start, stop = sorted(pick_some(rng, range(len(word)), 2))
    step = pick(rng, (1, 1, 2, 3))
    program = f"{variable} = {word!r}\nprint({variable}[{start}:{stop}:{step}])"
    return Draft(_ask(rng, program), word[start:stop:step], 0.3 + 0.2 * step)


def filters(rng: np.random.Generator) -> Draft:
    """A comprehension with a condition."""
    numbers = [between(rng, 1, 60) for _ in range(between(rng, 4, 9))]
    divisor, function = between(rng, 2, 4), pick(rng, ("sum", "len", "max"))
    program = (
        f"xs = {numbers}\nkept = [x for x in xs if x % {divisor}] or [0]\nprint({function}(kept))"
    )
    kept = [x for x in numbers if x % divisor] or [0]
    answer = {"sum": sum(kept), "len": len(kept), "max": max(kept)}[function]
    return Draft(_ask(rng, program), str(answer), len(numbers) / 12)


def divisors(rng: np.random.Generator) -> Draft:
    """Euclid's algorithm, written out."""
    a, b = between(rng, 12, 400), between(rng, 12, 400)
    program = (
        f"def f(a, b):\n    while b:\n        a, b = b, a % b\n    return a\nprint(f({a}, {b}))"
    )
    return Draft(_ask(rng, program), str(math.gcd(a, b)), 0.6)


def recursions(rng: np.random.Generator) -> Draft:
    """A function that calls itself."""
    n, base, step = between(rng, 3, 12), between(rng, 0, 5), between(rng, 2, 4)
    operator = pick(rng, ("+", "-"))
    program = (
        f"def g(n):\n    return {base} if n < {step} else n {operator} g(n - {step})\nprint(g({n}))"
    )

    def run(left: int) -> int:
        if left < step:
            return base
        return left + run(left - step) if operator == "+" else left - run(left - step)

    return Draft(_ask(rng, program), str(run(n)), 0.4 + n / 24 + 0.1 * (operator == "-"))


def counters(rng: np.random.Generator) -> Draft:
    """A dictionary that counts letters."""
    word = "".join(pick_some(rng, WORDS, between(rng, 1, 2)))
    letter = pick(rng, sorted(set(word)))
    program = (
        "counts = {}\n"
        f"for c in {word!r}:\n    counts[c] = counts.get(c, 0) + 1\nprint(counts[{letter!r}])"
    )
    return Draft(_ask(rng, program), str(word.count(letter)), 0.3 + len(word) / 30)


KINDS = (loops, slices, filters, divisors, recursions, counters)
