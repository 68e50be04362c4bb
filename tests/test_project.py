"""What holds for the repository as a whole."""

import doctest
import os
import re
import subprocess
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

import pytest
from importlinter.cli import lint_imports

import fusion_agents
from fusion_agents.simulation import simulate_log
from fusion_agents.stores.exporting import export_log
from fusion_agents.stores.routing_log import RoutingLog

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "fusion_agents"
MODULES = sorted(
    info.name
    for info in walk_packages(fusion_agents.__path__, "fusion_agents.")
    if not info.name.endswith("__main__")
)
OF_EXTRAS = ("torch", "transformers", "peft", "trl", "jinja2")
"""What only training needs; modules that need it say so when they are imported."""
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
BLOCK = re.compile(r"^```python(?P<marks>[^\n]*)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[[^\]]*\]\((?P<target>[^)\s]+)\)")
ONE_MACHINE = re.compile(r"(?<![\w.~])/(?:root|home|opt|work|Users)/\w|\bindex[-_]url\b")


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    return [path for path in paths if path.is_file() and not path.is_symlink()]


@pytest.mark.parametrize("name", MODULES)
def test_every_module_imports_and_its_examples_run(name: str) -> None:
    try:
        module = import_module(name)
    except ModuleNotFoundError as error:
        if error.name in OF_EXTRAS:
            pytest.skip(f"needs {error.name}")
        raise
    assert doctest.testmod(module).failed == 0


def test_no_module_is_longer_than_400_lines() -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in PACKAGE.rglob("*.py")
    }
    assert len(lengths) > 50
    assert {name: length for name, length in lengths.items() if length > 400} == {}


def test_modules_import_only_what_their_layer_allows(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    failed = lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True)
    assert not failed, capsys.readouterr().out


def test_there_are_at_most_40_public_names_and_each_can_be_had() -> None:
    names = fusion_agents.__all__
    assert len(names) == len(set(names)) <= 40
    assert set(names) <= set(dir(fusion_agents))
    for name in names:
        assert getattr(fusion_agents, name) is not None


def test_a_name_that_is_not_public_is_refused_like_any_attribute() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        getattr(fusion_agents, "nonsense")  # noqa: B009 - mypy knows better


def lay_out_files_that_examples_read(folder: Path) -> None:
    with RoutingLog(folder / "routing.db") as log:
        log.append(simulate_log(120))
        export_log(log, folder / "our_log.jsonl.gz")
        export_log(log, folder / "FusionBench_train.csv")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_python_in_the_documentation_runs(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay_out_files_that_examples_read(tmp_path)
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {"__name__": "example"}
    for block in BLOCK.finditer(page.read_text(encoding="utf-8")):
        if "no-run" not in block["marks"]:
            exec(compile(block["code"], str(page), "exec"), namespace)


def test_the_readme_has_python_that_runs() -> None:
    blocks = BLOCK.finditer((ROOT / "README.md").read_text(encoding="utf-8"))
    assert any("no-run" not in block["marks"] for block in blocks)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_in_the_documentation_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    targets = [match["target"].partition("#")[0] for match in LINK.finditer(text)]
    local = [target for target in targets if target and not target.startswith("http")]
    missing = [target for target in local if not (page.parent / target).exists()]
    assert missing == []


def test_no_file_names_the_paths_or_the_package_index_of_one_machine() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {match.group()}"
        for path in tracked()
        if path.suffix not in {".gz", ".parquet", ".png"} and path != Path(__file__)
        if (match := ONE_MACHINE.search(path.read_text(encoding="utf-8", errors="replace")))
    ]
    assert found == []


@pytest.mark.parametrize("name", ["graphs", "stores"])
def test_a_link_at_the_top_shows_a_folder_of_the_package(name: str) -> None:
    assert os.readlink(ROOT / name) == f"fusion_agents/{name}"  # noqa: PTH115 - as committed
    assert (ROOT / name / "__init__.py").samefile(PACKAGE / name / "__init__.py")
