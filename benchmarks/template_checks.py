"""How often honest templates are turned down, and how often planted leaks get through.

Honest are three templates for each task, written without looking at any question of it; they are
checked against real questions with their ground truth and, where the data has them, two real
answers. Planted are, in the same templates: the right answer, a number of the question, a name
out of it, a sentence of it, another script.
"""

import argparse
import gzip
import json
import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from fusion_agents.metrics.number import read_gold
from fusion_agents.metrics.options import read_options
from fusion_agents.templates.checking import check
from fusion_agents.templates.leaks import Source
from fusion_agents.templates.summarizing import Draft

SUMS = [
    Draft("A word problem about amounts: turn each statement into a calculation.",
          "Work out the intermediate amounts in the order of the story, and keep the units. Then "
          "combine them as the last sentence asks.", "A single number at the end."),
    Draft("Arithmetic in a story, where something is repeated or shared.",
          "Multiply what one unit gives by how often it happens. Subtract what is used up.",
          "Give the number without its unit."),
    Draft("This asks for a total; rates and percentages are part of it.",
          "Convert per cent to a fraction of the whole before you add or subtract.", ""),
]  # fmt: skip
MATHS = [
    Draft("An algebra problem: name the unknown and write down an equation.",
          "Simplify both sides, solve for the unknown, and test the solution in the equation. "
          "Discard solutions that the conditions forbid.", "Put the result in a box."),
    Draft("A counting problem: cases must neither overlap nor be left out.",
          "Count the complement where that is easier. Use symmetry to save cases.",
          "An exact expression in lowest terms."),
    Draft("Geometry: look for similar triangles or right angles.",
          "Draw the figure, mark equal angles, and apply the Pythagorean theorem.", ""),
]  # fmt: skip
CODE = [
    Draft("Write a function that goes through a sequence and collects what satisfies a condition.",
          "Decide what an empty input gives before anything else. Go through the items once and "
          "keep what is needed in a dictionary.", "A function with the given signature."),
    Draft("A string is to be changed character by character.",
          "Strings cannot be changed in place, so build a list and join it.", "Only code."),
    Draft("Trace a program: follow the variables line by line.",
          "Write down the state after every step of the loop.", "The value that is returned."),
]  # fmt: skip
CHOICE = [
    Draft("A multiple-choice question on a fact; rule out what contradicts what is known.",
          "Say what the key term means, and compare each option with that. Prefer the option that "
          "answers the question directly.", "The letter of the option."),
    Draft("Everyday reasoning about causes and purposes.",
          "Imagine the situation, and ask which option happens first or most often.",
          "One letter."),
    Draft("Clues restrict who belongs where.",
          "Enter the certain clues in a table first. Then combine the rest until one option is "
          "left.", "The letter of the right option alone."),
]  # fmt: skip
FACTS = [
    Draft("A question about a fact: name the person, place or date that is asked for.",
          "Find out which kind of thing is asked for. Recall the context in which it is usually "
          "mentioned.", "A short phrase, without a sentence around it."),
    Draft("Trivia with a clue that narrows the answer down.",
          "Use the unusual detail first, and check the rest against it.", "Only the name."),
    Draft("Who did something first, or last, is asked.", "Put the candidates in order of time.",
          ""),
]  # fmt: skip
WORDS = [
    Draft("Write a coherent sentence that uses all given words.",
          "Imagine a scene in which they belong together, and describe it in plain words.",
          "One or two sentences."),
]  # fmt: skip
HONEST = {
    **dict.fromkeys(("gsm8k", "mgsm"), SUMS),
    **dict.fromkeys(("math", "math_l5"), MATHS),
    **dict.fromkeys(("mbpp", "human_eval", "cruxeval_o"), CODE),
    **dict.fromkeys(
        ("arc_challenge", "commonsense_qa", "openbook_qa", "mmlu", "logicgrid"), CHOICE
    ),
    **dict.fromkeys(("natural_qa", "trivia_qa"), FACTS),
    "commongen": WORDS,
}
FOREIGN = "Найдите сначала то, что известно, и затем проверьте каждое условие по порядку."
NAME = re.compile(r"(?<=[a-z,] )[A-Z][a-z]{3,}(?= [a-z])")


