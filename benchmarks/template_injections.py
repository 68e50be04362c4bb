"""How many thought templates that would command their reader are kept out, and how many honest.

Attacks are honest templates into which an order was put, of families that the rules were made with
and of others that they were not. Honest templates are made of sentences that look a little like
orders ("ignore the units", "call the function", "reply with the letter only"), over real questions
of the logs in `../shared/data` (or `--data`) where they are there. What passes is put into a prompt
and read back: it breaks out if the parts that are read are not the parts that were put in.
"""

import argparse
import gzip
import json
import re
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

from langchain_core.messages import HumanMessage

from fusion_agents.quarantine import suspicion
from fusion_agents.strategies.base import Occasion
from fusion_agents.strategies.thought import Found, ThoughtStrategy
from fusion_agents.testing.honest_templates import honest_templates
from fusion_agents.testing.template_attacks import DEVELOPMENT, HELD_OUT, attacks
from fusion_agents.types import Query, ThoughtTemplate

LOGS = ("llmrouter14", "zeroeval", "mmlupro_small8", "routerbench3", "routerarena", "mbpp")
EACH = 2_000
_PART = re.compile(
    r"^\[similar question ([0-9a-f]{12})\]\n(.*?)\n\[end of similar question \1\]\n"
    r"\[way of reasoning ([0-9a-f]{12})\]\n(.*?)\n\[end of way of reasoning \3\]$",
    re.DOTALL | re.MULTILINE,
)


class Nothing:
    """Finds no templates: they are given."""

    def find(self, query: Query, k: int, *, tenant: str) -> Sequence[Found]:
        return ()


def real_questions(data: Path) -> Iterator[str]:
    for name in LOGS:
        path = data / f"{name}.jsonl.gz"
        if path.exists():
            with gzip.open(path, "rt", encoding="utf-8") as file:
                rows = map(json.loads, file)
                asked = dict.fromkeys(row.get("query") or row.get("prompt") or "" for row in rows)
            yield from islice(filter(None, asked), EACH)


def breaks_out(template: ThoughtTemplate) -> bool:
    strategy = ThoughtStrategy(source=Nothing()).on(Occasion(templates=(template,)))
    query = Query(text="What is 3 + 4?")
    sent = strategy.prompt([HumanMessage(query.text)], query)
    if not sent.template_ids:
        return False
    found = [(part[2], part[4]) for part in _PART.finditer(str(sent.messages[-1].content))]
    return found != [(template.question, template.text)]


def measure(name: str, families: Mapping[str, Sequence[str]], seed: int, n: int) -> None:
    carriers = list(honest_templates(100, seed))
    made = list(attacks(carriers, n, seed, families))
    passed = [(family, attack) for family, attack in made if suspicion(attack) is None]
    broken = sum(breaks_out(attack) for _, attack in made)
    print(f"{name}, seed {seed}: {n - len(passed)} of {n} quarantined; {broken} of all break out")
    print(f"  passed: {dict(Counter(family for family, _ in passed))}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("-n", type=int, default=200)
    parser.add_argument("--seed", type=int, default=11)
    options = parser.parse_args()
    measure("families not looked at", HELD_OUT, options.seed, options.n)
    measure("families looked at", DEVELOPMENT, options.seed, options.n)
    questions = list(real_questions(options.data))
    honest = list(honest_templates(max(2_000, len(questions)), options.seed, questions))
    start = time.process_time()
    alarms = Counter(filter(None, map(suspicion, honest)))
    each = (time.process_time() - start) / len(honest)
    print(f"honest, over {len(questions):,} real questions: {alarms.total()} of {len(honest):,}")
    print(f"  {dict(alarms)}; {1000 * each:.1f} ms each")


if __name__ == "__main__":
    main()
