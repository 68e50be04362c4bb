"""The log's file: who may read it, which versions it may have, and what can go wrong with it."""

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from fusion_agents.errors import SchemaTooNewError, StoreError
from fusion_agents.stores import RoutingLog
from fusion_agents.stores.log_writing import insert_entries
from fusion_agents.stores.migrations import APPLICATION_ID, MIGRATIONS, Migration
from fusion_agents.stores.sqlite_file import SQLiteFile
from fusion_agents.types import Arm, Judgement, LogEntry, Query

NEXT = (*MIGRATIONS, Migration("colour", ("ALTER TABLE entries ADD COLUMN colour TEXT",)))


def entry(text: str = "2 + 2?") -> LogEntry:
    return LogEntry(query=Query(text=text), arm=Arm(model="small"))


def run(code: str, *arguments: object, under: tuple[str, ...] = ()) -> "subprocess.Popen[str]":
    """Start another Python."""
    prelude = """
import os, resource, signal, sys
from fusion_agents.stores import RoutingLog
from fusion_agents.stores.sqlite_file import SQLiteFile
from fusion_agents.types import Arm, LogEntry, Query
def entry(text, response=None):
    return LogEntry(query=Query(text=text), arm=Arm(model="small"), response=response)
"""
    return subprocess.Popen(
        [*under, sys.executable, "-c", prelude + code, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def modes(folder: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


@contextmanager
def as_nobody() -> Iterator[None]:
    """Root may do anything, so that permissions need somebody else to be tested."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(before)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that others can look into, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


def test_only_the_owner_may_read_the_files(tmp_path: Path) -> None:
    with umask(0o022), RoutingLog(tmp_path / "log.db") as log:
        log.append([entry()])
        log.backup(tmp_path / "backup.db")

        assert modes(tmp_path) == dict.fromkeys(
            ("log.db", "log.db-wal", "log.db-shm", "backup.db"), 0o600
        )


def test_a_closed_log_is_one_file(tmp_path: Path) -> None:
    with RoutingLog(tmp_path / "log.db") as log:
        log.append([entry()])

    assert modes(tmp_path) == {"log.db": 0o600}


def test_a_path_may_hold_any_character_and_be_a_link(tmp_path: Path) -> None:
    odd = tmp_path / "50% of a? #log äöü.db"
    link = tmp_path / "link.db"
    link.symlink_to(odd)
    with RoutingLog(odd) as log:
        log.append([entry()])

        with RoutingLog(link) as same:
            assert list(same.scan()) == [entry()]

    assert sorted(files(tmp_path)) == sorted([odd.name, "link.db"])


def test_a_folder_is_no_log(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is a folder"):
        RoutingLog(tmp_path)

    assert files(tmp_path) == {}


def test_a_missing_folder_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="create the folder first"):
        RoutingLog(tmp_path / "no" / "log.db")

    assert files(tmp_path) == {}


@pytest.mark.parametrize("content", [b"query,model\n", b"SQLite format 3\0", b"\0" * 4096])
@pytest.mark.parametrize("read_only", [False, True])
def test_a_file_of_another_kind_is_refused_untouched(
    tmp_path: Path, content: bytes, read_only: bool
) -> None:
    (tmp_path / "log.db").write_bytes(content)

    with pytest.raises(StoreError, match="is not a SQLite file"):
        RoutingLog(tmp_path / "log.db", read_only=read_only)

    assert files(tmp_path) == {"log.db": content}


@pytest.mark.parametrize("in_use", [False, True])
def test_another_application_s_database_is_refused_untouched(tmp_path: Path, in_use: bool) -> None:
    with closing(sqlite3.connect(tmp_path / "log.db")) as other:
        other.execute("PRAGMA journal_mode = WAL")
        other.execute("CREATE TABLE diary (secret TEXT)")
        other.commit()
        if not in_use:
            other.close()
        before = files(tmp_path)

        with pytest.raises(StoreError, match="of another application"):
            RoutingLog(tmp_path / "log.db")

        after = files(tmp_path)
        assert after.keys() == before.keys()
        assert after["log.db"] == before["log.db"]


def test_an_empty_file_becomes_a_log(tmp_path: Path) -> None:
    (tmp_path / "log.db").touch()

    with RoutingLog(tmp_path / "log.db") as log:
        assert log.append([entry()]) == 1


def test_a_folder_that_cannot_be_written_gets_no_log(open_folder: Path) -> None:
    open_folder.chmod(0o555)

    with as_nobody(), pytest.raises(StoreError, match="may not be written"):
        RoutingLog(open_folder / "log.db")

    assert files(open_folder) == {}


def test_a_log_that_cannot_be_written_can_still_be_read(open_folder: Path) -> None:
    with RoutingLog(open_folder / "log.db") as log:
        log.append([entry()])
    (open_folder / "log.db").chmod(0o444)
    open_folder.chmod(0o555)
    before = files(open_folder)

    with as_nobody():
        with pytest.raises(StoreError, match="may not be written"):
            RoutingLog(open_folder / "log.db")
        with RoutingLog(open_folder / "log.db", read_only=True) as log:
            assert list(log.scan()) == [entry()]

    assert files(open_folder) == before


def test_a_log_that_cannot_be_read_is_a_store_error(open_folder: Path) -> None:
    RoutingLog(open_folder / "log.db").close()
    (open_folder / "log.db").chmod(0o200)

    with as_nobody(), pytest.raises(StoreError, match=r"[Pp]ermission"):
        RoutingLog(open_folder / "log.db", read_only=True)


def test_a_log_opened_for_reading_is_not_written(tmp_path: Path) -> None:
    with RoutingLog(tmp_path / "log.db") as log:
        log.append([entry()])

    with RoutingLog(tmp_path / "log.db", read_only=True) as log:
        assert log.count() == 1
        with pytest.raises(StoreError, match="for reading only"):
            log.append([entry("3 + 3?")])
        assert repr(log).endswith("read_only=True)")


def test_a_reader_sees_what_a_writer_adds(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    with RoutingLog(path) as writer, RoutingLog(path, read_only=True) as reader:
        writer.append([entry()])

        assert reader.count() == 1


def test_reading_a_missing_or_an_empty_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="does not exist"):
        RoutingLog(tmp_path / "log.db", read_only=True)
    assert files(tmp_path) == {}

    (tmp_path / "log.db").touch()
    with pytest.raises(StoreError, match="open it once for writing"):
        RoutingLog(tmp_path / "log.db", read_only=True)
    assert files(tmp_path) == {"log.db": b""}


def test_a_new_log_records_its_migrations(tmp_path: Path) -> None:
    RoutingLog(tmp_path / "log.db").close()

    with closing(sqlite3.connect(tmp_path / "log.db")) as connection:
        names = connection.execute("SELECT version, name FROM migrations").fetchall()
        assert names == [(i, step.name) for i, step in enumerate(MIGRATIONS, 1)]
        assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
        assert connection.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)


def test_an_older_log_moves_forward_with_its_entries(tmp_path: Path) -> None:
    with RoutingLog(tmp_path / "log.db") as log:
        log.append([entry()])

    file = SQLiteFile(tmp_path / "log.db", NEXT)

    with closing(file), file.reading() as connection:
        assert connection.execute("SELECT key, colour FROM entries").fetchall() == [
            (entry().key, None)
        ]
        assert connection.execute("SELECT name FROM migrations").fetchall() == [
            (step.name,) for step in NEXT
        ]


def test_judgements_of_an_older_log_are_as_they_were(tmp_path: Path) -> None:
    judged = entry()
    verdict = Judgement(entry_key=judged.key, score=0.5, judge="rubric", reason="fine")
    with closing(SQLiteFile(tmp_path / "log.db", MIGRATIONS[:2])) as file, file.writing() as old:
        insert_entries(old, [judged])
        old.execute(
            "INSERT INTO judgements (key, entry, judge, judge_version, score, reason) "
            "VALUES (?, 1, 'rubric', '1', 0.5, 'fine')",
            (verdict.key,),
        )

    with RoutingLog(tmp_path / "log.db") as log:
        assert list(log.judgements()) == [verdict]
        assert log.append_judgements([verdict]) == 0
        assert (log.calibrations(), log.trust()) == ([], {})


def test_an_older_log_is_not_moved_forward_by_a_reader(tmp_path: Path) -> None:
    RoutingLog(tmp_path / "log.db").close()
    before = files(tmp_path)

    with pytest.raises(StoreError, match="open it once for writing"):
        SQLiteFile(tmp_path / "log.db", NEXT, read_only=True)

    assert files(tmp_path) == before


def test_a_migration_that_fails_changes_nothing(tmp_path: Path) -> None:
    with RoutingLog(tmp_path / "log.db") as log:
        log.append([entry()])
    broken = Migration("broken", ("DROP TABLE judgements", "DROP TABLE no_such_table"))

    with pytest.raises(StoreError, match="no such table"):
        SQLiteFile(tmp_path / "log.db", (*MIGRATIONS, broken))

    with RoutingLog(tmp_path / "log.db") as log:
        assert log.count() == 1
        assert list(log.judgements()) == []


@pytest.mark.parametrize("read_only", [False, True])
def test_a_newer_log_is_refused_to_the_byte(tmp_path: Path, read_only: bool) -> None:
    SQLiteFile(tmp_path / "log.db", NEXT).close()
    before = files(tmp_path)
    changed = (tmp_path / "log.db").stat().st_mtime_ns

    with pytest.raises(SchemaTooNewError, match=f"{len(NEXT)}.*upgrade fusion-agents"):
        RoutingLog(tmp_path / "log.db", read_only=read_only)

    assert files(tmp_path) == before
    assert (tmp_path / "log.db").stat().st_mtime_ns == changed


def test_a_newer_log_is_refused_even_if_its_writer_was_killed(tmp_path: Path) -> None:
    """Its version then stands in the write-ahead file only."""
    RoutingLog(tmp_path / "log.db").close()
    writer = run(
        """
from fusion_agents.stores.migrations import MIGRATIONS, Migration
more = Migration("colour", ("ALTER TABLE entries ADD COLUMN colour TEXT",))
file = SQLiteFile(sys.argv[1], (*MIGRATIONS, more))
os.kill(os.getpid(), signal.SIGKILL)
""",
        tmp_path / "log.db",
    )
    writer.communicate(timeout=60)
    before = files(tmp_path)
    assert before["log.db"][60:64] == len(MIGRATIONS).to_bytes(4), "the case is not the one meant"

    with pytest.raises(SchemaTooNewError):
        RoutingLog(tmp_path / "log.db")

    after = files(tmp_path)
    assert (after["log.db"], after["log.db-wal"]) == (before["log.db"], before["log.db-wal"])


def test_threads_may_make_a_log_at_the_same_time(tmp_path: Path) -> None:
    for n in range(10):
        path = tmp_path / f"{n}.db"

        def make(i: int, path: Path = path) -> int:
            with RoutingLog(path) as log:
                return log.append([entry(str(i))])

        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(make, range(4))) == [1, 1, 1, 1]

        with RoutingLog(path) as log:
            assert log.count() == 4


def test_processes_may_make_a_log_and_write_to_it_at_the_same_time(tmp_path: Path) -> None:
    code = """
print("ready", flush=True)
sys.stdin.readline()
with RoutingLog(sys.argv[1]) as log:
    for i in range(60):
        log.append([entry(f"{sys.argv[2]} {i}"), entry(f"everyone {i}")])
"""
    writers = [run(code, tmp_path / "log.db", n) for n in range(3)]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()

    results = [writer.communicate(timeout=120) for writer in writers]

    assert [(w.returncode, error) for w, (_, error) in zip(writers, results, strict=True)] == [
        (0, "")
    ] * 3
    with RoutingLog(tmp_path / "log.db") as log:
        assert log.count() == 3 * 60 + 60


def test_a_log_is_not_carried_through_a_fork(tmp_path: Path) -> None:
    child = run(
        """
log = RoutingLog(sys.argv[1])
if (pid := os.fork()) == 0:
    try:
        log.append([entry("from the child")])
    except Exception as error:
        print(type(error).__name__, error, flush=True)
    os._exit(0)
os.waitpid(pid, 0)
log.append([entry("from the parent")])
print(log.count())
log.close()
""",
        tmp_path / "log.db",
    )

    output, errors = child.communicate(timeout=60)

    assert errors == ""
    assert "StoreError" in output
    assert "before a fork" in output
    assert output.endswith("\n1\n")


def test_a_backup_is_a_log_of_its_own(tmp_path: Path) -> None:
    with RoutingLog(tmp_path / "log.db") as log:
        log.append([entry()])
        log.backup(tmp_path / "backup.db")
        log.append([entry("3 + 3?")])

    assert sorted(files(tmp_path)) == ["backup.db", "log.db"]
    with RoutingLog(tmp_path / "backup.db") as copy:
        assert list(copy.scan()) == [entry()]


def test_a_backup_replaces_nothing(tmp_path: Path) -> None:
    (tmp_path / "backup.db").write_bytes(b"precious")

    with RoutingLog(tmp_path / "log.db") as log:
        with pytest.raises(StoreError, match="it exists"):
            log.backup(tmp_path / "backup.db")
        with pytest.raises(StoreError, match="cannot back up"):
            log.backup(tmp_path / "no folder" / "backup.db")

    assert (tmp_path / "backup.db").read_bytes() == b"precious"


def test_a_backup_is_whole_while_others_write(tmp_path: Path) -> None:
    with RoutingLog(tmp_path / "log.db") as log, ThreadPoolExecutor(1) as pool:
        pairs = pool.submit(
            lambda: [log.append([entry(f"left {i}"), entry(f"right {i}")]) for i in range(100)]
        )
        for n in range(5):
            log.backup(tmp_path / f"{n}.db")
        pairs.result()

    for n in range(5):
        with RoutingLog(tmp_path / f"{n}.db") as copy:
            texts = [query.text.split() for query in copy.queries()]
        left = {i for side, i in texts if side == "left"}
        assert left == {i for side, i in texts if side == "right"}


def test_a_full_disk_is_said_and_loses_nothing_acknowledged(tmp_path: Path) -> None:
    """A disk of three megabytes, in a name space of its own."""
    code = """
import subprocess
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "none", sys.argv[1]], check=True)
log = RoutingLog(f"{sys.argv[1]}/log.db")
acknowledged = 0
try:
    while True:
        acknowledged += log.append([entry(f"{acknowledged} + 1?", response="x" * 3000)])
except Exception as error:
    print(type(error).__name__, error)
print(log.count() == acknowledged > 50)
log.close()
with RoutingLog(f"{sys.argv[1]}/log.db", read_only=True) as log:
    print([e.query.text for e in log.scan()] == [f"{i} + 1?" for i in range(acknowledged)])
"""
    unshare = ("unshare", "--user", "--map-root-user", "--mount")
    if (
        shutil.which("unshare") is None
        or subprocess.run([*unshare, "true"], check=False).returncode
    ):
        pytest.skip("needs a mount name space")

    output, errors = run(code, tmp_path, under=unshare).communicate(timeout=60)

    assert errors == ""
    assert "StoreError" in output.splitlines()[0]
    assert "the disk is full" in output.splitlines()[0]
    assert output.splitlines()[1:] == ["True", "True"]


def test_a_damaged_file_is_said(tmp_path: Path) -> None:
    with RoutingLog(tmp_path / "log.db") as log:
        log.append(entry(f"{i} + 1?") for i in range(300))
    content = bytearray((tmp_path / "log.db").read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    (tmp_path / "log.db").write_bytes(content)

    damaged = pytest.raises(StoreError, match="the file is damaged: restore a backup")
    with damaged, RoutingLog(tmp_path / "log.db") as log:
        list(log.scan())


def test_a_value_that_was_changed_behind_our_back_is_named(tmp_path: Path) -> None:
    with RoutingLog(tmp_path / "log.db") as log:
        log.append([entry()])
    with closing(sqlite3.connect(tmp_path / "log.db")) as other:
        other.execute("UPDATE entries SET performance = 7")
        other.commit()

    damaged = pytest.raises(StoreError, match=f"entry {entry().key!r} is damaged")
    with RoutingLog(tmp_path / "log.db") as log, damaged:
        list(log.scan())
