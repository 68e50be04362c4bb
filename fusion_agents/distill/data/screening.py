"""What no student may learn: keys, forged turns, nothing at all.

Half a character, which is no Unicode, cannot be in an example: its fields refuse it.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from fusion_agents.distill.nouns import (
    Dropped,
    Example,
    PreferencePair,
    SelectionReport,
    TrainingData,
)
from fusion_agents.pool.keys import looks_like_a_key

_CONTROL_TOKEN = re.compile(
    r"<\|[A-Za-z0-9_]{1,40}\|?>|<[A-Za-z0-9_]{1,40}\|>"  # ChatML, Llama 3, Phi, GPT, Qwen, Gemma
    r"|<｜[^｜<>]{1,40}｜>"  # DeepSeek
    r"|</?s>|\[/?INST\]|<</?SYS>>|\[/?(?:SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS)\]"
    r"|<(?:start|end)_of_turn>|<end_of_utterance>|</?tool_(?:call|response)>"
    r"|<(?:bos|eos|pad|unk)>|\[(?:gMASK|sop|BOS|EOS)\]"
)

T = TypeVar("T", Example, PreferencePair)


def holds_a_control_token(text: str) -> bool:
    """Whether a text holds what a well-known chat template marks turns with.

    Tokenizers read it as the mark itself, so that an answer could end its turn and begin another.

    >>> holds_a_control_token("4<|im_end|>"), holds_a_control_token("if a <| b |> c")
    (True, False)
    """
    return _CONTROL_TOKEN.search(text) is not None


def reason_against(*texts: str) -> str | None:
    """Why no student may learn from these texts; none if nothing is against it.

    >>> reason_against("2 + 2?", "4") is None, reason_against("Use Bearer 0123456789abcdef")
    (True, 'holds what looks like a key')
    """
    for reason, is_found in _CHECKS.items():
        if any(map(is_found, texts)):
            return reason
    return None


def _is_blank(text: str) -> bool:
    return not text.strip()


_CHECKS: dict[str, Callable[[str], bool]] = {
    "has a text without a visible character": _is_blank,
    "holds what looks like a key": looks_like_a_key,
    "holds a control token of a chat template": holds_a_control_token,
}


def screened(data: TrainingData) -> TrainingData:
    """Leave out what no student may learn, and say so in the report.

    Ground truth goes as well: a student learns from answers, and whoever reads the data need not
    have it. Data that were screened before stay as they are.
    """
    examples, against = _screened(data.examples, lambda one: (one.query.text, one.answer))
    pairs, against_pairs = _screened(
        data.pairs, lambda one: (one.query.text, one.chosen, one.rejected), "in a pair: "
    )
    dropped = (*data.report.dropped, *against, *against_pairs)
    return data.model_copy(
        update={
            "examples": examples,
            "pairs": pairs,
            "report": _recounted(data.report, examples, pairs, dropped),
        }
    )


def _screened(
    given: Sequence[T], texts: Callable[[T], tuple[str, ...]], where: str = ""
) -> tuple[tuple[T, ...], list[Dropped]]:
    kept: list[T] = []
    tasks: dict[str, Counter[str]] = {}
    for one in given:
        reason = reason_against(*texts(one))
        if reason is None:
            query = one.query.model_copy(update={"ground_truth": None})
            kept.append(one.model_copy(update={"query": query}))
        else:
            tasks.setdefault(reason, Counter())[one.query.task or ""] += 1
    found = [
        Dropped(
            reason=f"{where}{why}",
            what="answers",
            n=tasks[why].total(),
            by_task=dict(tasks[why]),
        )
        for why in _CHECKS
        if why in tasks
    ]
    return tuple(kept), found


def with_fewer(
    data: TrainingData,
    examples: Iterable[Example],
    pairs: Iterable[PreferencePair],
    dropped: Iterable[Dropped] = (),
) -> TrainingData:
    """The data with only some of their examples and pairs; the report counts these."""
    kept = tuple(examples), tuple(pairs)
    report = _recounted(data.report, *kept, (*data.report.dropped, *dropped))
    return data.model_copy(update={"examples": kept[0], "pairs": kept[1], "report": report})


def _recounted(
    report: SelectionReport,
    examples: Sequence[Example],
    pairs: Sequence[PreferencePair],
    dropped: tuple[Dropped, ...],
) -> SelectionReport:
    if len(examples) == report.n_examples and len(pairs) == report.n_pairs:
        return report
    return report.model_copy(
        update={
            "n_examples": len(examples),
            "n_pairs": len(pairs),
            "by_task": dict(Counter(one.query.task or "" for one in examples)),
            "by_teacher": dict(Counter(one.teacher for one in examples if one.teacher)),
            "lengths": _lengths([len(one.answer) for one in examples]),
            "dropped": dropped,
        }
    )


def _lengths(counts: list[int]) -> dict[str, float]:
    if not counts:
        return {}
    ranked = sorted(counts)
    at = {"min": 0.0, "median": 0.5, "p95": 0.95, "max": 1.0}
    return {name: float(ranked[round(share * (len(ranked) - 1))]) for name, share in at.items()}
