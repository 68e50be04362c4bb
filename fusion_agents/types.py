"""The nouns: what crosses a file, a process or a wire.

Every class here is frozen, refuses unknown fields and round-trips through JSON
(`model_dump_json`, `model_validate_json`). Units: dollars, seconds, tokens; scores lie in [0, 1].
"""

import hashlib
import json
import re
from bisect import bisect_right
from itertools import pairwise
from typing import Annotated, Any, Self

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

Score = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]
Dollars = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
Seconds = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
Tokens = Annotated[int, Field(ge=0)]


def _none_means_derived(value: Any, check: ValidatorFunctionWrapHandler) -> Any:
    return "" if value is None else check(value)


Derived = Annotated[str, Field(min_length=1), WrapValidator(_none_means_derived)]
"""A name that the noun derives from its content where none is given, or `None`."""

_STRATEGY = re.compile(r"[a-z][a-z0-9_-]*")


class Noun(BaseModel):
    """A frozen value; unknown fields are an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


def content_key(*parts: JsonValue) -> str:
    """Name a value by its content: the same parts give the same 32 hexadecimal digits.

    >>> content_key("a", 1) == content_key("a", 1)
    True
    """
    text = json.dumps(parts, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


class Query(Noun):
    """What is asked. Without an `id`, one is derived from the task and the text.

    >>> Query(text="2 + 2?").id == Query(text="2 + 2?").id
    True
    """

    id: Derived = ""
    """Names the query within a log; all answers to one query share it."""
    text: str
    """The question itself, before a strategy turns it into messages."""
    task: str | None = None
    """The named set that it comes from; never needed at run time."""
    ground_truth: str | tuple[str, ...] | None = None
    """The right answer, or several that are right."""
    metric: str | None = None
    """Name of the metric that compares a response with the ground truth."""
    split: str | None = None
    """The split that its source put it in (`train`, `test`), where there is one."""

    @model_validator(mode="after")
    def _derive_id(self) -> Self:
        if not self.id:
            object.__setattr__(self, "id", content_key(self.task, self.text))
        return self


class Arm(Noun):
    """Who answers and how it is prompted, written `model@strategy`.

    >>> str(Arm.parse("gpt-5-mini@think")), str(Arm.parse("gpt-5-mini"))
    ('gpt-5-mini@think', 'gpt-5-mini@direct')
    """

    model: str = Field(min_length=1)
    """Name of the model as the user's pool knows it."""
    strategy: str = Field(default="direct", pattern=_STRATEGY)
    """How the model is prompted: `direct`, `think`, `thought`, ..."""

    @classmethod
    def parse(cls, name: str) -> Self:
        """Read `model@strategy`; without a strategy, `direct` is meant."""
        model, at, strategy = name.rpartition("@")
        if at and model and _STRATEGY.fullmatch(strategy):
            return cls(model=model, strategy=strategy)
        return cls(model=name)

    def __str__(self) -> str:
        return f"{self.model}@{self.strategy}"


class Usage(Noun):
    """Token counts as the provider reported them; none where it did not."""

    input_tokens: Tokens | None = None
    output_tokens: Tokens | None = None
    cached_tokens: Tokens | None = None
    """Part of `input_tokens` that the provider read from its cache."""
    reasoning_tokens: Tokens | None = None
    """Part of `output_tokens` that the model spent on hidden reasoning."""


