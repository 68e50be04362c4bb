"""Keeps vectors, so that no text is encoded twice."""

import copy
import hashlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from fusion_agents.encoders.base import Encoder, Vectors

Vector = NDArray[np.float32]


class VectorCache(Protocol):
    """Where vectors are kept, by a key that names the encoder and the text."""

    def read(self, keys: Sequence[bytes]) -> dict[bytes, Vector]:
        """Find those of the keys that are kept."""

    def write(self, vectors: Mapping[bytes, Vector]) -> None:
        """Keep vectors; a key that is kept already may be overwritten."""


@dataclass(kw_only=True)
class MemoryCache:
    """Keeps the vectors that were used last, in memory.

    Args:
        max_vectors: Largest number kept; 100,000 vectors of 384 dimensions take about 170 MB.
    """

    max_vectors: int = 100_000

    kept_: "OrderedDict[bytes, Vector]" = field(
        default_factory=OrderedDict, init=False, repr=False, compare=False
    )
    lock_: Lock = field(default_factory=Lock, init=False, repr=False, compare=False)

    def read(self, keys: Sequence[bytes]) -> dict[bytes, Vector]:
        """Find those of the keys that are kept, and remember that they were used."""
        with self.lock_:
            found = {key: self.kept_[key] for key in keys if key in self.kept_}
            for key in found:
                self.kept_.move_to_end(key)
        return found

    def write(self, vectors: Mapping[bytes, Vector]) -> None:
        """Keep vectors, and drop the ones that were not used for longest."""
        with self.lock_:
            self.kept_.update(vectors)
            while len(self.kept_) > self.max_vectors:
                self.kept_.popitem(last=False)


@dataclass(kw_only=True)
class CachedEncoder(Encoder):
    """Encodes a text only if its vector is not kept yet.

    Vectors are kept by the encoder's identity and the text, so an encoder that was fitted again
    finds none of its old ones. A router saved with a cached encoder holds the encoder without
    its cache.

    Args:
        encoder: What encodes the texts that are new.
        cache: Where vectors are kept: in memory, or in a file by
            `fusion_agents.stores.vector_cache.VectorFile`.
    """

    name = "cache"
    saveable = False

    encoder: Encoder
    cache: VectorCache = field(default_factory=MemoryCache)

    def fit(self, texts: Sequence[str]) -> Self:
        """Fit the encoder that is cached."""
        self.encoder.fit(texts)
        return self

    def unfitted(self) -> Self:
        """A copy around a copy of the encoder; both keep their vectors in one cache."""
        fresh = copy.copy(self)
        fresh.encoder = self.encoder.unfitted()
        return fresh

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Look up what is kept and encode the rest, each different text once.

        Raises:
            EncoderError: If the encoder cannot encode.
            StoreError: If the file of a persistent cache cannot be used.
        """
        identity = self.encoder.identity
        keys = [_key(identity, text) for text in texts]
        found = self.cache.read(list(dict.fromkeys(keys)))
        missing = {k: text for k, text in zip(keys, texts, strict=True) if k not in found}
        if missing:
            encoded = self.encoder.encode(list(missing.values()))
            new = dict(zip(missing, encoded, strict=True))
            self.cache.write(new)
            found |= new
        if not keys:
            return self.encoder.encode([])
        return np.stack([found[key] for key in keys])

    @property
    def identity(self) -> str:
        """That of the encoder: a cache changes no vector."""
        return self.encoder.identity

    @property
    def portable(self) -> Encoder:
        """The encoder without its cache."""
        return self.encoder.portable


def _key(identity: str, text: str) -> bytes:
    content = f"{identity}\0{text}".encode("utf-8", "surrogatepass")
    return hashlib.blake2b(content, digest_size=16).digest()
