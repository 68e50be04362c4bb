"""Judges that compare: whether a position or a family makes a difference."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fusion_agents.judges.metric import MetricJudge
from fusion_agents.judges.pairwise import PairwiseJudge
from fusion_agents.judges.panel import PanelJudge
from fusion_agents.judges.rubric import RubricJudge
from fusion_agents.judging import judge_log
from fusion_agents.judging.calibrating import calibrate
from fusion_agents.judging.judge_text import to_markdown
from fusion_agents.judging.kin import own_family
from fusion_agents.judging.positions import measure_swaps
from fusion_agents.pool.pool import Pool
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.testing.scripted_judge import Seen, scripted_judge
from fusion_agents.types import Arm, LogEntry, Query
from tests.judging.scripted import entries


@pytest.fixture
def log(tmp_path: Path) -> Iterator[RoutingLog]:
    with RoutingLog(tmp_path / "log.db") as opened:
        opened.append(entries(20))
        opened.append(entries(20, model="large", text="It is "))
        yield opened


def knowing(seen: Seen) -> dict[str, str]:
    """Knows what is right, whatever comes first."""
    right = [seen.texts["reference"] in seen.texts[f"{one} answer"] for one in ("first", "second")]
    return {"winner": "tie" if right[0] == right[1] else "first" if right[0] else "second"}


async def test_a_judge_that_takes_the_first_is_found_out(log: RoutingLog) -> None:
    judge = PairwiseJudge(scripted_judge({"winner": "first"}))
    found = await measure_swaps(log, judge, n_pairs=15, n_bootstrap=50)
    assert (found.n, found.consistency.value, found.preference.value) == (15, 0.0, 1.0)
    report = found.added_to(calibrate(log, "pairwise", judge.version))
    assert "it prefers the answer shown first, beyond chance" in to_markdown(report)


async def test_a_judge_that_reads_both_is_consistent(log: RoutingLog) -> None:
    found = await measure_swaps(log, PairwiseJudge(scripted_judge(knowing)), n_bootstrap=50)
    assert (found.n, found.consistency.value, found.preference.value) == (20, 1.0, 0.0)


async def test_comparisons_that_failed_are_left_out(log: RoutingLog) -> None:
    judge = PairwiseJudge(scripted_judge("I do not know."))
    found = await measure_swaps(log, judge, n_pairs=3, n_bootstrap=50)
    assert (found.n, found.consistency.value) == (0, None)


async def test_comparing_judges_pass_the_canaries_if_they_know(log: RoutingLog) -> None:
    assert (await judge_log(log, PairwiseJudge(scripted_judge(knowing)))).complete
    first = PairwiseJudge(scripted_judge({"winner": "first"}, model="another"))
    assert (await judge_log(log, first)).stopped == "canaries"


def test_kin_is_told_by_every_name_that_is_known() -> None:
    def entry(model: str, version: str | None = None) -> LogEntry:
        return LogEntry(query=Query(text="?"), arm=Arm(model=model), model_version=version)

    pool = Pool({"fast": "openai:gpt-5-mini", "slow": "anthropic:claude-sonnet-5"})
    rubric = RubricJudge("openai:gpt-5", pool=pool)
    is_own = own_family(rubric, pool)
    said = [entry("fast"), entry("slow"), entry("x", "gpt-4o-2024-08-06"), entry("claude")]
    assert [is_own(one) for one in said] == [True, False, True, False]
    panel = PanelJudge([rubric, RubricJudge("anthropic:claude-opus-5", pool=pool)])
    assert all(own_family(panel, pool)(one) for one in said)
    assert not any(own_family(MetricJudge())(one) for one in said)
