import subprocess
import sys

import pytest

from fusion_agents.sandbox.canaries import NAMES
from tests.cli.conftest import Run
from tests.sandbox.cases import HAS_SANDBOX, needs_sandbox

EXIT = 0 if HAS_SANDBOX else 2


def test_the_doctor_names_libraries_extras_and_keys_but_never_a_key(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-planted-0123456789")
    monkeypatch.delenv("MISTRAL_API_KEY", raising=False)
    shown = run("doctor", code=EXIT).output
    lines = [line.split() for line in shown.splitlines()]
    assert ["OPENAI_API_KEY", "set"] in lines
    assert ["MISTRAL_API_KEY", "not", "set"] in lines
    assert any(line[:1] == ["langgraph"] for line in lines)
    assert any(line[:1] == ["tasks"] for line in lines)
    assert "planted" not in shown


@needs_sandbox
def test_the_doctor_shows_which_sandbox_there_is_and_that_every_attempt_is_blocked(
    run: Run,
) -> None:
    shown = run("doctor").output
    assert "works: this is where code is scored" in shown
    assert all(f"{what}" in shown for what in NAMES.values())
    assert "NOT BLOCKED" not in shown


def test_without_a_sandbox_the_doctor_says_how_to_get_one_and_fails() -> None:
    code = (
        "import shutil, sys; shutil.which = lambda *a, **k: None; sys.argv = ['x', 'doctor']\n"
        "from fusion_agents.cli import main; main()"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2, ended.stderr
    assert "cannot be used" in ended.stdout
    assert "install bubblewrap" in ended.stdout
    assert "is left unscored" in ended.stdout
