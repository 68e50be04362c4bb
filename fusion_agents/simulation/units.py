"""Questions about lengths, masses, times, temperatures, speeds and sizes of data."""

from decimal import Decimal

import numpy as np

from fusion_agents.simulation.drawing import THINGS, Draft, between, pick

_SCALES = (
    (("millimetres", 1), ("centimetres", 10), ("metres", 1_000), ("kilometres", 1_000_000)),
    (("milligrams", 1), ("grams", 1_000), ("kilograms", 1_000_000), ("tonnes", 10**9)),
    (("millilitres", 1), ("litres", 1_000), ("cubic metres", 1_000_000)),
    (("inches", 1), ("feet", 12), ("yards", 36), ("miles", 63_360)),
    (("seconds", 1), ("minutes", 60), ("hours", 3_600), ("days", 86_400), ("weeks", 604_800)),
    (("bytes", 1), ("kibibytes", 1_024), ("mebibytes", 1_048_576)),
)


def scales(rng: np.random.Generator) -> Draft:
    """From a large unit to a small one."""
    scale = pick(rng, _SCALES)
    small = between(rng, 0, len(scale) - 2)
    large = between(rng, small + 1, len(scale) - 1)
    (unit, size), (big, big_size) = scale[small], scale[large]
    amount = between(rng, 2, 400)
    thing = pick(rng, THINGS)
    texts = (
        f"Convert {amount} {big} to {unit}.",
        f"How many {unit} are {amount} {big}?",
        f"Express {amount} {big} in {unit}.",
        f"A shipment of {thing} is listed as {amount} {big}; the form asks for {unit}. Which "
        "number goes in?",
    )
    return Draft(pick(rng, texts), str(amount * big_size // size), (large - small) / 4 + 0.2)


def fractions(rng: np.random.Generator) -> Draft:
    """From a small metric unit to a large one, with decimals."""
    unit, big, factor = pick(
        rng,
        (
            ("centimetres", "metres", 100),
            ("grams", "kilograms", 1_000),
            ("millilitres", "litres", 1_000),
            ("metres", "kilometres", 1_000),
            ("cents", "dollars", 100),
        ),
    )
    amount = between(rng, 3, 9_999)
    texts = (
        f"Write {amount} {unit} in {big}, as a decimal without trailing zeros.",
        f"{amount} {unit} is how many {big}? No trailing zeros.",
        f"Turn {amount} {unit} into {big} (plain decimal, no zeros at the end).",
    )
    answer = format((Decimal(amount) / factor).normalize(), "f")
    return Draft(pick(rng, texts), answer, 0.3 + len(answer) / 20)


def temperatures(rng: np.random.Generator) -> Draft:
    """Between Celsius, Fahrenheit and kelvin."""
    celsius = between(rng, -16, 60) * 5
    where = pick(rng, ("an oven", "a freezer", "a desert", "a reactor", "a sauna", "a cellar"))
    if pick(rng, (True, False)):
        text = pick(
            rng,
            (
                f"{where.capitalize()} is at {celsius} degrees Celsius. What is that in degrees "
                "Fahrenheit?",
                f"Convert {celsius} °C to °F.",
            ),
        )
        return Draft(text, str(celsius * 9 // 5 + 32), 0.6)
    text = pick(
        rng,
        (
            f"The display of {where} shows {celsius * 9 // 5 + 32} degrees Fahrenheit. What would "
            "a Celsius display show?",
            f"Convert {celsius * 9 // 5 + 32} °F to °C.",
        ),
    )
    return Draft(text, str(celsius), 0.75)


def speeds(rng: np.random.Generator) -> Draft:
    """Distance, speed and time."""
    speed, hours = between(rng, 4, 180), between(rng, 2, 14)
    mover = pick(rng, ("train", "ferry", "cyclist", "truck", "drone", "bus", "sailing boat"))
    quarter = pick(rng, (0, 15, 30, 45))
    speed = speed * 4 if quarter else speed
    distance = speed * hours + speed * quarter // 60
    duration = f"{hours} hours" + (f" and {quarter} minutes" if quarter else "")
    if pick(rng, (True, False)):
        text = f"A {mover} keeps {speed} km/h for {duration}. How many kilometres does it cover?"
        return Draft(text, str(distance), 0.4 + (quarter > 0) * 0.3)
    text = f"A {mover} needs {duration} for {distance} km. What is its average speed in km/h?"
    return Draft(text, str(speed), 0.5 + (quarter > 0) * 0.4)


KINDS = (scales, fractions, temperatures, speeds)
