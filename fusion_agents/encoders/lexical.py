"""The default encoder: weighted words and characters, learned from the log, no download."""

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from fusion_agents.encoders.base import Encoder, Vectors
from fusion_agents.encoders.text_format import FEATURES, format_features
from fusion_agents.errors import EncoderError
from fusion_agents.threads import one_thread

_TOKEN = re.compile(r"\w+|[^\w\s]")
_SEPARATOR = "\n"
_OVERSAMPLING = 10
_REMEMBERED = 50_000
"""Most tokens whose n-grams are kept in memory."""


@dataclass(frozen=True, eq=False)
class LexicalState:
    """What the lexical encoder learned."""

    words: str
    """Word 1-grams and 2-grams, in order, separated by line feeds."""
    chars: str
    """Character n-grams, in order, separated by line feeds."""
    idf: NDArray[np.float32]
    """Shape (n_terms,), words first."""
    components: NDArray[np.float32]
    """Term vectors, shape (n_terms, n_components), rounded to half precision."""
    feature_mean: NDArray[np.float64]
    feature_std: NDArray[np.float64]

    @cached_property
    def digest(self) -> str:
        """Of all of it; computed once, for it goes through tens of megabytes."""
        digest = hashlib.sha256()
        for text in (self.words, self.chars):
            digest.update(text.encode("utf-8", "surrogatepass"))
        for array in (self.idf, self.components, self.feature_mean, self.feature_std):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()


@dataclass(kw_only=True)
class LexicalEncoder(Encoder):
    """Words and character n-grams, TF-IDF, truncated SVD and features of the text's format.

    Words (1- and 2-grams) and characters within words (3- to 5-grams) of the first `max_chars`
    characters are weighted by sublinear TF-IDF, each block normalised to length 1, and projected
    onto the leading singular vectors of the log. Format features (length, options, code, formulas,
    scripts) are standardised and appended with total weight `format_weight`. On real logs it
    routes as well as a small sentence encoder, at a tenth of the time, and works offline.

    Args:
        n_components: Largest number of singular vectors.
        n_words: Largest number of word n-grams kept, the most frequent first.
        n_chars: Largest number of character n-grams kept.
        max_chars: Only this many characters of a text are read for n-grams.
        format_weight: Length of the format features beside the unit-length SVD vector.
    """

    name = "lexical"

    n_components: int = 256
    n_words: int = 20_000
    n_chars: int = 15_000
    max_chars: int = 3_000
    format_weight: float = 0.5

    state_: LexicalState | None = field(default=None, init=False, repr=False, compare=False)
    index_: "Positions | None" = field(default=None, init=False, repr=False, compare=False)

    def fit(self, texts: Sequence[str]) -> Self:
        """Learn vocabulary, weights and singular vectors; the order of the texts does not matter.

        Raises:
            EncoderError: If there is no text.
        """
        if not texts:
            raise EncoderError("the lexical encoder cannot learn from an empty list of texts")
        with one_thread():
            self._fit(sorted(texts))
        return self

    def _fit(self, texts: Sequence[str]) -> None:
        words, chars = _vocabularies(list(map(self._tokens, texts)), self.n_words, self.n_chars)
        index = Positions(words, chars)
        counts = self._count(texts, index)
        frequency = np.bincount(counts.indices, minlength=counts.shape[1])
        idf = (np.log((1 + len(texts)) / (1 + frequency)) + 1).astype(np.float32)
        features = format_features(texts)
        self.state_ = LexicalState(
            words=_SEPARATOR.join(words),
            chars=_SEPARATOR.join(chars),
            idf=idf,
            components=_singular_vectors(_weigh(counts, idf, len(words)), self.n_components),
            feature_mean=features.mean(axis=0),
            feature_std=features.std(axis=0),
        )
        self.index_ = index

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Encode each text as a unit vector."""
        state = self._fitted()
        if self.index_ is None:
            self.index_ = Positions(_split(state.words), _split(state.chars))
        weighted = _weigh(self._count(texts, self.index_), state.idf, len(self.index_.words))
        semantic = _unit(np.asarray(weighted @ state.components))
        scale = np.where(state.feature_std > 0, state.feature_std, 1.0)
        deviation = (format_features(texts) - state.feature_mean) / scale
        shape = np.clip(deviation, -4, 4) * (self.format_weight / np.sqrt(len(FEATURES)))
        return _unit(np.hstack([semantic, shape.astype(np.float32)]))

    @property
    def identity(self) -> str:
        """Name, hyper-parameters and a digest of what was learned."""
        content = f"{self!r} {self._fitted().digest}"
        return f"lexical-{hashlib.sha256(content.encode()).hexdigest()[:16]}"

    def _fitted(self) -> LexicalState:
        if self.state_ is None:
            raise EncoderError("the lexical encoder is not fitted: call fit with the log's texts")
        return self.state_

    def _tokens(self, text: str) -> list[str]:
        return _TOKEN.findall(text[: self.max_chars].lower())

    def _count(self, texts: Sequence[str], index: "Positions") -> "csr_array":
        columns: list[int] = []
        values: list[int] = []
        ends = [0]
        for text in texts:
            tokens = self._tokens(text)
            counted = Counter(p for p in map(index.words.get, _word_grams(tokens)) if p is not None)
            for token, times in Counter(tokens).items():
                for position in index.chars_of(token):
                    counted[position] += times
            columns += counted.keys()
            values += counted.values()
            ends.append(len(columns))
        shape = (len(texts), len(index.words) + len(index.chars))
        return csr_array((np.array(values, dtype=np.float32), columns, ends), shape=shape)


class Positions:
    """Where each term stands; the n-grams of tokens that were seen are remembered."""

    def __init__(self, words: Sequence[str], chars: Sequence[str]) -> None:
        self.words = {term: i for i, term in enumerate(words)}
        self.chars = {term: len(words) + i for i, term in enumerate(chars)}
        self._of_token: dict[str, tuple[int, ...]] = {}

    def chars_of(self, token: str) -> tuple[int, ...]:
        """Positions of a token's character n-grams, with repetitions."""
        known = self._of_token.get(token)
        if known is None:
            found = map(self.chars.get, _char_grams(token))
            known = tuple(position for position in found if position is not None)
            if len(self._of_token) < _REMEMBERED:
                self._of_token[token] = known
        return known


