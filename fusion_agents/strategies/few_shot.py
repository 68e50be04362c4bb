"""Shows the log's best answers to similar questions."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from langchain_core.messages import BaseMessage

from fusion_agents.encoders.base import Encoder
from fusion_agents.errors import ConfigError
from fusion_agents.near_duplicates import near_duplicate_groups
from fusion_agents.strategies.base import Prompt, Strategy
from fusion_agents.strategies.examples import Example, ExampleIndex, best_examples
from fusion_agents.strategies.placing import after_system
from fusion_agents.types import LogEntry, Query

_CANDIDATES = 64
"""Nearest questions that are looked at; more than 50, so that templates are seen as such."""


@dataclass(kw_only=True)
class FewShotStrategy(Strategy):
    """Put similar questions and the log's best answers to them in front of the conversation.

    The examples are turns of their own behind the system prompt and in front of the history, the
    most similar one last. They are chosen one by one for their similarity to the query, less what
    they share with those already chosen. The query itself and its near-duplicates are never
    shown, so that what is measured on logged queries is no copy of the answer. Without a similar
    question, or where the conversation's beginning is missing, nothing is added.

    Whoever makes it from a log shows parts of that log to the models and, through their answers,
    to users: leave out what they may not see.

    Args:
        index: The examples; `from_log` makes it.
        k: Most examples shown, at least 1.
        max_tokens: Most tokens of all examples together; one that is too long is passed over.
        min_similarity: Least cosine of an example's question with the query.
        diversity: Weight in [0, 1] of not resembling the examples already chosen (maximal
            marginal relevance: Carbonell and Goldstein, 1998).
    """

    name = "few-shot"
    needs_log = True
    waits = True

    index: ExampleIndex = field(repr=False)
    k: int = 3
    max_tokens: int = 2_000
    min_similarity: float = 0.2
    diversity: float = 0.3

    @classmethod
    def from_log(
        cls,
        entries: Iterable[LogEntry],
        *,
        scores: Mapping[str, float] | None = None,
        encoder: Encoder | None = None,
        floor: float = 0.8,
        k: int = 3,
        max_tokens: int = 2_000,
        min_similarity: float = 0.2,
        diversity: float = 0.3,
    ) -> Self:
        """Take examples from log entries, such as those of `RoutingLog.scan`.

        Args:
            entries: In any order; read once.
            scores: Judge score by entry key, for queries without a performance.
            encoder: One that is fitted, such as a router's `encoder_`; without it, a lexical
                encoder learns from the examples.
            floor: Least performance or judge score of an example, in [0, 1].
            k: Most examples shown.
            max_tokens: Most tokens of all examples together.
            min_similarity: Least cosine of an example's question with the query.
            diversity: Weight in [0, 1] of not resembling the examples already chosen.

        Raises:
            ConfigError: If an option is out of its range.
            EmptyLogError: If no answer is good enough.
            EncoderError: If the encoder cannot encode.
        """
        if k < 1 or max_tokens < 1 or not 0 <= diversity <= 1 or not 0 <= floor <= 1:
            raise ConfigError(
                "few-shot needs k and max_tokens of at least 1, diversity and floor in [0, 1], "
                f"not k={k!r}, max_tokens={max_tokens!r}, diversity={diversity!r}, floor={floor!r}"
            )
        return cls(
            index=ExampleIndex.build(best_examples(entries, scores, floor=floor), encoder),
            k=k,
            max_tokens=max_tokens,
            min_similarity=min_similarity,
            diversity=diversity,
        )

    def prompt(self, messages: Sequence[BaseMessage], query: Query) -> Prompt:
        """Put the examples behind the system prompt."""
        sent = list(messages)
        place = after_system(sent)
        if place is not None:
            shown = reversed(self.examples(query))
            sent[place:place] = [m for example in shown for m in example.messages()]
        return Prompt(sent)

    @property
    def added_tokens(self) -> int:
        """The budget of the examples."""
        return self.max_tokens

    def examples(self, query: Query) -> list[Example]:
        """Choose the examples for a query, in the order in which they were chosen.

        Raises:
            EncoderError: If the encoder cannot encode.
        """
        left = self._candidates(query)
        chosen: list[int] = []
        budget = self.max_tokens
        while left and len(chosen) < self.k:
            place = max(left, key=lambda i: (self._worth(i, left[i], chosen), -i))
            del left[place]
            tokens = self.index.examples[place].tokens
            if tokens <= budget:
                budget -= tokens
                chosen.append(place)
        return [self.index.examples[i] for i in chosen]

    def _candidates(self, query: Query) -> dict[int, float]:
        """Similar questions that are not the query, with their similarity."""
        near = self.index.nearest(query.text, _CANDIDATES)
        found = [self.index.examples[i] for i, _ in near]
        groups = near_duplicate_groups([query.text, *(example.question for example in found)])
        return {
            i: similarity
            for (i, similarity), example, group in zip(near, found, groups[1:], strict=True)
            if group != groups[0]
            and example.query_id != query.id
            and similarity >= self.min_similarity
        }

    def _worth(self, place: int, similarity: float, chosen: Sequence[int]) -> float:
        vectors = self.index.vectors
        alike = max((float(vectors[place] @ vectors[other]) for other in chosen), default=0.0)
        return (1 - self.diversity) * similarity - self.diversity * max(alike, 0.0)
