"""A student and its base whose weights are on this machine."""

import asyncio
from pathlib import Path

import pytest

from fusion_agents.distill.comparing.evaluating import evaluate_student
from fusion_agents.distill.nouns import Student
from fusion_agents.errors import ConfigError
from fusion_agents.stores.routing_log import RoutingLog
from tests.distill.comparing.evaluating_world import questions

tiny = pytest.importorskip("tests.students.tiny", exc_type=ImportError)

ASKED = questions(2)


def test_real_models_are_asked_alike_and_a_student_with_another_template_is_not(
    tmp_path: Path,
) -> None:
    base = tiny.make_base(tmp_path / "base")
    folder = tiny.make_student(tmp_path / "student", base)
    student = Student(
        name="student", spec=f"student:{folder}", base=str(base), base_spec=f"student:{base}",
        provider="local", data="0" * 64, n_examples=1,
    )  # fmt: skip
    with RoutingLog(tmp_path / "routing.db") as log:
        found = asyncio.run(evaluate_student(student, log, ASKED, max_tokens=6, n_bootstrap=50))
        assert found.overall.n == 4
        assert found.errors == {}
        assert found.overall.base.output_tokens == found.overall.student.output_tokens == 6
        assert found.overall.student.cut_off == 4
        assert (found.asked.decoding["temperature"], found.asked.decoding["max_tokens"]) == (0.0, 6)
        assert found.asked.template is not None
        assert (folder / "evaluation.db").exists()

        tiny.tiny_tokenizer(tiny.TEMPLATE + " ").save_pretrained(folder / "adapter")
        with pytest.raises(ConfigError, match="their chat templates differ"):
            asyncio.run(evaluate_student(student, log, ASKED, max_tokens=6))
