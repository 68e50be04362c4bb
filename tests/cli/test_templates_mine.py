import json
from pathlib import Path

import pytest

from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.stores.template_store import TemplateStore
from fusion_agents.testing.openai_server import Behaviour, OpenAIServer
from fusion_agents.types import ThoughtTemplate
from tests.cli.conftest import Run
from tests.templates.scripted import entries


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A log of six questions, each with right answers."""
    path = tmp_path / "routing.db"
    with RoutingLog(path) as log:
        log.append(entries(6))
    return path


def stored(path: Path) -> list[ThoughtTemplate]:
    with RoutingLog(path) as log, TemplateStore(log) as store:
        return list(store.scan())


def test_a_model_behind_a_server_writes_templates_and_is_not_paid_twice(
    run: Run, server: OpenAIServer, models: Path, path: Path
) -> None:
    parts = {
        "problem": "A story in which amounts add up.",
        "reasoning": "Find both amounts and add them.",
        "answer_format": "One number.",
    }
    server.rule = lambda request: Behaviour(text=json.dumps(parts))
    arguments = ("templates", "mine", "--log", path, "--models", models, "--summarizer", "small")

    said = run(*arguments, "--per-task", 4, "--no-merge", "--budget", 1).stderr
    assert "wrote 4 templates" in said
    assert len(stored(path)) == 4
    assert stored(path)[0].problem == parts["problem"]
    assert stored(path)[0].summarizer == "small-model"

    calls = len(server.requests)
    assert "4 were settled before" in run(*arguments, "--per-task", 4, "--no-merge").stderr
    assert len(server.requests) == calls


def test_a_dry_run_says_what_would_be_written_and_what_it_may_cost(
    run: Run, server: OpenAIServer, models: Path, path: Path
) -> None:
    arguments = ("templates", "mine", "--log", path, "--models", models, "--summarizer", "small")
    said = run(*arguments, "--dry-run").stdout
    assert "6 templates to write" in said
    assert "estimated cost" in said
    assert not server.requests
    assert not stored(path)


def test_what_cannot_be_done_is_said_in_one_line(run: Run, models: Path, path: Path) -> None:
    arguments = ("templates", "mine", "--models", models, "--log")
    missing = path.with_name("none.db")
    assert "there is no log" in run(*arguments, missing, "--summarizer", "small", code=2).stderr
    said = run(*arguments, path, "--summarizer", "huge", code=2).stderr
    assert "the pool has no model 'huge' that could write templates" in said
    said = run(*arguments, path, "--summarizer", "small", "--criterion", "best", code=2).stderr
    assert "unknown criterion 'best'" in said
