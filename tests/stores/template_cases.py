"""Templates to test with."""

from fusion_agents.types import ThoughtTemplate

QUESTIONS = (
    "How many prime numbers are there below one hundred?",
    "What is the capital city of France, and on which river does it lie?",
    "Write a Python function that reverses a list in place.",
    "A train leaves at noon and drives 60 miles an hour; how far is it at three?",
    "Which of these animals lays eggs: the platypus, the dog or the whale?",
)


def template(number: int = 0, **given: object) -> ThoughtTemplate:
    question = QUESTIONS[number % len(QUESTIONS)]
    if number >= len(QUESTIONS):
        question = f"{question} Take case {number} as your example."
    values: dict[str, object] = {
        "problem": f"Problem {number}: find what is asked.",
        "reasoning": "Go step by step.",
        "question": question,
        "query_id": f"query-{number}",
    }
    return ThoughtTemplate.model_validate(values | given)
