"""What a study found, as it is written to a file."""

from typing import Literal

from fusion_agents.types import Dollars, Noun

Over = Literal["queries", "tasks", "task"]
"""A mean over all questions, the plain mean of the tasks' means, or the mean of one task."""


class Level(Noun):
    """How well a condition does: mean performance in [0, 1] with its 95 % interval."""

    answerer: str
    condition: str
    over: Over
    task: str | None = None
    n: int
    """Answers with a score."""
    performance: float | None = None
    low: float | None = None
    """None for fewer than ten independent questions."""
    high: float | None = None


class Gain(Noun):
    """What a condition has more than a baseline on the same questions, with its 95 % interval."""

    answerer: str
    condition: str
    baseline: str
    over: Over
    task: str | None = None
    n: int
    """Questions to which both answers have a score."""
    n_groups: int
    """Of these, near-duplicates counted once."""
    delta: float | None = None
    low: float | None = None
    """None for fewer than ten independent questions."""
    high: float | None = None


class Account(Noun):
    """What a condition was given, did and cost."""

    answerer: str
    condition: str
    answered: int
    failed: int
    """Questions without an answer after all attempts; they are left out of the means."""
    unscored: int
    """Answers that no metric could score; they are left out, too."""
    as_wrong: float | None = None
    """Mean performance if both were wrong answers."""
    cut_off: int = 0
    """Answers that ended at the limit of tokens."""
    with_templates: int = 0
    """Answers with templates in front of them."""
    input_tokens: float | None = None
    """Mean of the answers whose provider reported them."""
    output_tokens: float | None = None
    answers: Dollars | None = None
    """For the answers that are compared, with all attempts."""
    templates: Dollars = 0.0
    """For its templates; conditions that share them each count all of it."""
    embedding: Dollars = 0.0
    """For the vectors of questions; the lexical encoder runs here and costs nothing."""
    per_question: Dollars | None = None
    """All of it, for each answer."""


class Shelf(Noun):
    """The templates of one criterion."""

    criterion: str
    templates: int
    """That can be found: neither merged nor quarantined."""
    summarizers: tuple[str, ...]
    dollars: Dollars
    """All that was paid for them, with what calls that were cut off may have cost."""
    encoder: str
    """Turned questions into vectors."""
    vectors: int
    """That it made: of templates and of questions that were asked."""


class StudyReport(Noun):
    """The whole study."""

    version: Literal[1] = 1
    answerers: tuple[str, ...]
    conditions: tuple[str, ...]
    tasks: dict[str, int]
    """Questions of each; those without a task under an empty name."""
    n_questions: int
    n_groups: int
    """Near-duplicates counted once."""
    unscorable: int
    """Questions that were left out, as they have no ground truth or no metric."""
    models: dict[str, str]
    """For each answerer, a digest of its name and options: the same in all conditions."""
    levels: tuple[Level, ...]
    gains: tuple[Gain, ...]
    accounts: tuple[Account, ...]
    shelves: tuple[Shelf, ...]
    spent: Dollars
    """By all runs of the study on this log: answers, failures, cut-off calls and templates."""
    seed: int
    n_bootstrap: int
    notes: tuple[str, ...]
    """What has to be known to read the figures."""
