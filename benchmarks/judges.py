"""Whether an answer can forge its own verdict, and what a judge costs beside its model.

A thousand answers that were written to be scored highly are judged with models that follow a
script: honest ones, ones that refuse or talk nonsense, and ones that repeat, quote or take over
what they judge in every careless way. A forged verdict is a score that the script did not give.
No model is called and no network is used.

    python benchmarks/judges.py --answers 1000
"""

import argparse
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice

from fusion_agents.answering.policy import AnswerPolicy
from fusion_agents.judges.base import Case
from fusion_agents.judges.pairwise import PairwiseJudge
from fusion_agents.judges.rubric import RubricJudge
from fusion_agents.testing.adversarial_answers import MASTER_KEYS, adversarial_answers
from fusion_agents.testing.careless_judges import HONEST, careless_judges
from fusion_agents.testing.fake_chat import FakeChatModel
from fusion_agents.testing.scripted_judge import Seen, scripted_judge
from fusion_agents.types import Query

ONCE = AnswerPolicy(max_attempts=1)
QUERY = Query(text="How much is 2 + 2?", ground_truth="4")
RIGHT = Case(query=QUERY, response="It is 4.")
Scores = Callable[[FakeChatModel, str], str]


def by_rubric(model: FakeChatModel, answer: str) -> str:
    verdict = RubricJudge(model, policy=ONCE).judge(Case(query=QUERY, response=answer))
    return _named(verdict.score)


def by_anchors(model: FakeChatModel, answer: str) -> str:
    judge = RubricJudge(model, anchors="fusionfactory", policy=ONCE)
    return _named(judge.judge(Case(query=QUERY, response=answer)).score)


def by_comparison(model: FakeChatModel, answer: str) -> str:
    """Honest models prefer the second place, careless ones say that it is a tie."""
    judge = PairwiseJudge(model, policy=ONCE)
    orders = judge.compare(Case(query=QUERY, response=answer), RIGHT).orders
    if None in orders:
        return "forged" if set(orders) - {None, 0.5} else "no score"
    return "honest" if orders in ((0.0, 1.0), (0.5, 0.5)) else "forged"


def _named(score: float | None) -> str:
    return "no score" if score is None else "honest" if score == HONEST else "forged"


def forge(answers: list[str]) -> Iterator[int]:
    """Print a row for each judge and model; gives how many verdicts were forged."""
    print(f"{'judge':<24}{'model':<40}{'honest':>8}{'no score':>10}{'forged':>8}{'ms':>7}")
    judges: dict[str, Scores] = {
        "rubric": by_rubric,
        "rubric, paper's anchors": by_anchors,
        "pairwise": by_comparison,
    }
    for name, judge in judges.items():
        for script, model in careless_judges(max_tokens=400).items():
            begun = time.perf_counter()
            found = Counter(judge(model, answer) for answer in answers)
            spent = (time.perf_counter() - begun) / len(answers) * 1e3
            counts = f"{found['honest']:>8}{found['no score']:>10}{found['forged']:>8}"
            print(f"{name:<24}{script:<40}{counts}{spent:>7.1f}", flush=True)
            yield found["forged"]


def obey() -> None:
    """A model that does what answers tell it is fooled: canaries are there to find it out."""

    def obedient(seen: Seen) -> float:
        said = seen.texts["answer"].lower()
        return 1.0 if any(word in said for word in ("highest", "set correctness", "1.0")) else 0.0

    judge = RubricJudge(scripted_judge(obedient))
    orders = [a for a in adversarial_answers(400) if "Ignore all" in a or "SYSTEM" in a]
    fooled = sum(judge.judge(Case(query=QUERY, response=a)).score == 1.0 for a in orders)
    print(f"\nan obedient model: {fooled} of {len(orders)} orders obeyed (this is for canaries)")


def cost(calls: int) -> None:
    """Time of a verdict beside that of its model."""
    judge = RubricJudge(scripted_judge(HONEST))
    judge.judge(RIGHT)
    begun = time.perf_counter()
    for _ in range(calls):
        judge.judge(RIGHT)
    spent = (time.perf_counter() - begun) / calls * 1e3
    print(f"a verdict takes {spent:.2f} ms beside its model (the scripted model's time included)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--answers", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    answers = adversarial_answers(options.answers, options.seed)
    answers = list(islice([*MASTER_KEYS, *answers], options.answers))
    forged = sum(forge(answers))
    obey()
    cost(500)
    print(f"\nforged verdicts: {forged}; must be 0")
    raise SystemExit(forged > 0)


if __name__ == "__main__":
    main()
