"""Words and meaning side by side: the lexical encoder and a sentence encoder."""

import copy
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from fusion_agents.encoders.base import Encoder, Vectors
from fusion_agents.encoders.lexical import LexicalEncoder, LexicalState
from fusion_agents.encoders.minilm import MiniLMEncoder
from fusion_agents.encoders.transformer import TransformerEncoder
from fusion_agents.errors import EncoderError


@dataclass(kw_only=True)
class HybridEncoder(Encoder):
    """The vectors of two encoders, one after the other: cosines are the mean of theirs.

    Args:
        words: Learns from the log; it stays as it is, the hybrid keeps what was learned.
        meaning: Comes trained.
        weight: Of the meaning; that of the words is what is left of 1.
    """

    name = "hybrid"

    words: LexicalEncoder = field(default_factory=LexicalEncoder)
    # in this order, a saved one is told apart: the first has no options
    meaning: MiniLMEncoder | TransformerEncoder = field(default_factory=MiniLMEncoder)
    weight: float = 0.5

    state_: LexicalState | None = field(default=None, init=False, repr=False, compare=False)
    learned_: LexicalEncoder | None = field(default=None, init=False, repr=False, compare=False)

    def fit(self, texts: Sequence[str]) -> Self:
        """Learn words.

        Raises:
            EncoderError: If there is no text, or the weight does not lie in [0, 1].
        """
        if not 0 <= self.weight <= 1:
            raise EncoderError(f"the weight of the hybrid encoder is {self.weight}: give 0 to 1")
        self.learned_ = copy.copy(self.words).fit(texts)
        self.state_ = self.learned_.state_
        return self

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Encode each text as a unit vector, words first.

        Raises:
            EncoderError: If it was not fitted, or one of the two cannot encode.
        """
        words = self._learned().encode(texts) * np.float32(np.sqrt(1 - self.weight))
        meaning = self.meaning.encode(texts) * np.float32(np.sqrt(self.weight))
        both = np.hstack([words, meaning])
        length = np.linalg.norm(both, axis=1, keepdims=True)
        unit: Vectors = np.divide(both, length, out=np.zeros_like(both), where=length > 0)
        return unit

    @property
    def identity(self) -> str:
        """A digest of what both encoders are, and of the weight."""
        content = f"{self._learned().identity} {self.meaning.identity} {self.weight!r}"
        return f"{self.name}-{hashlib.sha256(content.encode()).hexdigest()[:16]}"

    def _learned(self) -> LexicalEncoder:
        if self.state_ is None:
            raise EncoderError("the hybrid encoder is not fitted: call fit with the log's texts")
        if self.learned_ is None or self.learned_.state_ is not self.state_:
            self.learned_ = copy.copy(self.words)
            self.learned_.state_ = self.state_
            self.learned_.index_ = None
        return self.learned_
