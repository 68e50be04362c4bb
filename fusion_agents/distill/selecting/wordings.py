"""A question as it was asked, and which of several wordings is learned from."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from statistics import median
from typing import NamedTuple

from fusion_agents.distill.selecting.gathering import Answer, Gathered, Origin
from fusion_agents.distill.selecting.lengths import longest_usual
from fusion_agents.distill.selecting.options import SelectionOptions
from fusion_agents.distill.selecting.reporting import Reason, Stage, Tally
from fusion_agents.types import Query

_OUTLIER = Reason(Stage.LENGTH, "unusually long for its task")
_OTHER_WORDING = Reason(Stage.WORDING, "answers another wording of the question")
_DOUBTED = Reason(Stage.WORDING, "the same text was measured wrong as well")


class Wording(NamedTuple):
    """One text with one ground truth, under however many ids."""

    group: int
    """Of near-duplicates."""
    query: Query
    """That with the least id."""
    right: tuple[Answer, ...]
    wrong: tuple[Answer, ...]
    asked: tuple[Origin, ...]
    """Sorted by key."""

    @property
    def usual(self) -> float:
        """Median length of its right answers, in characters; 0 without any."""
        return float(median([one.characters for one in self.right] or [0]))


def wordings(
    gathered: Gathered, group_of: Mapping[str, int], options: SelectionOptions, tally: Tally
) -> list[Wording]:
    """One wording of each question, in the order of their query ids.

    It is the one with most right answers; among equals, the one that was asked most often; among
    these, the one with the least id. Answers to others are dropped, unusually long answers before
    that, and texts that were measured wrong as well as right.
    """
    _drop_outliers(gathered, options, tally)
    groups: defaultdict[int, list[Wording]] = defaultdict(list)
    for one in _every(gathered, group_of):
        groups[one.group].append(one)
    chosen = []
    for several in groups.values():
        best = min(several, key=lambda one: (-len(one.right), -len(one.asked), one.query.id))
        for other in several:
            if other is not best:
                _drop(_OTHER_WORDING, other, other.right, tally)
        chosen.append(_undoubted(best, tally))
    return sorted(chosen, key=lambda one: one.query.id)


def _drop_outliers(gathered: Gathered, options: SelectionOptions, tally: Tally) -> None:
    lengths: defaultdict[str | None, list[int]] = defaultdict(list)
    for query_id, answers in gathered.right.items():
        lengths[gathered.queries[query_id].task] += [one.characters for one in answers]
    longest = {task: longest_usual(some, options.outliers) for task, some in lengths.items()}
    for query_id, answers in gathered.right.items():
        task = gathered.queries[query_id].task
        usual = [one for one in answers if one.characters <= longest[task]]
        tally.drop(_OUTLIER, query_id, task, len(answers) - len(usual))
        gathered.right[query_id] = usual


def _every(gathered: Gathered, group_of: Mapping[str, int]) -> Iterator[Wording]:
    same: defaultdict[tuple[object, ...], list[str]] = defaultdict(list)
    for query_id, query in gathered.queries.items():
        said = (query.text.strip(), query.task, query.ground_truth, query.metric)
        same[group_of[query_id], *said].append(query_id)
    for (group, *_), ids in same.items():
        yield Wording(
            int(str(group)),
            gathered.queries[min(ids)],
            tuple(one for query_id in ids for one in gathered.right.get(query_id, ())),
            tuple(one for query_id in ids for one in gathered.wrong.get(query_id, ())),
            tuple(sorted(one for query_id in ids for one in gathered.asked[query_id])),
        )


def _undoubted(one: Wording, tally: Tally) -> Wording:
    wrong = {answer.text for answer in one.wrong}
    right = {answer.text for answer in one.right}
    doubted = [answer for answer in one.right if answer.text in wrong]
    _drop(_DOUBTED, one, doubted, tally)
    return one._replace(
        right=tuple(answer for answer in one.right if answer.text not in wrong),
        wrong=tuple(answer for answer in one.wrong if answer.text not in right),
    )


def _drop(
    reason: Reason, one: Wording, answers: tuple[Answer, ...] | list[Answer], tally: Tally
) -> None:
    tally.drop(reason, one.query.id, one.query.task, len(answers))
