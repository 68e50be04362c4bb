"""Every example runs offline, is short, and prints what its docstring promises."""

import json
import runpy
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from fusion_agents.stores.importing import import_files
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.testing.openai_server import Behaviour, OpenAIServer, Request

FOLDER = Path(__file__).parent.parent / "examples"
PROMISES = {
    "agent_with_tools": ("tool: 391", "answered by sim-"),
    "batch_evaluation": ("200 answers, 0 errors", "routed 0."),
    "feedback_loop": ("right of 150; next: promoted",),
    "graph_with_checkpointer": ("the thread holds 4 messages", "the log has 2 new entries"),
    "lcel_chain": ("answers 'Quick one: Kofi", "at the lowest cost: sim-"),
    "thought_level": ("arithmetic thought", "code direct", "shown: "),
    "streaming": ("counted once", "on_chain_start > on_chat_model_start"),
}


class Ollama(BaseHTTPRequestHandler):
    """Answers as a local Ollama does, in one line."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        answer = {
            "model": "qwen3",
            "created_at": "2026-01-01T00:00:00Z",
            "message": {"role": "assistant", "content": "There are 25."},
            "done": True,
            "done_reason": "stop",
            "prompt_eval_count": 9,
            "eval_count": 4,
        }
        body = json.dumps(answer).encode() + b"\n"
        self.send_response(200)
        self.send_header("Content-Type", "application/x-ndjson")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def ollama() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Ollama) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_each_example_has_fewer_than_60_lines() -> None:
    lengths = {path.stem: len(path.read_text().splitlines()) for path in FOLDER.glob("*.py")}
    assert set(lengths) == {
        *PROMISES,
        "build_your_fusionbench",
        "model_level",
        "openai_and_ollama",
    }
    assert {name: length for name, length in lengths.items() if length >= 60} == {}


@pytest.mark.parametrize("name", PROMISES)
def test_an_example_runs_and_does_what_it_says(
    name: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(FOLDER / f"{name}.py"), run_name="__main__")
    printed = capsys.readouterr().out
    for promise in PROMISES[name]:
        assert promise in printed


def picks_the_local_model(request: Request) -> Behaviour:
    if "response_format" in request.body or "tools" in request.body:
        pick = {"arm": "local@direct", "reason": "simple", "confidence": 0.9}
        return Behaviour(text=json.dumps(pick))
    return Behaviour(text="25")


def test_the_example_of_openai_and_ollama_asks_the_one_that_was_picked(
    ollama: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with OpenAIServer(rule=picks_the_local_model) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "test")
        monkeypatch.setenv("OLLAMA_HOST", ollama)
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr("sys.argv", ["openai_and_ollama.py"])
        runpy.run_path(str(FOLDER / "openai_and_ollama.py"), run_name="__main__")
    printed = capsys.readouterr().out
    assert "There are 25." in printed
    assert "[local@direct: " in printed
    with RoutingLog(tmp_path / "routing.db") as log:
        assert [str(entry.arm) for entry in log.scan()] == ["local@direct"]


def test_the_example_of_collecting_makes_a_fusionbench_and_pays_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with (
        OpenAIServer(rule=lambda _: Behaviour(text="The answer is 24.")) as first,
        OpenAIServer(rule=lambda _: Behaviour(text="The answer is B.")) as second,
    ):
        monkeypatch.setenv("FIRST_URL", first.base_url)
        monkeypatch.setenv("SECOND_URL", second.base_url)
        for answers in ("84 answers, 0 errors", "0 answers, 0 errors"):
            runpy.run_path(str(FOLDER / "build_your_fusionbench.py"), run_name="__main__")
            printed = capsys.readouterr().out
            assert answers in printed
            assert "wrote 84 rows" in printed
        assert (first.hits, second.hits) == (42, 42)
    with (
        RoutingLog("routing.db") as log,
        RoutingLog("again.db") as again,
    ):
        import_files(["my_fusionbench.csv"], again)
        assert list(again.scan()) == list(log.scan())
        assert sum(entry.performance or 0 for entry in log.scan()) == 4


def test_the_example_of_the_model_level_trains_compares_and_asks_for_consent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("trl")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["model_level.py", "120"])  # too few to learn much from
    runpy.run_path(str(FOLDER / "model_level.py"), run_name="__main__")
    printed = capsys.readouterr().out
    promises = (
        "approve? train",
        "triage      base 0.",
        "registration: ",
        "triage: ",
        "code: 0% go",
    )
    for promise in promises:
        assert promise in printed
    assert (tmp_path / "model-level" / "out" / "student" / "student.json").exists()
