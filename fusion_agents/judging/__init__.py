"""A log judged: asynchronously, resumably, within a budget, by a judge that is measured."""

from fusion_agents.judging.log_judge import LogJudge
from fusion_agents.judging.progress import JudgeProgress, JudgeSummary
from fusion_agents.judging.run import judge_log

__all__ = ["JudgeProgress", "JudgeSummary", "LogJudge", "judge_log"]
