import pytest

from fusion_agents.errors import ConfigError, DataError
from fusion_agents.metrics import make_metric, metric_classes, metric_name, score
from fusion_agents.types import Query


@pytest.mark.parametrize(
    ("published", "name"),
    [
        ("em_mc", "multiple-choice"), ("em", "exact-match"), ("exact_match", "exact-match"),
        ("cem", "contains"), ("f1_score", "f1"), ("GSM8K", "number"), ("gsm8k", "number"),
        ("MATH", "math"), ("math", "math"), ("commongen_coverage", "coverage"),
        ("mcq_accuracy", "multiple-choice"), ("math_metric", "math"),
    ],
)  # fmt: skip
def test_published_names_are_understood(published: str, name: str) -> None:
    assert metric_name(published) == name
    assert make_metric(published).name == name


def test_every_metric_goes_by_its_own_name() -> None:
    for name in metric_classes():
        assert make_metric(name).name == name


def test_an_unknown_metric_is_named_with_those_that_are_known() -> None:
    with pytest.raises(ConfigError, match=r"'bleu'; known are .*contains"):
        make_metric("bleu")


def test_a_response_is_scored_by_the_metric_that_its_query_names() -> None:
    query = Query(text="2 + 2?", ground_truth="4", metric="gsm8k")
    assert score("It is 4.", query).score == 1.0
    with pytest.raises(DataError, match="names no metric"):
        score("It is 4.", query.model_copy(update={"metric": None}))
