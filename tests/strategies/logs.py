"""Small logs with answers worth showing."""

from fusion_agents.types import Arm, LogEntry, Query


def entry(
    question: str,
    answer: str | None,
    performance: float | None = 1.0,
    model: str = "small",
    **fields: object,
) -> LogEntry:
    return LogEntry.model_validate(
        {
            "query": Query(text=question),
            "arm": Arm(model=model),
            "response": answer,
            "performance": performance,
            **fields,
        }
    )


PRIMES = {
    "How many primes are there below 10?": "4",
    "Name the largest prime that has two digits.": "97",
    "Is 91 a prime number, and if not, why?": "No: 91 = 7 * 13.",
    "Sum the primes that lie between 20 and 30.": "52",
}
OTHERS = {
    "Which king signed Magna Carta in the year 1215?": "King John.",
    "Bake a sponge cake: how long does it stay in the oven?": "25 minutes.",
}


def prime_entries() -> list[LogEntry]:
    return [entry(question, answer) for question, answer in (PRIMES | OTHERS).items()]
