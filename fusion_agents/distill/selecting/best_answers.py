"""Which right answers to a question are learned from: the best k that say something different.

Source: FusionFactory (arXiv 2507.10540), model-level fusion; there, the longest answers are
preferred, wrong ones are taken until the first measured zero, and equal ones count again.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from math import inf
from typing import NamedTuple, Self, TypedDict

from fusion_agents.distill.nouns import Example
from fusion_agents.distill.selecting.answer_texts import commands_its_reader
from fusion_agents.distill.selecting.gathering import Answer, Origin
from fusion_agents.distill.selecting.lengths import strangeness
from fusion_agents.distill.selecting.options import SelectionOptions
from fusion_agents.distill.selecting.overlap import alike
from fusion_agents.distill.selecting.reporting import Reason, Stage, Tally
from fusion_agents.distill.selecting.wordings import Wording
from fusion_agents.stores.routing_log import RoutingLog

_REPEATED = Reason(Stage.REPEATED, "says the same as a chosen answer")
_SUSPICIOUS = Reason(Stage.REPEATED, "looks like an attempt to command its reader")
_GONE = Reason(Stage.REPEATED, "went from the log meanwhile")
_BEYOND_K = Reason(Stage.BEYOND_K, "beyond the first k of its question")

_AT_A_TIME = 200
"""Questions whose texts are in memory together."""
_SPARE = 3
"""Answers beyond k that are read at once: some of the first k may say the same."""


class Chosen(NamedTuple):
    """What a question gives."""

    wording: Wording
    examples: tuple[Example, ...]
    """Best first."""


class Lineage(TypedDict):
    """The fields of an example that say where it comes from."""

    entry_keys: tuple[str, ...]
    sources: tuple[str, ...]
    tenants: tuple[str, ...]


class Text(NamedTuple):
    """A right answer to a question, with all entries that gave it."""

    answer: Answer
    origins: tuple[Origin, ...]


def choose(
    log: RoutingLog, questions: Sequence[Wording], options: SelectionOptions, tally: Tally
) -> Iterator[Chosen]:
    """Choose answers to each question; what is not chosen is dropped.

    Answers with the same text are one, with the lineage of all.

    Args:
        log: Has the texts, which are read for some questions at a time.
        questions: Any number.
        options: With `label`, one answer is chosen, that of a reference first.
        tally: Told of what is dropped.
    """
    width = _most(options) + _SPARE
    for start in range(0, len(questions), _AT_A_TIME):
        some = questions[start : start + _AT_A_TIME]
        ranked = [ranking(one, options) for one in some]
        texts = _read(log, [text for one in ranked for text in one[:width]])
        sieves = [_Sieve(options).sift(one[:width], texts) for one in ranked]
        short = [one[width:] for one, sieve in zip(ranked, sieves, strict=True) if not sieve.full]
        texts |= _read(log, [text for one in short for text in one])
        for question, one, sieve in zip(some, ranked, sieves, strict=True):
            sieve.sift(one[width:], texts)
            yield Chosen(question, tuple(_examples(question, sieve, options, tally)))


def ranking(question: Wording, options: SelectionOptions) -> list[Text]:
    """Right answers to a question, each text once, best first.

    By performance or by the judge, what was not measured last; then those of the usual length
    first, which is the median of the question's right answers, and what is longer by a factor
    counts as twice as far from it as what is shorter; then the cheaper; then by key.
    """
    usual, references = question.usual, options.reference_models
    by_text: defaultdict[int, list[Answer]] = defaultdict(list)
    for answer in question.right:
        by_text[answer.text].append(answer)

    def even(one: Answer) -> tuple[float, float, str]:
        cost = one.candidate.cost
        return strangeness(one.characters, usual), inf if cost is None else cost, one.origin.key

    def by_performance(one: Answer) -> tuple[object, ...]:
        return _falling(one.candidate.performance), *even(one)

    def by_judge(one: Answer) -> tuple[object, ...]:
        return _falling(one.candidate.verdict), *even(one)

    def of_reference(one: Answer) -> tuple[object, ...]:
        return one.candidate.model not in references, *by_performance(one)

    key = {"judge": by_judge, "label": of_reference}.get(options.criterion, by_performance)
    ordered = sorted((min(same, key=key) for same in by_text.values()), key=key)
    if options.criterion == "hybrid":
        first = 2 * options.k
        ordered = [*sorted(ordered[:first], key=by_judge), *ordered[first:]]
    return [Text(one, tuple(sorted(same.origin for same in by_text[one.text]))) for one in ordered]


def lineage(origins: Sequence[Origin]) -> Lineage:
    """Where an example comes from."""
    return {
        "entry_keys": tuple(one.key for one in origins),
        "sources": tuple(sorted({one.source for one in origins})),
        "tenants": tuple(sorted({one.tenant for one in origins})),
    }


def _most(options: SelectionOptions) -> int:
    return 1 if options.criterion == "label" else options.k


def _falling(score: float | None) -> float:
    return inf if score is None else -score


def _read(log: RoutingLog, texts: Sequence[Text]) -> dict[str, str]:
    """The answers by the key of the entry, without spaces at their ends."""
    keys = (text.answer.origin.key for text in texts)
    return {entry.key: (entry.response or "").strip() for entry in log.entries(keys)}


class _Sieve:
    """Goes down a ranking until k answers are chosen."""

    def __init__(self, options: SelectionOptions) -> None:
        self._options = options
        self.chosen: list[tuple[Text, str]] = []
        self.left_out: list[tuple[Text, Reason]] = []

    @property
    def full(self) -> bool:
        """Whether there are k."""
        return len(self.chosen) == _most(self._options)

    def sift(self, ranked: Sequence[Text], texts: dict[str, str]) -> Self:
        """Go on with the next ones."""
        for one in ranked:
            text = texts.get(one.answer.origin.key, "")
            reason = _BEYOND_K if self.full else self._against(text)
            if reason is None:
                self.chosen.append((one, text))
            else:
                self.left_out.append((one, reason))
        return self

    def _against(self, text: str) -> Reason | None:
        if not text:
            return _GONE
        if any(alike(text, other) >= self._options.similarity for _, other in self.chosen):
            return _REPEATED
        return _SUSPICIOUS if commands_its_reader(text) else None


def _examples(
    question: Wording, sieve: _Sieve, options: SelectionOptions, tally: Tally
) -> Iterator[Example]:
    query = question.query
    for one, reason in sieve.left_out:
        tally.drop(reason, query.id, query.task, len(one.origins))
    for one, text in sieve.chosen:
        example = _example(question, one, text, options)
        others = len(one.origins) - (example.kind == "answer")
        tally.drop(_REPEATED, query.id, query.task, others)  # they stand in its lineage
        yield example


def _example(question: Wording, one: Text, text: str, options: SelectionOptions) -> Example:
    candidate = one.answer.candidate
    is_label = options.criterion == "label" and candidate.model in options.reference_models
    return Example(
        query=question.query,
        answer=text,
        kind="label" if is_label else "answer",
        teacher=None if is_label else candidate.model,
        performance=candidate.performance,
        judge=candidate.judge,
        **lineage(one.origins),
    )
