"""Questions about orders, conditions, sequences and truth."""

from itertools import pairwise

import numpy as np

from fusion_agents.simulation.drawing import NAMES, THINGS, Draft, between, pick, pick_some

_COMPARED = (
    ("is taller than", "tallest", "shortest"),
    ("is older than", "oldest", "youngest"),
    ("ran faster than", "fastest", "slowest"),
    ("earns more than", "best paid", "worst paid"),
)


def orders(rng: np.random.Generator) -> Draft:
    """Who is first or last, from comparisons in random order."""
    people = pick_some(rng, NAMES, between(rng, 3, 7))
    verb, top, bottom = pick(rng, _COMPARED)
    facts = [f"{a} {verb} {b}" for a, b in pairwise(people)]
    told = ". ".join(pick_some(rng, facts, len(facts)))
    asked, answer = pick(rng, ((top, people[0]), (bottom, people[-1])))
    return Draft(f"{told}. Who is the {asked}?", answer, len(people) / 9)


def kinds(rng: np.random.Generator) -> Draft:
    """Whether a conclusion follows."""
    a, b, c = pick_some(rng, THINGS, 3)
    name = pick(rng, NAMES)
    text, answer = pick(
        rng,
        (
            (f"All {a} are {b}. All {b} are {c}. Are all {a} {c}?", "yes"),
            (f"All {a} are {b}. Some {b} are {c}. Does it follow that some {a} are {c}?", "no"),
            (f"No {a} are {b}. All {c} are {a}. Can any of the {c} be {b}?", "no"),
            (f"If it rains, {name} sells {a}. {name} sold no {a}. Did it rain?", "no"),
            (f"If {name} has {a}, {name} has {b}. {name} has {b}. Must {name} have {a}?", "no"),
            (f"Either the {a} or the {b} are red. The {a} are not red. Are the {b}?", "yes"),
        ),
    )
    return Draft(f"{text} Answer yes or no.", answer, 0.5)


def sequences(rng: np.random.Generator) -> Draft:
    """The next number of a sequence."""
    start, step = between(rng, 1, 40), between(rng, 2, 19)
    terms, difficulty = pick(
        rng,
        (
            ([start + i * step for i in range(6)], 0.2),
            ([start * 2**i + step for i in range(6)], 0.6),
            ([start + step * i * i for i in range(6)], 0.7),
            ([start + i * step * (-1) ** i for i in range(6)], 0.9),
        ),
    )
    shown = ", ".join(map(str, terms[:5]))
    texts = (f"Which number continues {shown}, ...?", f"Find the next term: {shown}, ?")
    return Draft(pick(rng, texts), str(terms[5]), difficulty)


def formulas(rng: np.random.Generator) -> Draft:
    """The value of a formula with and, or, not."""
    values = {name: pick(rng, (True, False)) for name in pick_some(rng, "pqrst", 4)}
    names = list(values)
    text, value = names[0], values[names[0]]
    for name in names[1 : between(rng, 2, 4)]:
        operator, negated = pick(rng, ("and", "or")), pick(rng, (True, False))
        other = values[name] != negated
        value = (value and other) if operator == "and" else (value or other)
        text = f"({text}) {operator} {'not ' * negated}{name}"
    given = ", ".join(f"{name} is {str(v).lower()}" for name, v in values.items())
    question = pick(rng, ("is {} true or false?", "what is the truth value of {}?"))
    answer = str(value).lower()
    return Draft(f"If {given}, {question.format(text)}", answer, text.count(" ") / 9)


def queues(rng: np.random.Generator) -> Draft:
    """Positions in a queue."""
    first, second = pick_some(rng, NAMES, 2)
    place, gap, behind = between(rng, 2, 20), between(rng, 1, 15), between(rng, 1, 30)
    text = (
        f"{first} is number {place} in a queue. {gap} people stand between {first} and {second}, "
        f"who is further back, and {behind} people stand behind {second}. How many people queue?"
    )
    return Draft(text, str(place + gap + 1 + behind), 0.7)


KINDS = (orders, kinds, sequences, formulas, queues)
