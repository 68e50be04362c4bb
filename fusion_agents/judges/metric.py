"""A metric judges: where the right answer is known, nothing else is needed."""

from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from langchain_core.runnables import RunnableConfig

from fusion_agents.errors import ConfigError, DataError
from fusion_agents.judges.base import Case, Judge, Verdict
from fusion_agents.metrics.catalogue import metric_classes, metric_name, score
from fusion_agents.types import content_key

if TYPE_CHECKING:
    from fusion_agents.judges.specs import Making


class MetricJudge(Judge):
    """Scores answers with the metric that their query names.

    An answer to a query without ground truth or metric is refused. What the metric could not
    measure, for want of a sandbox or a library, has no score and may be tried again.

    Args:
        metric: For queries that name none.

    Raises:
        ConfigError: If there is no such metric.

    >>> from fusion_agents.types import Query
    >>> query = Query(text="2 + 2?", ground_truth="4", metric="number")
    >>> MetricJudge().judge(Case(query=query, response="It is 4.")).score
    1.0
    """

    name: ClassVar[str] = "metric"

    def __init__(self, metric: str | None = None) -> None:
        self.metric = None if metric is None else metric_name(metric)

    @cached_property
    def version(self) -> str:
        """Changes with the version of any metric."""
        versions = [f"{name} {metric.version}" for name, metric in metric_classes().items()]
        return f"{self.name}-{content_key(*versions, self.metric)[:12]}"

    def judge(self, case: Case, config: RunnableConfig | None = None) -> Verdict:
        """Score one answer."""
        query = case.query
        if query.metric is None and self.metric is not None:
            query = query.model_copy(update={"metric": self.metric})
        try:
            found = score(case.response, query)
        except (ConfigError, DataError) as error:
            return Verdict(score=None, reason=str(error), refused=True)
        read = None if found.answer is None else f"answer: {found.answer}"[:500]
        return Verdict(
            score=found.score,
            reason=found.reason or read,
            correctness=found.score,
            error="unmeasured" if found.score is None else None,
        )

    @classmethod
    def from_spec(cls, rest: str, making: "Making") -> Judge:
        """Read `metric` or `metric:NAME`."""
        return cls(rest or None)
