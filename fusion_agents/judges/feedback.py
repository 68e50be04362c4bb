"""Users judge: thumbs, ratings and numbers as scores in [0, 1]."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

from langchain_core.runnables import RunnableConfig

from fusion_agents.errors import DataError
from fusion_agents.judges.base import Case, Judge, Verdict
from fusion_agents.types import Noun, Score

GOOD = frozenset(
    {"up", "thumbsup", "positive", "good", "yes", "true", "like", "liked", "correct", "👍", "+1"}
)
"""Words for the score 1, without case, blanks, hyphens and underscores."""
BAD = frozenset(
    {"down", "thumbsdown", "negative", "bad", "no", "false", "dislike", "disliked", "incorrect"}
    | {"wrong", "👎", "-1"}
)
"""Words for the score 0."""

_RATING = re.compile(r"(\d{1,3})\s*(?:/|of|out of)\s*(\d{1,3})(?:\s*stars?)?")
_SKIN = re.compile("[\U0001f3fb-\U0001f3ff\ufe0f]")


class Feedback(Noun):
    """What a user said of one answer."""

    run_id: str
    """Of the run or the message that gave the answer."""
    key: str = "user_score"
    """What the user was asked; each is a signal of its own."""
    score: Score | None = None
    """None if there are only words."""
    value: str | None = None
    """As it was given, where the score was read out of it."""
    comment: str | None = None


class FeedbackJudge(Judge):
    """The judge whose verdicts users give; it cannot be asked.

    >>> FeedbackJudge().verdict("thumbs up", comment="Just right.").score
    1.0
    """

    name: ClassVar[str] = "feedback"

    @property
    def version(self) -> str:
        """Changes whenever the same words become another score."""
        return "1"

    def refusal(self, case: Case) -> str | None:
        """Why it judges nothing: whoever got the answer judges it."""
        return "feedback comes from users and cannot be asked for: record it when it comes"

    def judge(self, case: Case, config: RunnableConfig | None = None) -> Verdict:
        """Refuse."""
        return Verdict(score=None, reason=self.refusal(case), refused=True)

    def verdict(self, score: Any = None, value: Any = None, comment: str | None = None) -> Verdict:
        """Turn what a user said into a verdict.

        Raises:
            DataError: If it is no score.
        """
        return Verdict(score=feedback_score(score, value), reason=comment or None)


def feedback_score(score: Any = None, value: Any = None) -> float | None:
    """Read a score in [0, 1] out of what a user's click sends.

    A truth value is 1 or 0, and so are words for a thumb (see `GOOD` and `BAD`); a number counts
    as it is. A rating `n of m`, as a text (`"4/5"`) or a pair, is (n - 1) / (m - 1): the lowest of
    a scale that begins with 1 is 0. Where there is no score, the value is read. Without both,
    there is none.

    >>> [feedback_score(said) for said in (True, "👎", 0.3, "4 of 5", (1, 10))]
    [1.0, 0.0, 0.3, 0.75, 0.0]

    Raises:
        DataError: If it is none of these, such as a number above 1 that does not say of how many.
    """
    said = value if score is None else score
    if said is None:
        return None
    if isinstance(said, bool | int | float):
        return _number(said)
    if isinstance(said, tuple | list) and len(said) == 2:
        return _rating(*said)
    if isinstance(said, str):
        return _words(said)
    raise DataError(f"cannot read a score out of {said!r}: give a number, a thumb or a rating")


def read_feedback(given: Mapping[str, Any]) -> Feedback:
    """Read a dict as LangSmith has it: `run_id`, `key`, `score`, `value`, `comment`.

    Other fields are left aside. A value that is no score is kept as a text if there is a score or
    a comment beside it.

    >>> read_feedback({"run_id": "1f", "key": "quality", "value": "👍"}).score
    1.0

    Raises:
        DataError: If it names no run, or says nothing.
    """
    run_id = given.get("run_id")
    if not isinstance(run_id, str | UUID) or not str(run_id).strip():
        raise DataError(f"feedback needs the id of a run, not {run_id!r}")
    value, comment = given.get("value"), given.get("comment")
    try:
        score = feedback_score(given.get("score"), value)
    except DataError:
        if given.get("score") is not None or not comment:
            raise
        score = None
    if score is None and not comment:
        raise DataError(f"the feedback on run {run_id} says nothing: give a score or a comment")
    return Feedback(
        run_id=_text(run_id).strip(),
        key=_text(given.get("key") or "user_score"),
        score=score,
        value=None if value is None else _text(value),
        comment=None if comment is None else _text(comment),
    )


def _text(said: Any) -> str:
    """As a text that can be stored: half a character, as a broken client sends it, is `?`."""
    return str(said).encode("utf-8", "replace").decode("utf-8")


def _number(said: float) -> float:
    if not 0.0 <= said <= 1.0:
        raise DataError(
            f"the score {said!r} is not in [0, 1]: give a rating as 'n of m', such as '4 of 5'"
        )
    return float(said)


def _rating(n: Any, m: Any) -> float:
    whole = all(isinstance(part, int) and not isinstance(part, bool) for part in (n, m))
    if not whole or not 1 <= n <= m or m < 2:
        raise DataError(f"a rating of {n!r} of {m!r} is none: it goes from 1 of m to m of m")
    return float((n - 1) / (m - 1))


def _words(said: str) -> float:
    text = said.strip().lower()
    if (rating := _RATING.fullmatch(text)) is not None:
        return _rating(int(rating[1]), int(rating[2]))
    plain = re.sub(r"[\s_]|(?<=\w)-(?=\w)", "", _SKIN.sub("", text)).strip(":")
    if plain in GOOD or plain in BAD:
        return float(plain in GOOD)
    try:
        number = float(text)
    except ValueError as error:
        raise DataError(
            f"cannot read a score out of {said!r}: give a number in [0, 1], a thumb, or a rating "
            "as '4 of 5'"
        ) from error
    return _number(number)
