import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np
import pytest

from fusion_agents.encoders.artefact import encoder_from_json, encoder_to_json
from fusion_agents.encoders.base import Encoder, Vectors
from fusion_agents.encoders.cache import CachedEncoder, MemoryCache, VectorCache
from fusion_agents.encoders.lexical import LexicalEncoder
from fusion_agents.errors import StoreError
from fusion_agents.packing import Arrays
from fusion_agents.stores.vector_cache import VectorFile
from fusion_agents.testing.encoder_contract import TEXTS, EncoderContract


class TestCachedInMemory(EncoderContract):
    def make(self) -> Encoder:
        return CachedEncoder(encoder=LexicalEncoder())


class TestCachedInFile(EncoderContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.path = tmp_path / "vectors.db"

    def make(self) -> Encoder:
        return CachedEncoder(encoder=LexicalEncoder(), cache=VectorFile(path=self.path))


@dataclass(kw_only=True)
class Counting(Encoder):
    """Encodes a text as its length, and counts the texts that it was asked for."""

    name = "counting"

    version: str = "1"
    asked: list[str] = field(default_factory=list)

    def fit(self, texts: Sequence[str]) -> Self:
        self.version = f"fitted on {len(texts)}"
        return self

    def encode(self, texts: Sequence[str]) -> Vectors:
        self.asked += texts
        angles = np.array([len(text) for text in texts], dtype=np.float32)
        return np.column_stack([np.cos(angles), np.sin(angles)])

    @property
    def identity(self) -> str:
        return f"counting-{self.version}"


@pytest.fixture(params=["memory", "file"])
def cache(request: pytest.FixtureRequest, tmp_path: Path) -> VectorCache:
    if request.param == "memory":
        return MemoryCache()
    return VectorFile(path=tmp_path / "vectors.db")


def test_no_text_is_encoded_twice(cache: VectorCache) -> None:
    inner = Counting()
    encoder = CachedEncoder(encoder=inner, cache=cache)
    first = encoder.encode(["a", "bb", "a"])
    second = encoder.encode(["bb", "ccc", "a"])
    assert inner.asked == ["a", "bb", "ccc"]
    np.testing.assert_array_equal(first[[1, 0]], second[[0, 2]])
    np.testing.assert_array_equal(second, Counting().encode(["bb", "ccc", "a"]))


def test_an_encoder_that_is_fitted_again_finds_none_of_its_old_vectors(cache: VectorCache) -> None:
    inner = Counting()
    encoder = CachedEncoder(encoder=inner, cache=cache)
    encoder.encode(["a"])
    encoder.fit(["b", "c"])
    encoder.encode(["a"])
    assert inner.asked == ["a", "a"]


def test_two_encoders_share_a_cache_without_mixing_their_vectors(cache: VectorCache) -> None:
    first, second = Counting(version="1"), Counting(version="2")
    CachedEncoder(encoder=first, cache=cache).encode(["a"])
    CachedEncoder(encoder=second, cache=cache).encode(["a"])
    assert second.asked == ["a"]


def test_memory_is_bounded_and_drops_what_was_not_used_for_longest() -> None:
    inner = Counting()
    encoder = CachedEncoder(encoder=inner, cache=MemoryCache(max_vectors=2))
    for text in ("a", "bb", "a", "ccc", "a", "bb"):
        encoder.encode([text])
    assert inner.asked == ["a", "bb", "ccc", "bb"]


def test_a_batch_larger_than_memory_is_encoded_whole() -> None:
    encoder = CachedEncoder(encoder=Counting(), cache=MemoryCache(max_vectors=2))
    assert len(encoder.encode([str(i) for i in range(9)])) == 9


def test_a_file_is_found_again_by_the_next_process_and_is_private(tmp_path: Path) -> None:
    path = tmp_path / "vectors.db"
    texts = [f"text {i}" for i in range(1_200)]
    CachedEncoder(encoder=Counting(), cache=VectorFile(path=path)).encode(texts)
    inner = Counting()
    CachedEncoder(encoder=inner, cache=VectorFile(path=path)).encode(texts)
    assert inner.asked == []
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_reading_alone_makes_no_file(tmp_path: Path) -> None:
    assert VectorFile(path=tmp_path / "vectors.db").read([b"key"]) == {}
    assert not (tmp_path / "vectors.db").exists()


def test_a_file_that_is_no_cache_is_refused_by_name_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database, but long enough to be looked at. " * 40)
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"notes\.txt"):
        CachedEncoder(encoder=Counting(), cache=VectorFile(path=path)).encode(["a"])
    assert path.read_bytes() == before


def test_a_folder_that_does_not_exist_is_a_store_error(tmp_path: Path) -> None:
    cache = VectorFile(path=tmp_path / "none" / "vectors.db")
    with pytest.raises(StoreError, match="delete it or name another file"):
        CachedEncoder(encoder=Counting(), cache=cache).encode(["a"])


def test_a_saved_router_holds_the_encoder_without_its_cache() -> None:
    arrays: Arrays = {}
    cached = CachedEncoder(encoder=LexicalEncoder()).fit(TEXTS)
    loaded = encoder_from_json(encoder_to_json(cached, arrays), arrays, None)
    assert isinstance(loaded, LexicalEncoder)
    assert loaded.identity == cached.identity
