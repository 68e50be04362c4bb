"""Base and student are asked with the same decoding and template, or not at all."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fusion_agents.distill.comparing.chat_templates import template_of
from fusion_agents.distill.comparing.contestants import contestants
from fusion_agents.distill.comparing.evaluating import StudentEvaluation
from fusion_agents.distill.nouns import Student
from fusion_agents.errors import ConfigError
from fusion_agents.pool.pool import Pool
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.testing.fake_chat import FakeChatModel
from fusion_agents.testing.openai_server import Behaviour, OpenAIServer, Request
from tests.distill.comparing.evaluating_world import HASTY, pupil, questions

ASKED = questions(10)
TUNED, BASE = "openai:tuned-gpt-4.1-mini", "openai:gpt-4.1-mini"


def answer(request: Request) -> Behaviour:
    """The tuned model knows sums, the other one nothing."""
    query = next(query for query in ASKED if query.text in request.text)
    right = request.model.startswith("tuned") and query.task == "sums"
    return Behaviour(text=f"The answer is {query.ground_truth if right else 1}.")


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer(answer) as running:
        yield running


@pytest.fixture
def log(tmp_path: Path) -> Iterator[RoutingLog]:
    with RoutingLog(tmp_path / "routing.db") as opened:
        yield opened


def tuned(server: str) -> Student:
    return Student(
        name="pupil", spec=TUNED, base="gpt-4.1-mini", base_spec=BASE, provider="openai",
        data="0" * 64, n_examples=2, settings={"server": server},
    )  # fmt: skip


def evaluation(folder: Path, log: RoutingLog, student: Student, pool: Pool) -> StudentEvaluation:
    return StudentEvaluation(
        student, log, ASKED,
        models=pool, out=folder / "out", policy=HASTY, n_bootstrap=100, max_tokens=77,
    )  # fmt: skip


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "planted-0123456789")


def test_requests_differ_in_the_model_alone(
    tmp_path: Path, log: RoutingLog, server: OpenAIServer
) -> None:
    pool = Pool(
        {
            "pupil": {
                "model": TUNED,
                "base_url": server.base_url,
                "temperature": 0.9,
                "top_p": 0.5,
            },
            "mini": {
                "model": BASE,
                "base_url": server.base_url,
                "price": {"input": 1, "output": 2},
            },
        }
    )
    found = asyncio.run(evaluation(tmp_path, log, tuned(server.base_url), pool).run())
    bodies: dict[str, list[str]] = {}
    for request in server.requests:
        body = {key: value for key, value in request.body.items() if key != "model"}
        bodies.setdefault(request.model, []).append(json.dumps(body, sort_keys=True))
        assert body["temperature"] == 0.0
        assert "top_p" not in body
        assert 77 in (body.get("max_tokens"), body.get("max_completion_tokens"))
    one, other = bodies.values()
    assert sorted(one) == sorted(other)
    assert len(one) == len(ASKED)
    assert found.asked.decoding == {"temperature": 0.0, "max_tokens": 77}
    assert (found.base, found.base_spec, found.overall.base.cost is not None) == (
        "mini",
        BASE,
        True,
    )


def test_a_base_that_is_not_in_the_pool_is_asked_where_the_student_is(
    tmp_path: Path, log: RoutingLog, server: OpenAIServer
) -> None:
    pool = Pool({"pupil": {"model": TUNED, "base_url": server.base_url}})
    found = asyncio.run(evaluation(tmp_path, log, tuned(server.base_url), pool).run())
    assert {request.model for request in server.requests} == {
        TUNED.removeprefix("openai:"), BASE.removeprefix("openai:"),
    }  # fmt: skip
    assert [row.finding for row in found.tasks] == ["no certain difference", "helped"]


def test_no_other_server_than_the_students_is_asked(
    tmp_path: Path, log: RoutingLog, server: OpenAIServer
) -> None:
    student = tuned("http://127.0.0.1:9/v1")
    pool = Pool({name: {"model": spec, "base_url": server.base_url} for name, spec in (
        ("pupil", TUNED), ("mini", BASE)
    )})  # fmt: skip
    with pytest.raises(ConfigError, match="would be asked at"):
        asyncio.run(evaluation(tmp_path, log, student, pool).run())
    assert server.hits == 0


@pytest.mark.parametrize("option", ["model_kwargs", "extra_body"])
def test_options_that_belong_to_one_alone_are_named(
    tmp_path: Path, log: RoutingLog, server: OpenAIServer, option: str
) -> None:
    more = {option: {"top_k": 50}}
    pool = Pool({"pupil": {"model": TUNED, "base_url": server.base_url, **more}, "mini": {
        "model": BASE, "base_url": server.base_url
    }})  # fmt: skip
    with pytest.raises(ConfigError, match=f"{option} is None for the base and .*top_k.* 50"):
        asyncio.run(evaluation(tmp_path, log, tuned(server.base_url), pool).run())
    assert server.hits == 0


def test_two_servers_may_put_questions_in_two_ways(
    tmp_path: Path, log: RoutingLog, server: OpenAIServer
) -> None:
    with OpenAIServer(answer) as other:
        pool = Pool({"pupil": {"model": TUNED, "base_url": server.base_url}, "mini": {
            "model": BASE, "base_url": other.base_url
        }})  # fmt: skip
        with pytest.raises(ConfigError, match=r"the base is at .* the student at"):
            asyncio.run(evaluation(tmp_path, log, tuned(server.base_url), pool).run())


# -- models whose files are here -------------------------------------------------------------


def folder_of(path: Path, template: str | None, end: object = 2) -> str:
    """A model's folder, as far as it is looked at before weights are loaded."""
    path.mkdir(parents=True)
    (path / "config.json").write_text("{}")
    (path / "model.safetensors").write_bytes(b"")
    config = {} if template is None else {"chat_template": template}
    (path / "tokenizer_config.json").write_text(json.dumps(config))
    (path / "generation_config.json").write_text(json.dumps({"eos_token_id": end}))
    return f"student:{path}"


def test_other_chat_templates_are_refused(tmp_path: Path) -> None:
    base, student = (folder_of(tmp_path / name, name) for name in ("llama", "default"))
    with pytest.raises(ConfigError, match="their chat templates differ"):
        _check(base, student)


def test_other_ends_of_answers_are_refused(tmp_path: Path) -> None:
    base = folder_of(tmp_path / "base", "{{ messages }}", 2)
    student = folder_of(tmp_path / "student", "{{ messages }}", [2, 7])
    with pytest.raises(ConfigError, match=r"eos_token_id \(generation\) is \[2\] for the base"):
        _check(base, student)


def test_the_same_template_in_another_file_is_the_same(tmp_path: Path) -> None:
    base = folder_of(tmp_path / "base", "{{ messages }}")
    student = folder_of(tmp_path / "student", None, [2])
    (tmp_path / "student" / "chat_template.jinja").write_text("{{ messages }}")
    found = _check(base, student)
    assert found.template is not None
    assert found.checked[-1] == "the chat templates"
    assert template_of(base, FakeChatModel()).digest == found.template


def _check(base: str, student: str) -> Any:
    pytest.importorskip("transformers")
    made = pupil(Path(student.removeprefix("student:"))).model_copy(update={"base_spec": base})
    return contestants(made).check()
