import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from fusion_agents.cli.app import app
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.testing.openai_server import Behaviour, OpenAIServer, Request
from tests.cli.conftest import KEY, Run

Ask = Callable[..., Result]
POSIX = pytest.mark.skipif(os.name != "posix", reason="signals and terminals of POSIX")


@pytest.fixture
def ask(run: Run, sums_router: Path, models: Path) -> Ask:
    """Ask with the router and the models."""

    def invoke(*arguments: object, code: int = 0) -> Result:
        return run("ask", "--models", models, "--router", sums_router, *arguments, code=code)

    return invoke


@pytest.fixture
def command(sums_router: Path, models: Path) -> list[str]:
    """The same for a process of its own."""
    python = [sys.executable, "-m", "fusion_agents", "ask"]
    return [*python, "--models", str(models), "--router", str(sums_router)]


def fails(model: str, **how: object) -> Callable[[Request], Behaviour | None]:
    return lambda request: Behaviour(**how) if request.model == model else None


def until(condition: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_the_answer_is_the_output_and_the_route_is_beside_it(ask: Ask) -> None:
    result = ask("3 + 3?")
    assert result.stdout == "small-model was asked: 3 + 3?\n"
    assert result.stderr.startswith("small@direct: $0.0000")
    assert result.stderr.endswith(" s\n")
    assert result.stderr.count("\n") == 1


def test_json_holds_the_answer_the_evidence_and_the_usage(ask: Ask) -> None:
    given = json.loads(ask("3 + 3?", "--json").stdout)
    assert given["answer"] == "small-model was asked: 3 + 3?"
    assert given["fusion"]["arm"] == given["fusion"]["answered_by"] == "small@direct"
    assert [f["arm"] for f in given["fusion"]["forecast"]] == ["small@direct", "large@direct"]
    tokens = given["usage"]["input_tokens"], given["usage"]["output_tokens"]
    assert given["fusion"]["cost"] == pytest.approx((tokens[0] + 2 * tokens[1]) / 1e6)


def test_an_arm_that_fails_is_named_with_the_one_that_answers(
    ask: Ask, server: OpenAIServer
) -> None:
    server.rule = fails("small-model", status=400)
    result = ask("3 + 3?")
    assert result.stdout == "large-model was asked: 3 + 3?\n"
    assert "2 attempts (small@direct bad_request, large@direct answered)" in result.stderr


def test_what_was_expected_of_every_arm_can_be_seen(ask: Ask) -> None:
    result = ask("3 + 3?", "--explain")
    assert result.stdout == "small-model was asked: 3 + 3?\n"
    assert "│ large@direct │" in result.stderr
    assert "highest utility under performance-first" in result.stderr


@pytest.mark.parametrize("arguments", [(), ("-",)])
def test_the_query_can_come_on_standard_input(
    sums_router: Path, models: Path, arguments: tuple[str, ...]
) -> None:
    words = ["ask", *arguments, "--models", str(models), "--router", str(sums_router)]
    result = CliRunner().invoke(app, words, input="Größer\nals 2?\n")
    assert result.stdout == "small-model was asked: Größer\nals 2?\n"


@pytest.mark.parametrize("arguments", [(), ("-",), ("",), (" \n",)])
def test_an_empty_query_is_refused_before_a_call(
    ask: Ask, server: OpenAIServer, arguments: tuple[str, ...]
) -> None:
    assert "the query is empty" in ask(*arguments, code=2).stderr
    assert server.hits == 0


def test_without_a_router_the_first_model_picks(
    run: Run, models: Path, server: OpenAIServer
) -> None:
    server.script(Behaviour(text=json.dumps({"reason": "it is hard", "arm": "large@direct"})))
    result = run("ask", "3 + 3?", "--models", models, "--explain")
    assert result.stdout == "large-model was asked: 3 + 3?\n"
    assert "it is hard" in result.stderr
    assert [request.model for request in server.requests] == ["small-model", "large-model"]


@pytest.mark.parametrize("only", [("--arm", "large@direct"), ("--model", "large")])
def test_one_may_name_who_answers(ask: Ask, server: OpenAIServer, only: tuple[str, str]) -> None:
    assert ask("3 + 3?", *only).stderr.startswith("large@")
    assert [request.model for request in server.requests] == ["large-model"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--arm", "nobody"), "unknown arm 'nobody'"),
        (("--model", "nobody"), "unknown model 'nobody'"),
        (("--model", "small", "--arm", "small"), "either --arm or --model"),
        (("--stream", "--json"), "either --stream or --json"),
        (("--objective", "nonsense"), "nonsense"),
        (("--deadline", "inf"), "--deadline must be a number of seconds"),
        (("--models", "none.toml"), "cannot read none.toml"),
        (("--router", "none"), "none"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line_before_a_call(
    ask: Ask, server: OpenAIServer, arguments: tuple[str, ...], words: str
) -> None:
    result = ask("3 + 3?", *arguments, code=2)
    assert words in result.stderr
    assert result.stderr.count("\n") == 1
    assert server.hits == 0


def test_if_no_arm_answers_one_line_says_why(ask: Ask, server: OpenAIServer) -> None:
    server.rule = lambda _: Behaviour(status=400, message="no such thing")
    result = ask("3 + 3?", code=2)
    assert result.stdout == ""
    assert result.stderr.startswith("error: no arm gave an answer")
    assert result.stderr.count("no such thing") == 2
    assert result.stderr.count("\n") == 1


def test_the_deadline_holds_for_all_arms_together(ask: Ask, server: OpenAIServer) -> None:
    server.rule = lambda _: Behaviour(hang=True)
    began = time.monotonic()
    assert "timeout" in ask("3 + 3?", "--deadline", 0.5, code=2).stderr
    assert time.monotonic() - began < 30


def test_a_missing_key_is_named(
    ask: Ask, models: Path, server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FUSION_TEST_KEY", raising=False)
    tables = models.read_text().replace("price =", 'api_key_env = "FUSION_TEST_KEY"\nprice =')
    models.write_text(tables)
    assert "FUSION_TEST_KEY" in ask("3 + 3?", code=2).stderr
    assert server.hits == 0


def test_every_attempt_can_be_recorded(ask: Ask, server: OpenAIServer, tmp_path: Path) -> None:
    server.rule = fails("small-model", status=400)
    for _ in range(2):
        ask("3 + 3?", "--log", tmp_path / "new.db")
    with RoutingLog(tmp_path / "new.db", read_only=True) as log:
        entries = [(str(entry.arm), entry.error, entry.response) for entry in log.scan()]
    answer = "large-model was asked: 3 + 3?"
    one = [("small@direct", "bad_request", None), ("large@direct", None, answer)]
    assert sorted(entries, key=str) == sorted([*one, *one], key=str)


def test_a_stream_is_the_answer_and_ends_with_a_newline(ask: Ask) -> None:
    result = ask("3 + 3?", "--stream")
    assert result.stdout == "small-model was asked: 3 + 3?\n"
    assert result.stderr.startswith("small@direct: $0.0000")


def test_a_stream_that_breaks_off_ends_its_line_before_the_error(
    ask: Ask, server: OpenAIServer
) -> None:
    server.script(Behaviour(text="one two three four", cut_after=2))
    result = ask("3 + 3?", "--stream", code=2)
    assert result.stdout == "one two\n"
    assert "broke off" in result.stderr


def test_a_stream_is_shown_while_it_comes(command: list[str], server: OpenAIServer) -> None:
    server.script(Behaviour(text="one two three", drip=0.5))
    with subprocess.Popen([*command, "--stream", "3 + 3?"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.read(3) == b"one"
        assert server.in_service == 1
        assert process.stdout.read() == b" two three\n"
    assert process.returncode == 0


def test_a_reader_of_a_stream_that_has_seen_enough_causes_no_noise(
    command: list[str], server: OpenAIServer
) -> None:
    server.script(Behaviour(text="word " * 50, drip=0.02))
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([*command, "--stream", "3 + 3?"], **pipes) as process:  # type: ignore[call-overload]
        process.stdout.read(4)
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


@POSIX
def test_ctrl_c_gives_the_call_up_and_ends_with_130(
    command: list[str], server: OpenAIServer
) -> None:
    server.rule = lambda _: Behaviour(hang=True)
    with subprocess.Popen(
        [*command, "3 + 3?"],
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        until(lambda: server.in_service)
        process.send_signal(signal.SIGINT)
        _, noise = process.communicate(timeout=60)
    assert process.returncode == 130
    assert noise == b"interrupted\n"
    until(lambda: server.closed_early == 1)


@POSIX
def test_an_answer_cannot_command_the_terminal(command: list[str], server: OpenAIServer) -> None:
    server.script(Behaviour(text="\x1b[2Jone\ttwo\x9b3J\x07"))
    primary, secondary = os.openpty()
    done = subprocess.run([*command, "3 + 3?"], stdout=secondary, check=True)
    os.close(secondary)
    shown = os.read(primary, 1000).decode()
    os.close(primary)
    assert done.returncode == 0
    assert shown == "�[2Jone\ttwo�3J�\r\n"


@pytest.mark.parametrize("debug", [(), ("--debug",)])
def test_an_error_of_a_server_cannot_command_the_terminal(
    ask: Ask, run: Run, server: OpenAIServer, models: Path, debug: tuple[str, ...]
) -> None:
    server.rule = lambda _: Behaviour(status=400, message="\x1b]0;owned\x07\x9b2J bad")
    result = run(*debug, "ask", "3 + 3?", "--models", models, "--model", "small", code=2)
    assert "�]0;owned��2J bad" in result.stderr
    assert not set("\x1b\x07\x9b") & set(result.output)


def test_the_words_of_the_model_that_picks_cannot_command_the_terminal(
    run: Run, server: OpenAIServer, models: Path
) -> None:
    choice = {"arm": "small@direct", "confidence": 1, "reason": "\x1b[2Jbecause"}
    server.script(Behaviour(text=json.dumps(choice)))
    result = run("ask", "3 + 3?", "--models", models, "--explain")
    assert "�[2Jbecause" in result.stderr
    assert "\x1b" not in result.output


@pytest.mark.parametrize("arguments", [(), ("--stream",), ("--json",)])
def test_a_key_that_a_server_repeats_is_shown_nowhere(
    run: Run,
    models: Path,
    sums_router: Path,
    server: OpenAIServer,
    tmp_path: Path,
    arguments: tuple[str, ...],
) -> None:
    server.rule = lambda _: Behaviour(status=401, echo_key=True)
    where = ("--models", models, "--router", sums_router, "--log", tmp_path / "new.db")
    result = run("--debug", "ask", "3 + 3?", *where, *arguments, code=2)
    assert server.requests[0].key == KEY
    assert "[redacted]" in result.stderr
    assert "Traceback" in result.stderr
    assert KEY not in result.output
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert tmp_path / "new.db" in files
    assert not any(KEY.encode() in path.read_bytes() for path in files)
