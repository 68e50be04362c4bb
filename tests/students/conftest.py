"""A base and two students of it, made once."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tiny = pytest.importorskip("tests.students.tiny", exc_type=ImportError)
    made: Path = tiny.make_base(tmp_path_factory.mktemp("models") / "base")
    return made


@pytest.fixture(scope="session")
def student(base: Path) -> Path:
    tiny = pytest.importorskip("tests.students.tiny", exc_type=ImportError)
    made: Path = tiny.make_student(base.parent / "student", base)
    return made


@pytest.fixture(scope="session")
def other(base: Path) -> Path:
    tiny = pytest.importorskip("tests.students.tiny", exc_type=ImportError)
    made: Path = tiny.make_student(base.parent / "other", base, seed=2, name="other")
    return made


@pytest.fixture(scope="session")
def endless(base: Path) -> Path:
    """A base whose answers take hours, of which a call that is given up wants none."""
    tiny = pytest.importorskip("tests.students.tiny", exc_type=ImportError)
    made: Path = tiny.make_base(base.parent / "endless", window=10_000_000)
    return made
