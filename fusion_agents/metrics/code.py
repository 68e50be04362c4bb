"""Programs, by running their tests in a sandbox."""

from dataclasses import dataclass
from typing import ClassVar

from fusion_agents.errors import DataError, NoSandboxError, SandboxError
from fusion_agents.metrics.base import Metric, Scored
from fusion_agents.metrics.code_answer import program_in
from fusion_agents.metrics.code_problem import CodeProblem
from fusion_agents.sandbox.base import Sandbox
from fusion_agents.sandbox.choosing import find_sandbox
from fusion_agents.sandbox.judging import Checks, judge
from fusion_agents.types import Query


@dataclass(kw_only=True)
class Code(Metric):
    """1 if a program passes all of its tests, else 0.

    Program and tests run in two processes of a sandbox, so that a program cannot forge the
    verdict; where the tests need both in one process, the reason begins with `forgeable`. Without
    a sandbox nothing is run and nothing is scored. Limits are in seconds of processor time, so a
    busy machine fails nobody.

    Args:
        sandbox: Where programs run; the best that this machine has where none.
    """

    name: ClassVar[str] = "code"
    sandbox: Sandbox | None = None

    def score(self, response: str, query: Query) -> Scored:
        """Score one response by its tests.

        Raises:
            DataError: If the query has no tests, or its tests are no Python.
        """
        problem = CodeProblem.of(query)
        program = program_in(response, problem.prompt, problem.name)
        if program is None:
            wanted = f"that defines {problem.name!r}" if problem.name else "in the response"
            return Scored(0.0, f"no program {wanted}")
        try:
            return self._run(program, problem)
        except SyntaxError as error:
            raise DataError(f"the tests of query {query.id!r} are no Python: {error}") from error

    def _run(self, program: str, problem: CodeProblem) -> Scored:
        checks = Checks(problem.checks, problem.name, problem.prompt)
        try:
            verdict = judge(self.sandbox or find_sandbox(), program, checks)
        except NoSandboxError as error:
            return Scored(None, f"no_sandbox: {error}", program)
        except SandboxError as error:
            return Scored(None, f"sandbox_failed: {error}", program)
        reason = verdict.reason
        if verdict.forgeable is not None:
            reason = "; ".join(filter(None, (f"forgeable: {verdict.forgeable}", reason)))
        return Scored(float(verdict.passed), reason, program)