def _word_grams(tokens: Sequence[str]) -> list[str]:
    return [*tokens, *(f"{a} {b}" for a, b in pairwise(tokens))]


def _char_grams(token: str) -> list[str]:
    padded = f" {token} "
    return [padded[i : i + n] for n in (3, 4, 5) for i in range(len(padded) - n + 1)]


def _vocabularies(
    tokenised: Sequence[Sequence[str]], n_words: int, n_chars: int
) -> tuple[list[str], list[str]]:
    """The word n-grams that most texts contain, and the character n-grams of most tokens."""
    words: Counter[str] = Counter()
    tokens_in: Counter[str] = Counter()
    for tokens in tokenised:
        words.update(set(_word_grams(tokens)))
        tokens_in.update(set(tokens))
    chars: Counter[str] = Counter()
    for token, texts in tokens_in.items():
        for gram in set(_char_grams(token)):
            chars[gram] += texts
    return _most_common(words, n_words, 2), _most_common(chars, n_chars, 3)


def _most_common(frequency: "Counter[str]", limit: int, at_least: int) -> list[str]:
    """The most frequent terms; equally frequent ones in alphabetical order."""
    frequent = [term for term, count in frequency.items() if count >= at_least]
    return sorted(frequent, key=lambda term: (-frequency[term], term))[:limit]


def _split(terms: str) -> list[str]:
    return terms.split(_SEPARATOR) if terms else []


def _weigh(counts: "csr_array", idf: NDArray[np.float32], n_words: int) -> "csr_array":
    """Sublinear TF-IDF, words and characters each normalised to length 1."""
    weighted = counts.copy()
    weighted.data = (1 + np.log(weighted.data)) * idf[weighted.indices]
    row = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
    block = 2 * row + (weighted.indices >= n_words)
    length = np.sqrt(np.bincount(block, weights=weighted.data**2, minlength=2 * counts.shape[0]))
    weighted.data = (weighted.data / length[block]).astype(np.float32)
    return weighted


def _singular_vectors(weighted: "csr_array", n_components: int) -> NDArray[np.float32]:
    """Leading right singular vectors, shape (n_terms, rank), by randomised range finding.

    Source: Halko, Martinsson and Tropp (2011), algorithm 4.4, with two power iterations. The
    right singular vectors follow from the eigenvectors of a small Gram matrix.
    """
    rank = min(n_components, *weighted.shape)
    width = min(rank + _OVERSAMPLING, *weighted.shape)
    if rank == 0:
        return np.zeros((weighted.shape[1], 0), dtype=np.float32)
    start = np.random.default_rng(0).standard_normal((weighted.shape[1], width), dtype=np.float32)
    transposed = weighted.T.tocsr()
    basis = _orthonormal(weighted @ start)
    for _ in range(2):
        basis = _orthonormal(weighted @ _orthonormal(transposed @ basis))
    vectors = _orthonormal(transposed @ basis, rank)
    return np.ascontiguousarray(vectors.astype(np.float16).astype(np.float32))


def _orthonormal(columns: NDArray[np.float32], rank: int | None = None) -> NDArray[np.float32]:
    """An orthonormal basis of the columns, in the order of decreasing singular values."""
    wide = columns.astype(np.float64)
    values, rotation = np.linalg.eigh(wide.T @ wide)
    leading = np.argsort(-values, kind="stable")[:rank]
    floor = max(float(values.max()), 1e-300) * 1e-12
    basis = wide @ (rotation[:, leading] / np.sqrt(np.maximum(values[leading], floor)))
    return np.asarray(basis, dtype=np.float32)


def _unit(vectors: Vectors) -> Vectors:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Vectors = np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)
    return unit
