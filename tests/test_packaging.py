"""The wheel, installed alone in a clean environment."""

import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

import fusion_agents

ROOT = Path(__file__).parent.parent


def build(kind: str, folder: Path) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.iterdir()
    return built


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def binaries(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with our wheel, and the dependencies of this one by reference."""
    folder = tmp_path_factory.mktemp("clean")
    venv.create(folder, with_pip=True)
    (site_packages,) = folder.glob("lib/python*/site-packages")
    dependencies = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (site_packages / "dependencies.pth").write_text("\n".join(sorted(dependencies)))
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--no-deps", "--no-index"]
    subprocess.run([*pip, str(wheel)], check=True, capture_output=True)
    return folder / "bin"


def run(binaries: Path, folder: Path, *command: str) -> str:
    done = subprocess.run(
        [str(binaries / command[0]), *command[1:]],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    info = f"fusion_agents-{fusion_agents.__version__}.dist-info"
    assert {name.partition("/")[0] for name in names} == {"fusion_agents", info}
    assert "fusion_agents/py.typed" in names
    assert "fusion_agents/evaluation/report.css" in names
    assert f"{info}/licenses/LICENSE" in names


def test_the_wheel_holds_every_module(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    modules = {str(p.relative_to(ROOT)) for p in (ROOT / "fusion_agents").rglob("*.py")}
    assert len(modules) > 50
    assert modules - names == set()


def test_the_source_archive_holds_each_file_once(tmp_path: Path) -> None:
    with tarfile.open(build("sdist", tmp_path)) as archive:
        names = archive.getnames()
    top = f"fusion_agents-{fusion_agents.__version__}"
    assert f"{top}/fusion_agents/stores/__init__.py" in names
    assert f"{top}/fusion_agents/graphs/__init__.py" in names
    assert not [n for n in names if n.startswith((f"{top}/stores", f"{top}/graphs"))]


def test_the_package_is_imported_from_the_clean_environment(binaries: Path, tmp_path: Path) -> None:
    code = "import fusion_agents; print(fusion_agents.__file__, fusion_agents.__version__)"
    file, version = run(binaries, tmp_path, "python", "-c", code).split()
    assert Path(file).is_relative_to(binaries.parent)
    assert version == fusion_agents.__version__


def test_the_command_line_runs_there(binaries: Path, tmp_path: Path) -> None:
    assert "evaluate" in run(binaries, tmp_path, "fusion-agents", "--help")
    assert "task-best" in run(binaries, tmp_path, "fusion-agents", "routers")
    assert "router" in run(binaries, tmp_path, "python", "-m", "fusion_agents", "routers")


def test_a_log_is_written_evaluated_and_learned_from_there(binaries: Path, tmp_path: Path) -> None:
    code = (
        "from fusion_agents import RoutingLog, evaluate, make_router\n"
        "from fusion_agents.simulation import simulate_log\n"
        "with RoutingLog('routing.db') as log:\n"
        "    log.append(simulate_log(60))\n"
        "    print(evaluate(log, ['knn'], n_bootstrap=50).verdict.router)\n"
        "    print(make_router('knn').fit(log.outcomes()).route(['2 + 2?'])[0].arm)\n"
    )
    name, arm = run(binaries, tmp_path, "python", "-c", code).split()
    assert name == "knn"
    assert arm.startswith("sim-")


def test_an_app_may_have_folders_called_graphs_and_stores(binaries: Path, tmp_path: Path) -> None:
    for name in ("graphs", "stores"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("MINE = True")
    code = "import graphs, stores, fusion_agents.stores; print(graphs.MINE and stores.MINE)"
    assert run(binaries, tmp_path, "python", "-c", code).strip() == "True"
