import json
from pathlib import Path

import pytest

from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.stores.template_store import TemplateStore
from fusion_agents.templates.reporting import TemplateReport
from tests.cli.conftest import Run
from tests.templates.test_crediting import world


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database in which a template helps and another one hurts."""
    path = tmp_path / "routing.db"
    with RoutingLog(path) as log, TemplateStore(log) as store:
        world(log, store)
    return path


def statuses(path: Path) -> dict[str, str]:
    with RoutingLog(path) as log, TemplateStore(log) as store:
        return {one.template.query_id: one.status for one in store.records()}


def test_the_report_shows_lifts_and_verdicts(run: Run, path: Path) -> None:
    output = run("templates", "report", "--log", path).output

    assert "with templates against direct" in output
    assert "1 help, 1 hurt, 1 are new" in " ".join(output.split())


def test_the_report_comes_as_json_and_markdown(run: Run, path: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.md"
    output = run("templates", "report", "--log", path, "--json", "-", "--md", page).stdout

    report = TemplateReport.model_validate(json.loads(output))
    assert len(report.unhelpful) == 1
    assert "| id | verdict |" in page.read_text()


def test_the_report_of_an_empty_log_is_empty(run: Run, tmp_path: Path) -> None:
    RoutingLog(tmp_path / "empty.db").close()

    output = run("templates", "report", "--log", tmp_path / "empty.db", "--json", "-").stdout

    assert TemplateReport.model_validate_json(output).overall is None


def test_unhelpful_templates_are_retired_and_no_others(run: Run, path: Path) -> None:
    would = run("templates", "retire", "--unhelpful", "--dry-run", "--log", path).output
    assert "would retire 1 templates" in would
    assert set(statuses(path).values()) == {"active"}

    run("templates", "retire", "--unhelpful", "--log", path)

    expected = {"good": "active", "bad": "retired", "new": "active", "unused": "active"}
    assert statuses(path) == expected
    assert "retired 0 of 0" in run("templates", "retire", "--unhelpful", "--log", path).output


def test_retiring_needs_either_names_or_the_rule(run: Run, path: Path) -> None:
    assert "--unhelpful" in run("templates", "retire", "--log", path, code=2).output
    run("templates", "retire", "x", "--unhelpful", "--log", path, code=2)
