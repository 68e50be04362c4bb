"""A run of mining that is killed goes on where it was."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fusion_agents.pool.pool import Pool
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.stores.template_store import TemplateStore
from fusion_agents.templates.mining import mine_templates
from fusion_agents.templates.summarizing import Summarizer
from fusion_agents.testing.openai_server import Behaviour, OpenAIServer
from tests.templates.scripted import entries

QUESTIONS, AT_A_TIME, KILLED_AT = 20, 4, 9


async def test_a_killed_run_loses_no_template_and_repeats_what_was_under_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "test")
    path, models = tmp_path / "routing.db", tmp_path / "models.toml"
    parts = {"problem": "A story of sums.", "reasoning": "Add both.", "answer_format": ""}
    rule = Behaviour(text=json.dumps(parts), delay=0.05)
    with OpenAIServer(lambda _: rule) as server, RoutingLog(path) as log:
        log.append(entries(QUESTIONS))
        models.write_text(f'[models.small]\nmodel = "openai:s"\nbase_url = "{server.base_url}"\n')
        run = start(path, models)
        while len(server.requests) < KILLED_AT:
            assert run.poll() is None, "it ended before it was killed"
            await asyncio.sleep(0.01)
        run.kill()
        run.wait()
        with TemplateStore(log) as store:
            acknowledged = {template.query_id for template in store.scan()}
            writer = Summarizer("small", pool=Pool.from_toml(models))
            await mine_templates(log, writer, store=store, concurrency=AT_A_TIME, merge=False)
            stored = sorted(template.query_id for template in store.scan(status=None))

    assert acknowledged
    assert stored == sorted(f"q{i}" for i in range(QUESTIONS))
    assert len(server.requests) <= QUESTIONS + AT_A_TIME


def start(path: Path, models: Path) -> "subprocess.Popen[bytes]":
    command = ["templates", "mine", "--log", path, "--models", models, "--summarizer", "small"]
    options = ["--concurrency", AT_A_TIME, "--no-merge"]
    return subprocess.Popen(
        [sys.executable, "-m", "fusion_agents", *map(str, [*command, *options])],
        env=dict(os.environ),
        stderr=subprocess.DEVNULL,
    )
