"""Any LangChain embeddings as an encoder."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from fusion_agents.encoders.base import Encoder, Vectors
from fusion_agents.encoders.encodable import encodable
from fusion_agents.errors import EncoderError

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings

_NAMING = (
    "model", "model_name", "model_id", "repo_id", "deployment", "azure_deployment", "dimensions",
    "size",
)  # fmt: skip


@dataclass(kw_only=True)
class LangChainEncoder(Encoder):
    """Unit vectors from LangChain embeddings, as from `OpenAIEmbeddings`.

    All texts go through `embed_documents`, so that a logged query and a new one meet in the same
    space. What UTF-8 cannot hold is replaced and an empty text is sent as a full stop, because
    providers refuse both. A saved router cannot rebuild the embeddings: give the same ones when
    loading it; a saved vector tells whether they are the same.

    Args:
        embeddings: What computes the vectors.
        batch_size: Largest number of texts in one call.
    """

    name = "langchain-embeddings"
    saveable = False

    embeddings: "Embeddings" = field(repr=False)
    batch_size: int = 256

    n_dims_: int | None = field(default=None, init=False, repr=False, compare=False)

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Encode each text as a unit vector.

        Raises:
            EncoderError: If the embeddings fail, or give other than one finite vector a text, all
                of one length.
        """
        if not len(texts) and self.n_dims_ is None:
            return self._embed(["."])[:0]
        batches = [
            self._embed([encodable(text) for text in texts[start : start + self.batch_size]])
            for start in range(0, len(texts), self.batch_size)
        ]
        return np.concatenate(batches) if batches else np.zeros((0, self.n_dims_ or 0), np.float32)

    @property
    def identity(self) -> str:
        """Class and model of the embeddings; their other settings may be secrets."""
        cls = type(self.embeddings)
        known = ((name, getattr(self.embeddings, name, None)) for name in _NAMING)
        named = [f"{name}={value}" for name, value in known if isinstance(value, str | int)]
        return ":".join([self.name, f"{cls.__module__}.{cls.__qualname__}", *named])

    def _embed(self, texts: list[str]) -> Vectors:
        try:
            raw = self.embeddings.embed_documents(texts)
        except Exception as error:  # providers share no base class
            raise EncoderError(
                f"{type(self.embeddings).__name__} could not embed {len(texts)} texts: "
                f"{type(error).__name__}: {error}"
            ) from error
        return self._checked(raw, len(texts))

    def _checked(self, raw: Sequence[Sequence[float]], n_texts: int) -> Vectors:
        lengths = {len(vector) for vector in raw}
        expected = {self.n_dims_} if self.n_dims_ is not None else lengths
        if len(raw) != n_texts or len(lengths) != 1 or lengths != expected:
            raise EncoderError(
                f"{type(self.embeddings).__name__} gave {len(raw)} vectors of lengths "
                f"{sorted(lengths)} for {n_texts} texts: expected one of length "
                f"{self.n_dims_ or 'n'} each"
            )
        vectors = np.asarray(raw, dtype=np.float64)
        if not np.isfinite(vectors).all():
            raise EncoderError(f"{type(self.embeddings).__name__} gave vectors that are not finite")
        self.n_dims_ = lengths.pop()
        norm = np.linalg.norm(vectors, axis=1, keepdims=True)
        unit = np.divide(vectors, norm, out=np.zeros_like(vectors), where=norm > 0)
        return np.asarray(unit, dtype=np.float32)
