"""Agreement with the given scores of real logs, where these are at hand."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from fusion_agents.metrics import make_metric
from fusion_agents.types import Query

DATA = Path(__file__).parents[3] / "shared" / "data"
METRICS = {"gsm8k": "number", "math_l5": "math", "cruxeval_o": "literal"}


def every(log: str, step: int) -> list[dict[str, Any]]:
    """Every so many rows of a log."""
    with gzip.open(DATA / f"{log}.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for number, line in enumerate(lines) if number % step == 0]


@pytest.mark.skipif(not DATA.is_dir(), reason="the published logs are not at hand")
@pytest.mark.parametrize(("log", "step"), [("zeroeval", 29), ("mmlupro_small8", 31)])
def test_98_percent_of_the_given_scores_are_reproduced(log: str, step: int) -> None:
    same = []
    for row in every(log, step):
        metric = make_metric(
            METRICS.get(row["task"], "multiple-choice") if log == "zeroeval" else "em_mc"
        )
        query = Query(text=row["query"], ground_truth=row["ground_truth"])
        same.append(metric.score(row["response"] or "", query).score == row["score"])
    assert sum(same) / len(same) >= 0.98
