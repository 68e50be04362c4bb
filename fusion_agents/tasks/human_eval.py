"""HumanEval: Python functions from signature and docstring."""

from fusion_agents.metrics.code_problem import CodeProblem
from fusion_agents.tasks.base import Question, Row, Task
from fusion_agents.tasks.part import Part, Splits

_PART = Part(
    "openai/openai_humaneval", "openai_humaneval", "test", ("prompt", "test", "entry_point")
)


class HumanEval(Task):
    """164 functions to complete, tested by hidden tests.

    The source has no training questions, so its problems are divided once and for all, 50 of
    them for test. Source: Chen et al. 2021 (arXiv 2107.03374).
    """

    name = "human_eval"
    ability = "code"
    metric = "code"
    instruction = "Complete it and reply with the whole function in one ```python block."
    splits = Splits(train=(_PART,), test=(_PART,))
    test_share = 50 / 164

    def question(self, row: Row) -> Question:
        """Show the code that is to be completed, and none of the tests."""
        prompt = row["prompt"]
        problem = CodeProblem(
            kind="humaneval", prompt=prompt, entry_point=row["entry_point"], test=row["test"]
        )
        text = f"```python\n{prompt.strip()}\n```"
        return Question(text, problem.model_dump_json(), gist=prompt)
