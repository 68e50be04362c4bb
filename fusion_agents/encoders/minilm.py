"""A small sentence encoder, all-MiniLM-L6-v2, as Chroma ships it for ONNX."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from fusion_agents.encoders.base import Encoder, Vectors
from fusion_agents.encoders.encodable import encodable
from fusion_agents.errors import EncoderError

if TYPE_CHECKING:
    from chromadb.utils.embedding_functions.onnx_mini_lm_l6_v2 import ONNXMiniLM_L6_V2

_DIMENSIONS = 384
_MAX_CHARS = 8_000


@dataclass(kw_only=True)
class MiniLMEncoder(Encoder):
    """Sentence vectors from all-MiniLM-L6-v2, with 384 dimensions.

    The first use downloads the model (80 MB) with a progress bar, checks its SHA-256 and keeps it
    under `~/.cache/chroma`. The model reads the first 256 word pieces of a text. It takes tens of
    milliseconds of processor time a text; put a `CachedEncoder` around it where texts come again.
    """

    name = "minilm"

    model_: "ONNXMiniLM_L6_V2 | None" = field(default=None, init=False, repr=False, compare=False)

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Encode each text as a unit vector, shape (n_texts, 384).

        Raises:
            EncoderError: If the model cannot be downloaded or read.
        """
        if not len(texts):
            return np.zeros((0, _DIMENSIONS), dtype=np.float32)
        model = self._model()
        folder, url = model.DOWNLOAD_PATH, model.MODEL_DOWNLOAD_URL
        try:
            vectors = model([encodable(text, _MAX_CHARS) for text in texts])
        except Exception as error:  # httpx, tarfile and onnxruntime share no base class
            raise EncoderError(
                f"the encoder 'minilm' could not be loaded: {error or type(error).__name__}; it "
                f"is downloaded from {url} on first use. Offline, put {model.ARCHIVE_FILENAME} "
                f"from there into {folder}, or use the encoder 'lexical', which needs no "
                "download. If the download was cut short, delete that folder and try again"
            ) from error
        return np.asarray(vectors, dtype=np.float32)

    @property
    def identity(self) -> str:
        """The model's name and the SHA-256 of its files."""
        model = self._model()
        return f"{self.name}-{model.MODEL_NAME}-{model._MODEL_SHA256[:16]}"

    def _model(self) -> "ONNXMiniLM_L6_V2":
        if self.model_ is None:
            from chromadb.utils.embedding_functions.onnx_mini_lm_l6_v2 import (  # noqa: PLC0415
                ONNXMiniLM_L6_V2,
            )

            self.model_ = ONNXMiniLM_L6_V2(preferred_providers=["CPUExecutionProvider"])
        return self.model_
