"""Messages of customers, to be sent to the right desk: a family that a very small model can learn.

Not drawn by default. What a message is about shows in its words, so that a model which has seen
a few hundred examples knows the desk of new ones; one that has seen none can only guess.
"""

import numpy as np

from fusion_agents.simulation.drawing import NAMES, THINGS, Draft, between, pick, pick_some

_ABOUT = {
    "billing": (
        "I was charged twice for {number} {thing}",
        "the invoice for the {thing} says {number} dollars too much",
        "I need a receipt for {number} {thing} for my taxes",
        "can I pay for {number} {thing} in three instalments",
        "my card was declined when I paid for {thing}",
    ),
    "delivery": (
        "the parcel with my {number} {thing} has not arrived",
        "the courier left the {thing} at number {number}, with a neighbour",
        "where are my {thing}; tracking has shown nothing for {number} days",
        "please ship the {number} {thing} to {name} instead",
        "can the van bring the {thing} to {number} {name} Street",
    ),
    "repairs": (
        "one of the {number} {thing} broke; can it be mended",
        "the {thing} stopped working after {number} days, please fix them",
        "I need a spare part for model {number} of your {thing}",
        "can a technician look at the {thing}; they rattle",
        "the {thing} are cracked; is repair under warranty possible",
    ),
    "returns": (
        "I want to send {number} {thing} back and get a refund",
        "these {thing} are the wrong size; please exchange them",
        "my friend {name} has {thing}, so I would like to give mine back",
        "how do I return {number} {thing} that nobody unpacked",
        "the {thing} look unlike the photo, I want my money back",
    ),
    "sales": (
        "do you have {number} {thing} in stock",
        "what is the price of {number} {thing} for a school",
        "I would like to order {number} {thing} in green",
        "is there a discount on {thing} if I buy {number}",
        "do you sell {thing} that are suitable for children",
    ),
    "security": (
        "somebody who claims to be {name} asks me for my pin for {thing}",
        "I got a suspicious link about {thing} from a stranger",
        "there are {number} {thing} in my history that a thief must have bought",
        "is the mail about {thing} from {name} a fraud",
        "your site for {thing} shows a certificate warning",
    ),
}
DESKS: tuple[str, ...] = tuple(_ABOUT)
"""The answers, in alphabetical order."""

_BEFORE = (
    "Hello, {name} here.",
    "Dear team,",
    "I have been a customer for {number} years.",
    "{name} told me to ask you.",
    "This is about {name}'s {thing}.",
    "I write for the club of {name}.",
)
_AFTER = (
    "You can reach me at {number} {name} Street.",
    "{name} sends regards.",
    "Sorry to trouble you again.",
    "My number is {number}.",
    "We still like the {thing} of last year.",
    "Yours, {name}",
)


def messages(rng: np.random.Generator) -> Draft:
    """Which desk a message is for."""
    desk = pick(rng, DESKS)
    before, after = between(rng, 0, 1), between(rng, 0, 1)
    about = pick(rng, _ABOUT[desk])
    parts = [
        *pick_some(rng, _BEFORE, before),
        f"{about[0].upper()}{about[1:]}.",
        *pick_some(rng, _AFTER, after),
    ]
    message = " ".join(_fill(rng, part) for part in parts)
    listed = ", ".join(DESKS)
    texts = (
        f"Which desk ({listed}) is this for? {message}",
        f"{message} Send this to one of {listed}.",
        f"Choose the desk, {listed}: {message}",
    )
    return Draft(pick(rng, texts), desk, 0.2 + 0.25 * (before + after))


def _fill(rng: np.random.Generator, part: str) -> str:
    number, thing, name = between(rng, 2, 999), pick(rng, THINGS), pick(rng, NAMES)
    return part.format(number=number, thing=thing, name=name)


KINDS = (messages,)
