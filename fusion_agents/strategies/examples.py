"""Questions with good answers from a log, found by how similar they are to a new question."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Self

import numpy as np
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.messages.utils import count_tokens_approximately

from fusion_agents.encoders.base import Encoder, Vectors
from fusion_agents.encoders.encodable import encodable
from fusion_agents.encoders.lexical import LexicalEncoder
from fusion_agents.errors import EmptyLogError
from fusion_agents.near_duplicates import near_duplicate_groups
from fusion_agents.types import LogEntry

_CUT_OFF = frozenset({"length", "max_tokens", "content_filter"})


class Example(NamedTuple):
    """A question and a good answer to it."""

    query_id: str
    question: str
    answer: str

    def messages(self) -> list[BaseMessage]:
        """The example as two turns of a conversation."""
        return [HumanMessage(encodable(self.question)), AIMessage(encodable(self.answer))]

    @property
    def tokens(self) -> int:
        """Length of the two messages, estimated."""
        return count_tokens_approximately(self.messages())


class _Candidate(NamedTuple):
    """An answer; the greatest of a query is the one to show."""

    measured: bool
    score: float
    has_text: bool
    brevity: int
    answer: str
    question: str


def best_examples(
    entries: Iterable[LogEntry], scores: Mapping[str, float] | None = None, *, floor: float = 0.8
) -> list[Example]:
    """Choose the best answer to each query: one for each group of near-duplicate queries.

    An answer's score is its performance; for queries without any, a judge's score counts. Of
    equally good answers the shortest is chosen. Answers that failed, were cut off or are empty
    are never examples, and neither is a worse answer in their place.

    Args:
        entries: In any order; read once.
        scores: Judge score by entry key.
        floor: Least score in [0, 1].

    Returns:
        In the order of the query ids; empty if nothing is good enough.
    """
    best: dict[str, _Candidate] = {}
    for entry in entries:
        candidate = _candidate(entry, scores or {})
        if candidate is not None:
            best[entry.query.id] = max(best.get(entry.query.id, candidate), candidate)
    examples = [
        Example(name, candidate.question, candidate.answer)
        for name, candidate in sorted(best.items())
        if candidate.has_text and candidate.score >= floor
    ]
    groups = near_duplicate_groups([example.question for example in examples])
    return [example for i, example in enumerate(examples) if groups[i] == i]


def _candidate(entry: LogEntry, scores: Mapping[str, float]) -> _Candidate | None:
    measured = entry.performance is not None
    score = entry.performance if measured else scores.get(entry.key)
    if score is None or entry.error is not None:
        return None
    usable = bool(entry.query.text.strip()) and entry.finish_reason not in _CUT_OFF
    text = entry.response or ""
    has_text = usable and bool(text.strip())
    return _Candidate(measured, score, has_text, -len(text), text, entry.query.text)


@dataclass(frozen=True, eq=False)
class ExampleIndex:
    """Examples with the vectors of their questions, searched exactly.

    Shapes: `vectors` is (n_examples, n_dims).
    """

    examples: tuple[Example, ...]
    vectors: Vectors = field(repr=False)
    encoder: Encoder

    @classmethod
    def build(cls, examples: Sequence[Example], encoder: Encoder | None = None) -> Self:
        """Encode the questions.

        Args:
            examples: At least one.
            encoder: One that is fitted, such as the router's; without it, a lexical encoder
                learns from the questions.

        Raises:
            EmptyLogError: If there is no example.
            EncoderError: If the encoder cannot encode.
        """
        if not examples:
            raise EmptyLogError(
                "no answer in the log can be an example: each needs its text, and a performance "
                "or judge score that reaches the floor; lower the floor or import such answers"
            )
        texts = [example.question for example in examples]
        used = LexicalEncoder().fit(texts) if encoder is None else encoder
        return cls(tuple(examples), used.encode(texts), used)

    def similarities(self, text: str) -> Vectors:
        """Cosine of each example's question with a text, shape (n_examples,)."""
        found: Vectors = self.vectors @ self.encoder.encode([text])[0]
        return found

    def nearest(self, text: str, n: int) -> list[tuple[int, float]]:
        """The `n` most similar examples with their similarity, best first; ties by position."""
        similarity = self.similarities(text)
        order = np.argsort(-similarity, kind="stable")[:n]
        return [(int(i), float(similarity[i])) for i in order]
