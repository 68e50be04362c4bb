"""What an encoder is: it turns texts into unit vectors."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]


class Encoder(ABC):
    """Turns texts into vectors of one length, shape (n_texts, n_dims), float32.

    Concrete encoders are keyword-only dataclasses whose fields are hyper-parameters. The name of
    the module is the encoder's name on the command line and in a saved router.
    """

    name: ClassVar[str]
    saveable: ClassVar[bool] = True
    """Whether a saved router can rebuild it; if not, it must be given again when loading."""

    def fit(self, texts: Sequence[str]) -> Self:
        """Learn from the log's query texts; encoders that come trained learn nothing."""
        return self

    def unfitted(self) -> Self:
        """A copy to fit, so that whoever uses this one keeps what it has learned."""
        return copy.copy(self)

    @abstractmethod
    def encode(self, texts: Sequence[str]) -> Vectors:
        """Encode each text on its own: the other texts of the batch change nothing.

        Empty input gives shape (0, n_dims).

        Raises:
            EncoderError: If the encoder was not fitted, or its model cannot be had.
        """

    @property
    @abstractmethod
    def identity(self) -> str:
        """Names the encoder and everything that its vectors depend on."""

    @property
    def portable(self) -> "Encoder":
        """What a saved router keeps of it: itself, or what it is wrapped around."""
        return self


class NoEncoder(Encoder):
    """For routers that do not look at the query: vectors of length zero."""

    name = "none"
    saveable = False

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return an array of shape (n_texts, 0)."""
        return np.zeros((len(texts), 0), dtype=np.float32)

    @property
    def identity(self) -> str:
        """Always `none`."""
        return "none"
