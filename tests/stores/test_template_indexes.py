import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from langchain_core.vectorstores import InMemoryVectorStore

from fusion_agents.encoders.base import Vectors
from fusion_agents.errors import ConfigError, StoreError
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.stores.template_indexes.base import Mark, TemplateIndex
from fusion_agents.stores.template_indexes.chroma import ChromaIndex
from fusion_agents.stores.template_indexes.exact import ExactIndex
from fusion_agents.stores.template_indexes.vector_store import VectorStoreIndex
from fusion_agents.stores.template_store import TemplateStore
from tests.stores.template_cases import QUESTIONS, template

ROOT = Path(__file__).parents[2]


def unit(count: int, seed: int = 0) -> Vectors:
    vectors = np.random.default_rng(seed).standard_normal((count, 8)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture(params=["exact", "chroma", "langchain"])
def index(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TemplateIndex]:
    made: TemplateIndex
    if request.param == "exact":
        made = ExactIndex()
    elif request.param == "chroma":
        made = ChromaIndex(tmp_path / "index")
    else:
        made = VectorStoreIndex(lambda _name, embeddings: InMemoryVectorStore(embeddings))
    yield made
    made.close()


@pytest.fixture
def log(tmp_path: Path) -> Iterator[RoutingLog]:
    with RoutingLog(tmp_path / "routing.db") as opened:
        yield opened


def test_the_nearest_vectors_come_first(index: TemplateIndex) -> None:
    vectors = unit(50)
    index.upsert("one", [f"id-{i}" for i in range(50)], vectors)
    found = index.query("one", vectors[7], 5)
    expected = np.argsort(-(vectors @ vectors[7]), kind="stable")[:5]
    assert [key for key, _ in found] == [f"id-{i}" for i in expected]
    assert found[0][1] == pytest.approx(1, abs=1e-4)
    assert len(index.query("one", vectors[0], 99)) == 50


def test_collections_are_apart(index: TemplateIndex) -> None:
    index.upsert("one", ["a"], unit(1))
    index.upsert("two", ["b"], unit(1))
    assert [key for key, _ in index.query("one", unit(1)[0], 3)] == ["a"]
    index.drop("one")
    assert index.query("one", unit(1)[0], 3) == []
    assert [key for key, _ in index.query("two", unit(1)[0], 3)] == ["b"]


def test_vectors_are_replaced_and_deleted_by_their_id(index: TemplateIndex) -> None:
    vectors = unit(4)
    index.upsert("one", ["a", "b", "c"], vectors[:3])
    index.upsert("one", ["b"], vectors[3:])
    index.delete("one", ["a", "nobody"])
    index.seal("one", 1)
    assert index.mark("one") == Mark(1, 2)
    assert [key for key, _ in index.query("one", vectors[3], 1)] == ["b"]
    assert {key for key, _ in index.query("one", vectors[0], 9)} == {"b", "c"}


def test_a_collection_has_a_mark_once_it_is_sealed(index: TemplateIndex) -> None:
    assert index.mark("one") is None
    index.upsert("one", ["a"], unit(1))
    assert index.mark("one") is None
    index.seal("one", 7)
    assert index.mark("one") == Mark(7, 1)
    index.seal("two", 8)
    assert index.mark("two") == Mark(8, 0)
    index.drop()
    assert index.mark("one") is None
    index.upsert("one", ["b"], unit(1))
    assert [key for key, _ in index.query("one", unit(1)[0], 3)] == ["b"]


def test_a_store_on_any_index_finds_the_same(index: TemplateIndex, log: RoutingLog) -> None:
    store = TemplateStore(log, index)
    store.add(map(template, range(40)))
    store.retire([template(3).id], "no")
    store.add([template(50, tenant="acme")])
    exact = TemplateStore(log)
    for number in range(5):
        for tenant in ("default", "acme"):
            hits = store.search(QUESTIONS[number], 3, tenant=tenant)
            same = exact.search(QUESTIONS[number], 3, tenant=tenant)
            assert [hit.template for hit in hits] == [hit.template for hit in same]
    store.restore([template(3).id])
    assert store.search(QUESTIONS[3], 1)[0].template == template(3)
    assert store.forget(query_ids=["query-3"]).templates == 1
    assert store.search(QUESTIONS[3], 1)[0].template != template(3)
    assert store.rebuild() == 40


def test_what_was_closed_properly_is_not_filled_again(log: RoutingLog, tmp_path: Path) -> None:
    with TemplateStore(log, ChromaIndex(tmp_path / "index")) as store:
        store.add(map(template, range(5)))
        store.search("anything")
    before = subfolders(tmp_path / "index")
    with TemplateStore(log, ChromaIndex(tmp_path / "index")) as store:
        assert store.search(QUESTIONS[1], 1)[0].template == template(1)
    assert subfolders(tmp_path / "index") == before


def subfolders(folder: Path) -> set[str]:
    return {one.name for one in folder.iterdir() if one.is_dir()}


def _empty_the_pickle(folder: Path) -> None:
    (path,) = folder.rglob("index_metadata.pickle")
    path.write_bytes(b"")


def _delete(name: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        for path in folder.rglob(name):
            path.unlink()

    return damage


def _flip(name: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        (path,) = folder.rglob(name)
        content = bytearray(path.read_bytes())
        for at in range(len(content) // 3, len(content), max(len(content) // 50, 1)):
            content[at] ^= 0xFF
        path.write_bytes(content)

    return damage


def _replace_subfolder(folder: Path) -> None:
    (name,) = subfolders(folder)
    shutil.rmtree(folder / name)
    (folder / name).write_text("a file")


def _forget_the_end(folder: Path) -> None:
    """As a kill leaves it."""
    path = folder / "fusion-agents-templates.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"digest": None}))


DAMAGES = {
    "an empty pickle": _empty_the_pickle,
    "no pickle": _delete("index_metadata.pickle"),
    "no database": _delete("chroma.sqlite3"),
    "no vectors": _delete("data_level0.bin"),
    "no manifest": _delete("fusion-agents-templates.json"),
    "flipped bytes in the database": _flip("chroma.sqlite3"),
    "flipped bytes in the vectors": _flip("data_level0.bin"),
    "flipped bytes in the manifest": _flip("fusion-agents-templates.json"),
    "a file in place of the folder": _replace_subfolder,
    "a kill": _forget_the_end,
}


@pytest.fixture(scope="session")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log and a closed index of it, large enough for Chroma to have written its graph."""
    folder = tmp_path_factory.mktemp("closed")
    with (
        RoutingLog(folder / "routing.db") as log,
        TemplateStore(log, ChromaIndex(folder / "index")) as store,
    ):
        store.add(map(template, range(2_100)))
        store.search("anything")
    return folder


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_index_is_filled_again(
    damage: Callable[[Path], None], closed: Path, tmp_path: Path
) -> None:
    shutil.copytree(closed, folder := tmp_path / "copy")
    damage(folder / "index")
    with (
        RoutingLog(folder / "routing.db") as log,
        TemplateStore(log, ChromaIndex(folder / "index")) as store,
    ):
        for number in range(0, 2_100, 200):
            (hit,) = store.search(template(number).question, 1)
            assert hit.template == template(number)
    assert len(subfolders(folder / "index")) == 1


def test_an_index_that_breaks_while_it_is_open_is_filled_again(
    log: RoutingLog, tmp_path: Path
) -> None:
    with TemplateStore(log, ChromaIndex(tmp_path / "index")) as store:
        store.add(map(template, range(5)))
        store.search("anything")
        (name,) = subfolders(tmp_path / "index")
        shutil.rmtree(tmp_path / "index" / name)
        store.add([template(7)])
        assert store.search(template(7).question, 1)[0].template == template(7)


def test_an_index_that_lost_or_gained_vectors_is_filled_again(
    index: TemplateIndex, log: RoutingLog
) -> None:
    store = TemplateStore(log, index)
    store.add(map(template, range(5)))
    place = store._follower.place("default")
    assert place is not None
    index.delete(place.collection, [template(2).id])
    index.upsert(place.collection, ["nobody", "nobody else"], store.encode(QUESTIONS[:2]))
    again = TemplateStore(log, index)
    assert again.search(QUESTIONS[2], 1)[0].template == template(2)


def test_nothing_forgotten_without_the_index_stays_in_it(log: RoutingLog, tmp_path: Path) -> None:
    with TemplateStore(log, ChromaIndex(tmp_path / "index")) as store:
        store.add([template(0), template(1, tenant="acme")])
        assert store.search(QUESTIONS[1], tenant="acme")
    assert log.forget(tenants=["acme"]).templates == 1
    with TemplateStore(log, ChromaIndex(tmp_path / "index")) as store:
        assert store.search(QUESTIONS[0], tenant="acme") == []
        assert store.search(QUESTIONS[0])
        with store._index._using() as chroma:  # type: ignore[attr-defined]
            assert len(chroma.names) == 2
    gone = template(1, tenant="acme").id.encode()
    for path in (tmp_path / "index").rglob("*"):
        assert path.is_dir() or gone not in path.read_bytes()


@pytest.mark.parametrize("kind", ["files", "chroma", "file", "no parent"])
def test_a_folder_of_something_else_is_refused_and_left_alone(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "folder"
    if kind == "file":
        path.write_text("precious")
    elif kind == "no parent":
        path = path / "below"
    else:
        path.mkdir()
        (path / ("chroma.sqlite3" if kind == "chroma" else "thesis.txt")).write_text("precious")
    before = {str(one) for one in tmp_path.rglob("*")}
    with pytest.raises(StoreError, match="template index"):
        ChromaIndex(path)
    assert {str(one) for one in tmp_path.rglob("*")} == before


_HOLD = """
import sys
from fusion_agents.stores.template_indexes.chroma import ChromaIndex
index = ChromaIndex(sys.argv[1])
print("ready", flush=True)
sys.stdin.read()
"""


def test_a_second_process_is_told_who_holds_the_folder(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(tmp_path / "index")],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "ready\n"
        started = time.monotonic()
        with pytest.raises(StoreError, match=rf"in use by process {holder.pid} on .* since 20"):
            ChromaIndex(tmp_path / "index")
        assert time.monotonic() - started < 1
        holder.kill()
    ChromaIndex(tmp_path / "index").close()


def test_the_same_process_cannot_open_a_folder_twice_either(tmp_path: Path) -> None:
    index = ChromaIndex(tmp_path / "index")
    with pytest.raises(StoreError, match=f"in use by process {os.getpid()}"):
        ChromaIndex(tmp_path / "index")
    index.close()
    index.close()
    with pytest.raises(StoreError, match="is closed"):
        index.mark("one")


def test_only_the_user_may_read_the_folder(tmp_path: Path) -> None:
    with ChromaIndex(tmp_path / "index")._using():
        assert (tmp_path / "index").stat().st_mode & 0o777 == 0o700


def _listens(port: int) -> bool:
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """Address of a Chroma server on loopback."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = Path(sys.executable).with_name("chroma")
    address = ("--host", "127.0.0.1", "--port", str(port))
    with subprocess.Popen(
        [program, "run", "--path", str(tmp_path / "server"), *address],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as server:
        while not _listens(port):
            assert server.poll() is None
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
        server.kill()


def test_several_processes_may_share_a_server(url: str, log: RoutingLog) -> None:
    with (
        TemplateStore(log, ChromaIndex(url)) as one,
        TemplateStore(log, ChromaIndex(url)) as two,
    ):
        one.add(map(template, range(10)))
        assert one.search(QUESTIONS[1], 1)[0].template == template(1)
        assert two.search(QUESTIONS[1], 1)[0].template == template(1)
        two.retire([template(1).id], "no")
        assert one.search(QUESTIONS[1], 1)[0].template != template(1)
        two.rebuild()
        assert one.search(QUESTIONS[2], 1)[0].template == template(2)


def test_a_server_that_is_not_there_is_named() -> None:
    index = ChromaIndex("http://127.0.0.1:9")
    with pytest.raises(StoreError, match=r"Chroma server http://127.0.0.1:9 cannot be reached"):
        index.mark("one")
    with pytest.raises(ConfigError, match="no address"):
        ChromaIndex("http://:8000")
