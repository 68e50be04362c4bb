"""Questions about calendars and clocks."""

from datetime import date, timedelta

import numpy as np

from fusion_agents.simulation.drawing import NAMES, Draft, between, pick

_EVENTS = ("a fair", "a trial", "a course", "an exhibition", "a voyage", "a festival", "a repair")


def _day(rng: np.random.Generator) -> date:
    return date(1900, 1, 1) + timedelta(days=between(rng, 0, 50_000))


def _written(day: date) -> str:
    return f"{day.day} {day:%B} {day.year}"


def weekdays(rng: np.random.Generator) -> Draft:
    """On which weekday a date falls."""
    day, name = _day(rng), pick(rng, NAMES)
    texts = (
        f"On which weekday did or will {_written(day)} fall?",
        f"{name} was born on {_written(day)}. What day of the week was that?",
        f"Name the day of the week of {day.isoformat()}.",
    )
    return Draft(pick(rng, texts), f"{day:%A}", 0.9)


def spans(rng: np.random.Generator) -> Draft:
    """How many days lie between two dates."""
    first, length = _day(rng), between(rng, 2, 400)
    last = first + timedelta(days=length)
    event = pick(rng, _EVENTS)
    texts = (
        f"How many days are there from {_written(first)} to {_written(last)}, the first not "
        "counted?",
        f"{event.capitalize()} opens on {first.isoformat()} and closes on {last.isoformat()}. "
        "How many days later is the closing?",
        f"Count the days after {_written(first)} up to and including {_written(last)}.",
    )
    return Draft(pick(rng, texts), str(length), 0.3 + length / 700)


def shifts(rng: np.random.Generator) -> Draft:
    """Which date comes some days later or earlier."""
    day, days, event = _day(rng), between(rng, 3, 200), pick(rng, _EVENTS)
    back = pick(rng, (True, False))
    answer = day - timedelta(days=days) if back else day + timedelta(days=days)
    word = "before" if back else "after"
    texts = (
        f"Which date is {days} days {word} {_written(day)}? Answer as YYYY-MM-DD.",
        f"{event.capitalize()} takes place {days} days {word} {day.isoformat()}. Give its date "
        "as YYYY-MM-DD.",
        f"What is the ISO date {days} days {word} {_written(day)}?",
    )
    return Draft(pick(rng, texts), answer.isoformat(), 0.3 + days / 350 + 0.1 * back)


def clocks(rng: np.random.Generator) -> Draft:
    """What the clock shows after some time."""
    start, minutes = between(rng, 0, 1_439), between(rng, 15, 900)
    what = pick(rng, ("film", "shift", "flight", "match", "download", "hike", "concert", "exam"))
    end = (start + minutes) % 1_440
    clock = f"{start // 60:02d}:{start % 60:02d}"
    texts = (
        f"A {what} starts at {clock} and lasts {minutes} minutes. When does it end (24-hour "
        "HH:MM)?",
        f"It is {clock}. What will a 24-hour clock show in {minutes // 60} hours and "
        f"{minutes % 60} minutes?",
        f"Add {minutes} minutes to {clock}; answer as HH:MM on a 24-hour clock.",
    )
    return Draft(pick(rng, texts), f"{end // 60:02d}:{end % 60:02d}", 0.2 + minutes / 1_500)


KINDS = (weekdays, spans, shifts, clocks)
