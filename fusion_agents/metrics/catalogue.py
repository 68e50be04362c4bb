"""Metrics by name, under which published logs may know them too."""

from functools import cache

from fusion_agents.errors import ConfigError, DataError
from fusion_agents.metrics.base import Metric, Scored
from fusion_agents.plugins import find_parts
from fusion_agents.types import Query

PUBLISHED_NAMES = {
    "em-mc": "multiple-choice",
    "mc": "multiple-choice",
    "mcq": "multiple-choice",
    "mcq-accuracy": "multiple-choice",
    "em": "exact-match",
    "superglue-exact-match": "exact-match",
    "cem": "contains",
    "f1-score": "f1",
    "token-f1": "f1",
    "gsm8k": "number",
    "numeric": "number",
    "math-metric": "math",
    "code-eval": "code",
    "code-accuracy": "code",
    "pass@1": "code",
    "pass-at-1": "code",
    "commongen-coverage": "coverage",
}
"""What FusionBench and other published logs call a metric, and what it is called here."""


def metric_classes() -> dict[str, type[Metric]]:
    """All metrics by name, in alphabetical order."""
    return find_parts("fusion_agents.metrics", Metric)


def metric_name(name: str) -> str:
    """Find a metric's own name; case, underscores and published names are understood.

    >>> metric_name("em_mc"), metric_name("GSM8K"), metric_name("exact_match")
    ('multiple-choice', 'number', 'exact-match')

    Raises:
        ConfigError: If there is no such metric.
    """
    plain = name.strip().lower().replace("_", "-").replace(" ", "-")
    found = PUBLISHED_NAMES.get(plain, plain)
    if found not in metric_classes():
        known = ", ".join(metric_classes())
        raise ConfigError(f"there is no metric {name!r}; known are {known}")
    return found


def make_metric(name: str) -> Metric:
    """Make a metric with its default options.

    Raises:
        ConfigError: If there is no such metric.
    """
    return metric_classes()[metric_name(name)]()


def score(response: str, query: Query) -> Scored:
    """Score a response with the metric that the query names.

    Raises:
        ConfigError: If there is no such metric.
        DataError: If the query names none, or lacks what the metric compares with.
    """
    if query.metric is None:
        raise DataError(f"query {query.id!r} names no metric to score a response with")
    return _made(query.metric).score(response, query)


@cache
def _made(name: str) -> Metric:
    return make_metric(name)