class LogEntry(Noun):
    """One attempt of one arm at one query.

    An attempt that failed has `error` set and no performance: an error is not a wrong answer.
    Without a `key`, one is derived from everything but the time, so that importing a file twice
    stores it once; whoever logs live calls gives each call its own key.
    """

    key: Derived = ""
    """Unique in a log: writing an entry twice is writing it once."""
    query: Query
    arm: Arm
    model_version: str | None = None
    """The provider's exact name of the model that answered."""
    response: str | None = None
    usage: Usage = Usage()
    cost: Dollars | None = None
    """Dollars paid for this attempt."""
    cost_estimated: bool = False
    """Whether `cost` rests on counted characters, because the provider reported no usage."""
    input_price: Dollars | None = None
    """Dollars per million input tokens that `cost` was computed with."""
    output_price: Dollars | None = None
    """Dollars per million output tokens that `cost` was computed with."""
    latency: Seconds | None = None
    """Seconds from request to complete answer."""
    finish_reason: str | None = None
    error: str | None = None
    """Class of the failure (`timeout`, `rate_limit`, `empty`, ...); none for an answer."""
    performance: Score | None = None
    """The task metric's value; none if it was not measured."""
    propensity: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    """Probability with which the router chose this arm; 1 for a forced collection."""
    sample: int = Field(default=0, ge=0)
    """Number of this attempt where one arm answered one query several times."""
    template_ids: tuple[str, ...] = ()
    """Thought templates that were in front of the query."""
    source: str = "local"
    """Where the entry came from: a file, an app, a user."""
    tenant: str = "default"
    time: AwareDatetime | None = None
    """When the answer came, where that is known."""

    @model_validator(mode="after")
    def _derive_key(self) -> Self:
        if not self.key:
            content = self.model_dump(mode="json", exclude={"key", "time"})
            if not self.cost_estimated:  # keys are as they were before there was this field
                del content["cost_estimated"]
            object.__setattr__(self, "key", content_key(content))
        return self

    @model_validator(mode="after")
    def _errors_have_no_performance(self) -> Self:
        if self.error is not None and self.performance is not None:
            raise ValueError("an entry with an error cannot have a performance")
        return self


class Attempt(Noun):
    """One call of one arm: how it ended and what it took."""

    arm: Arm
    error: str | None = None
    """Class of the failure as in `LogEntry.error`; none for an answer."""
    reason: str | None = None
    """The failure in words, without secrets."""
    seconds: Seconds = 0.0
    """From request to complete answer or failure."""
    waited: Seconds = 0.0
    """Slept before the request, because the provider asked for it or to back off."""
    usage: Usage = Usage()
    cost: Dollars | None = None
    """Dollars paid, as far as is known; a failed attempt may have been paid for too."""


class Judgement(Noun):
    """A judge's verdict on one log entry. A judge that failed gives no score, never zero.

    Without a `key`, one is derived from the content but the time, so that the same verdict
    written twice is written once; signals that may come again, such as a user's feedback, carry
    keys of their own.
    """

    key: Derived = ""
    """Unique in a log."""
    entry_key: str = Field(min_length=1)
    score: Score | None
    reason: str | None = None
    correctness: Score | None = None
    """Whether the answer is right, where the judge says it separately."""
    reasoning: Score | None = None
    """How clear and sound its reasoning is, where the judge says it."""
    usefulness: Score | None = None
    """How good an example to train a model on it is, where the judge says it."""
    judge: str = Field(min_length=1)
    """Name of the judge."""
    judge_version: str = "1"
    """Changes whenever the judge's model, prompt or rubric does."""
    cost: Dollars | None = None
    """Dollars paid for this verdict."""
    source: str = "local"
    """Who gave it: a worker, an app, a user."""
    time: AwareDatetime | None = None

    @model_validator(mode="after")
    def _derive_key(self) -> Self:
        if not self.key:
            said = (self.entry_key, self.judge, self.judge_version, self.score, self.reason)
            more: tuple[JsonValue, ...] = ()
            aspects = (self.correctness, self.reasoning, self.usefulness)
            if self.source != "local" or any(aspect is not None for aspect in aspects):
                more = (*aspects, self.source)  # else keys are as before there were these fields
            object.__setattr__(self, "key", content_key(*said, *more))
        return self


class Calibration(Noun):
    """What a judge's scores are worth in performance: a rising line through points.

    Learned where answers have both a judge's score and a measured performance. Source: isotonic
    regression; Zadrozny and Elkan, "Transforming Classifier Scores into Accurate Multiclass
    Probability Estimates" (KDD 2002).

    >>> line = Calibration(judge="rubric", judge_version="1", scores=(0.0, 1.0),
    ...                    performances=(0.2, 0.8), n=100)
    >>> line.performance(0.5)
    0.5
    """

    judge: str = Field(min_length=1)
    judge_version: str
    scores: Annotated[tuple[Score, ...], Field(min_length=1)]
    """Rising."""
    performances: Annotated[tuple[Score, ...], Field(min_length=1)]
    """Expected performance at each of `scores`; never falling."""
    n: int = Field(gt=0)
    """Number of answers that it was learned from."""
    time: AwareDatetime | None = None

    @model_validator(mode="after")
    def _is_a_rising_line(self) -> Self:
        if len(self.scores) != len(self.performances):
            raise ValueError("a calibration needs a performance for each score")
        rising = all(a < b for a, b in pairwise(self.scores))
        if not rising or any(a > b for a, b in pairwise(self.performances)):
            raise ValueError("the scores of a calibration must rise, and performances not fall")
        return self

    def performance(self, score: float) -> float:
        """Expected performance of an answer with this score; constant beyond both ends."""
        at = bisect_right(self.scores, score)
        if at == 0:
            return self.performances[0]
        if at == len(self.scores):
            return self.performances[-1]
        left, right = self.scores[at - 1], self.scores[at]
        share = (score - left) / (right - left)
        low, high = self.performances[at - 1], self.performances[at]
        return low + share * (high - low)


