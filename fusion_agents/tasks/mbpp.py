"""MBPP: short Python functions from a description."""

from fusion_agents.metrics.code_problem import CodeProblem
from fusion_agents.tasks.base import Question, Row, Task
from fusion_agents.tasks.part import Part, Splits

_COLUMNS = ("text", "test_list", "test_setup_code")


class MBPP(Task):
    """Basic programming problems; the tests are shown, as the benchmark has it.

    Name and parameters of the function are said nowhere but in the tests, so all of `test_list`
    is shown, as in the paper and in FusionBench. `challenge_test_list`, `test_setup_code` and
    the solution are never shown. Source: Austin et al. 2021 (arXiv 2108.07732).
    """

    name = "mbpp"
    ability = "code"
    metric = "code"
    instruction = "Reply with the complete function in one ```python block."
    splits = Splits(
        train=(Part("google-research-datasets/mbpp", "full", "train", _COLUMNS),),
        test=(Part("google-research-datasets/mbpp", "full", "test", _COLUMNS),),
    )

    def question(self, row: Row) -> Question:
        """Describe the function and show its tests."""
        description, tests = row["text"].strip(), tuple(row["test_list"])
        problem = CodeProblem(kind="mbpp", tests=tests, setup=row["test_setup_code"])
        shown = "\n".join(test.strip() for test in tests)
        text = f"{description}\n\nThese tests must pass:\n```python\n{shown}\n```"
        return Question(text, problem.model_dump_json(), gist=description)
