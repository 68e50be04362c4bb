"""What a comparison of a student with its base is made of."""

from typing import Literal

from pydantic import Field, JsonValue

from fusion_agents.types import Dollars, Noun, Score, Seconds

Finding = Literal["helped", "hurt", "no certain difference", "too few"]
Over = Literal["task", "queries", "tasks"]
"""One task; all queries alike; the plain mean of the tasks' means."""


class Side(Noun):
    """How the base or the student did, over the pairs of a row."""

    performance: float | None = None
    """Mean over the pairs, in [0, 1]; none without pairs."""
    cost: Dollars | None = None
    """Mean dollars of an answer, where known."""
    output_tokens: float | None = None
    """Mean tokens of an answer, where known."""
    latency: Seconds | None = None
    """Mean seconds of an answer, where known."""
    no_answer: int = 0
    """Answers of pairs in which the metric found no answer; they are wrong answers."""
    empty: int = 0
    """Of these, those without a word."""
    cut_off: int = 0
    """Answers of pairs that ended at the token limit."""
    failed: int = 0
    """Queries asked in vain: a fault of the network or the provider; in no mean."""
    unscored: int = 0
    """Answers of which it is not known how good they are; in no mean."""


class Contrast(Noun):
    """Student less base on the queries of a task, or on all."""

    over: Over
    task: str | None = None
    """Its name where `over` is `task`; empty for queries without one."""
    n_asked: int
    n: int
    """Pairs: queries that both answered, and of which both scores are known."""
    n_groups: int
    """Of these, without near-duplicates."""
    judged: int = 0
    """Pairs whose scores are a judge's."""
    base: Side
    student: Side
    delta: float | None = None
    """Mean difference in performance, student less base, in [-1, 1]."""
    low: float | None = None
    """Of its 95 % interval, of this row alone; none if there are too few groups."""
    high: float | None = None
    p: float | None = None
    """Of no difference, corrected for all rows that have a finding (Holm)."""
    finding: Finding


class Reference(Noun):
    """What another arm of the log got on the same queries."""

    arm: str
    n: int
    """Queries of pairs of which its performance is known."""
    performance: float
    """Its mean over them, in [0, 1]."""
    base: float
    """The base's mean over the same queries."""
    student: float
    """The student's mean over the same queries."""
    cost: Dollars | None = None
    """Its mean dollars of an answer, where known."""
    teacher: bool = False
    """Whether the student learned from its answers."""


class Change(Noun):
    """A query that one of the two got right and the other wrong."""

    query_id: str
    task: str | None
    question: str
    """Shortened, as are the answers."""
    base_answer: str
    student_answer: str
    base: Score
    student: Score


class LeftOut(Noun):
    """How many queries were not asked, and why."""

    trained: int = 0
    """The student learned from them: the same id or the same text."""
    near_duplicates: int = 0
    """Of a question that the student learned from."""
    unscorable: int = 0
    """Without a ground truth or a metric, and there is no judge."""

    @property
    def anything(self) -> bool:
        """Whether any were."""
        return any(self.model_dump().values())


class Asked(Noun):
    """What was the same for base and student, and how that is known."""

    strategy: str
    decoding: dict[str, JsonValue]
    """Of both chat models."""
    template: str | None = None
    """SHA-256 of the chat template, where the models show it; a provider's is its own."""
    checked: tuple[str, ...]
    """What was compared before anything was asked, in words."""


class Recorded(Noun):
    """What the routing log got of the comparison."""

    student_arm: str
    base_arm: str | None = None
    """None if the base is not in the pool."""
    n_queries: int
    """That were chosen to be recorded; their near-duplicates with them."""
    entries: int
    """That the log has of them now; the same command again adds none."""
    new: int
    """Of these, those that this run added."""
    kept_back: tuple[str, ...]
    """Ids of the asked queries that the log was told nothing about: to test a router's choice."""


class Choice(Noun):
    """What a router chose on queries of a task that were kept back, or on all of them."""

    task: str | None = None
    """None for all."""
    n: int
    n_known: int
    """Of which the scores of the chosen arm, of base and of student are known."""
    student_share: float
    """Of the queries, that it gave to the student, in [0, 1]."""
    router: float | None = None
    """Mean performance of the chosen arms, over the known ones."""
    base: float | None = None
    """Of the base alone, over the same."""
    student: float | None = None
    """Of the student alone, over the same."""


class Choices(Noun):
    """Whether a router that learned of the student uses it where it is good."""

    router: str
    """Its name and version."""
    objective: str
    n_learned: int
    """Queries that it learned from; none was kept back, nor like one that was."""
    overall: Choice
    tasks: tuple[Choice, ...]
    """By name."""


class Comparison(Noun):
    """A student and its base on the same held-out queries."""

    student: str
    """Its name in the pool."""
    student_spec: str
    base: str
    base_spec: str
    data: str
    """Fingerprint of what the student learned from."""
    asked: Asked
    n_queries: int
    """That both were asked."""
    n_groups: int
    """Of these, without near-duplicates."""
    left_out: LeftOut = LeftOut()
    overall: Contrast
    """Over all queries."""
    mean_of_tasks: Contrast | None = None
    """In which every task weighs the same; none where there are fewer than two."""
    tasks: tuple[Contrast, ...] = ()
    """By name."""
    references: tuple[Reference, ...] = ()
    """Other arms of the log, best first."""
    n_regressions: int = 0
    """Pairs that the base got right and the student wrong."""
    n_gains: int = 0
    """The other way round."""
    regressions: tuple[Change, ...] = ()
    """Some of them."""
    gains: tuple[Change, ...] = ()
    errors: dict[str, dict[str, int]] = Field(default_factory=dict)
    """Queries asked in vain by `base` and `student` and class of fault."""
    complete: bool = True
    """Whether each query has an answer or a fault of both; figures of a part say less."""
    spent: Dollars = 0.0
    """On all runs of this comparison, as far as it is known."""
    recorded: Recorded | None = None
    choices: Choices | None = None
    """Of a router on the queries that were kept back; none if none was tried."""
    seed: int
    n_bootstrap: int
    notes: tuple[str, ...] = ()
    """What to know when reading it."""

    def rows(self) -> tuple[Contrast, ...]:
        """The tasks, then the mean of tasks, then all queries."""
        mean = () if self.mean_of_tasks is None else (self.mean_of_tasks,)
        return (*self.tasks, *mean, self.overall)

    def found(self, finding: Finding) -> tuple[str, ...]:
        """The tasks with this finding, by name."""
        return tuple(row.task or "" for row in self.tasks if row.finding == finding)