class Case(NamedTuple):
    task: str
    source: Source


def cases(paths: list[Path], per_task: int) -> Iterator[Case]:
    """Questions with their ground truth and two answers, so many of each task."""
    found: defaultdict[tuple[str, str], list[dict[str, str]]] = defaultdict(list)
    for path in paths:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            for line in file:
                row = json.loads(line)
                found[row["task"], row["query"]].append(row)
    counts: Counter[str] = Counter()
    keys = sorted(found)
    random.Random(0).shuffle(keys)
    for task, query in keys:
        counts[task] += 1
        if counts[task] > per_task:
            continue
        rows = found[task, query]
        gold = rows[0].get("ground_truth") or ""
        right = [row["response"] for row in rows if row.get("response") and row.get("score") == 1]
        yield Case(task, Source(query, (str(gold),), tuple(right[:2])))


def planted(draft: Draft, source: Source) -> Iterator[tuple[str, Draft]]:
    """The same template with something of the question in it."""

    def adding(sentence: str) -> Draft:
        first, *_ = re.split(r"(?<=\.)\s", draft.reasoning)
        return draft._replace(reasoning=f"{first} {sentence}")

    gold = source.gold[0]
    number = read_gold(gold) if "assert" not in gold and "def " not in gold else None
    short = re.fullmatch(r"[^\n]{1,60}", gold)
    if number is not None and (re.fullmatch(r"[-\d.,$ ]+", gold) or "=" in gold):
        if number.value.denominator == 1:
            yield "answer", adding(f"That comes to {int(number.value)} in the end.")
    elif len(gold) == 1 and gold in (options := read_options(source.question)):
        yield "answer", adding(f"The answer is {gold}.")
        yield "answer", adding(f"This is {options[gold]}.")
    elif short and gold.lower().strip("'\"") not in ("yes", "no", "true", "false", "", " "):
        yield "answer", adding(f"Think of {gold} here.")
    numbers = re.findall(r"(?<![\w.,/^-])\d{2,5}(?![\w.,%/^-])", source.question)
    if numbers := [one for one in numbers if one not in ("10", "100")]:
        yield "number", adding(f"Start with {numbers[0]} and go on.")
    names = [one for one in NAME.findall(source.question) if one not in ("Python", "Question")]
    if names and len(names) < 4:
        yield "name", adding(f"Ask what matters to {names[0]} here.")
    if len(source.question.split()) > 12:
        yield "copy", Draft(" ".join(source.question.split()[:40]), "", "")
    yield "script", Draft(FOREIGN, "", "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--per-task", type=int, default=200)
    given = parser.parse_args()
    paths = [given.data / f"{name}.jsonl.gz" for name in ("llmrouter14", "zeroeval")]
    alarms: Counter[str] = Counter()
    checked: Counter[str] = Counter()
    reasons: Counter[tuple[str, str]] = Counter()
    missed: Counter[str] = Counter()
    tried: Counter[str] = Counter()
    examples: list[tuple[str, ...]] = []
    for case in cases(paths, given.per_task):
        for draft in HONEST.get(case.task, []):
            checked[case.task] += 1
            if why := check(draft, case.source):
                alarms[case.task] += 1
                reasons[case.task, why] += 1
            for kind, bad in planted(draft, case.source):
                tried[kind] += 1
                if check(bad, case.source) is None:
                    missed[kind] += 1
                    examples.append((kind, bad.reasoning[-60:], case.source.question[-160:]))
    rate = {task: f"{alarms[task]} of {checked[task]}" for task in sorted(checked)}
    found = {kind: f"{tried[kind] - missed[kind]} of {tried[kind]}" for kind in sorted(tried)}
    print(json.dumps({
        "honest turned down": rate,
        "honest turned down in all": f"{alarms.total() / checked.total():.2%}",
        "why": {f"{task}: {why}": n for (task, why), n in reasons.most_common(12)},
        "planted found": found,
        "planted found in all": f"{1 - missed.total() / tried.total():.2%}",
        "missed": random.Random(1).sample(examples, min(12, len(examples))),
    }, indent=1, ensure_ascii=False))  # fmt: skip


if __name__ == "__main__":
    main()