class ThoughtTemplate(Noun):
    """Reasoning that can be used again, distilled from good answers to one question.

    Without an `id`, one is derived from the content, so that mining twice stores it once.
    """

    id: Derived = ""
    problem: str = Field(min_length=1)
    """What kind of problem it is and the general approach: one sentence."""
    reasoning: str = ""
    """The chain of reasoning to follow: one to three sentences; none for easy problems."""
    answer_format: str = ""
    """How answers of this kind are given: one sentence."""
    pitfall: bool = False
    """Whether it says what goes wrong, learned from wrong answers beside right ones."""
    question: str
    """The question that it was distilled from; shown with it."""
    query_id: str
    """Of that question; the template is never shown for it or for its near-duplicates."""
    task: str | None = None
    """The task of that question, where known; retrieval does not need it."""
    entry_keys: tuple[str, ...] = ()
    """Log entries of the answers that it was distilled from."""
    criterion: str = ""
    """How those answers were chosen: `performance`, `judge` or `hybrid`."""
    summarizer: str = ""
    """The model that wrote it."""
    prompt_version: str = ""
    """Of the words that the summarizer was asked with."""
    source: str = "local"
    """Where it came from: the source of the entries, or the file that it was imported from."""
    tenant: str = "default"
    cost: Dollars | None = None
    """Dollars paid to have it written."""
    time: AwareDatetime | None = None

    @model_validator(mode="after")
    def _derive_id(self) -> Self:
        if not self.id:
            words = (self.problem, self.reasoning, self.answer_format, self.pitfall)
            object.__setattr__(self, "id", content_key(*words, self.query_id, self.tenant))
        return self

    @property
    def text(self) -> str:
        """Its sentences, one after the other."""
        parts = (self.problem, self.reasoning, self.answer_format)
        return " ".join(part.strip() for part in parts if part.strip())


class ArmForecast(Noun):
    """What a router expects of one arm for one query; none where it knows nothing."""

    arm: Arm
    performance: float | None = None
    """Expected performance in [0, 1]."""
    performance_std: float | None = None
    """Standard error of that expectation."""
    judge: float | None = None
    """Expected judge score in [0, 1]."""
    cost: float | None = None
    """Expected dollars."""
    latency: float | None = None
    """Expected seconds."""
    utility: float | None = None
    """Under the route's objective; none if the arm may not be chosen."""


class Route(Noun):
    """A routing decision with its evidence."""

    arm: Arm
    ranking: tuple[ArmForecast, ...]
    """Every arm, best first; arms that may not be chosen come last."""
    utility: float | None = None
    """Expected, of the chosen arm; none if nothing is known of it."""
    propensity: float = 1.0
    """Probability with which this arm was chosen; 1 without exploration."""
    objective: str
    router: str
    router_version: str
    reason: str
    """In words: why this arm."""
    usage: Usage = Usage()
    """Of the model that was asked which arm; nothing where none was."""
    cost: Dollars | None = None
    """Dollars for that."""


class ModelCard(Noun):
    """What is known about a model before it has answered anything."""

    model: str = Field(min_length=1)
    description: str = ""
    input_price: Dollars | None = None
    """Dollars per million input tokens."""
    output_price: Dollars | None = None
    """Dollars per million output tokens."""
    context_window: Tokens | None = None
    size: Annotated[float, Field(gt=0)] | None = None
    """Billions of parameters, where published."""
    tools: bool | None = None
    vision: bool | None = None
    structured_output: bool | None = None
