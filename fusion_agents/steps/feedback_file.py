"""A file of feedback, as apps and LangSmith write it, into the log."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from fusion_agents.errors import DataError, RowError
from fusion_agents.steps.feedback import feedback_from, feedback_judgement
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.types import Judgement, content_key


class FeedbackSummary(NamedTuple):
    """What came of a file of feedback."""

    lines: int
    stored: int
    """Judgements that are new in the log."""
    refusals: tuple[RowError, ...]
    """Lines that could not be used, in order."""

    @property
    def known(self) -> int:
        """Lines that were in the log before."""
        return self.lines - self.stored - len(self.refusals)


def feed_file(log: RoutingLog, path: str | Path, *, source: str = "user") -> FeedbackSummary:
    """Append feedback from lines of JSON, each a dict as LangSmith has it.

    Of several lines about one answer, the last counts. A file that is given again stores nothing
    twice: a line is known by its `id`, where it has one, by what it says, and by how often the
    file has said it up to there. So a line whose score was changed meanwhile counts anew.

    Raises:
        StoreError: If the log cannot be read or written.
    """
    file = Path(path)
    made: list[Judgement] = []
    refusals: list[RowError] = []
    lines = 0
    seen: Counter[str] = Counter()
    for number, line in _lines(file):
        lines += 1
        try:
            made.append(_judgement(log, line, source, seen))
        except DataError as error:
            refusals.append(RowError(str(file), number, str(error)))
    return FeedbackSummary(lines, log.append_judgements(made), tuple(refusals))


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    with file.open(encoding="utf-8-sig", errors="replace") as opened:
        for number, line in enumerate(opened, 1):
            if line.strip():
                yield number, line


def _judgement(log: RoutingLog, line: str, source: str, seen: Counter[str]) -> Judgement:
    try:
        given: Any = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"this is no JSON: {error}") from error
    if not isinstance(given, dict):
        raise DataError(f"feedback is a dict with a run_id and a score, not {given!r}")
    feedback = feedback_from(given)
    said = content_key("feedback", source, repr(given.get("id")), feedback.model_dump_json())
    seen[said] += 1
    return feedback_judgement(log, feedback, source=source, key=content_key(said, seen[said]))
