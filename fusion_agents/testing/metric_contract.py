"""What every metric promises, as a test class to subclass.

```python
class TestMyMetric(MetricContract):
    def make(self) -> Metric:
        return MyMetric()

    def cases(self) -> Cases:
        return Cases(Query(text="2 + 2?", ground_truth="4"), right=["It is 4."], wrong=["5"])
```
"""

import pickle
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import pytest

from fusion_agents.errors import DataError
from fusion_agents.metrics.base import Metric, Scored
from fusion_agents.types import Query

HOSTILE = {
    "one letter": "A" * 1_000_000,
    "spaces": " " * 1_000_000,
    "line breaks": "\n" * 1_000_000,
    "digits": "1" * 1_000_000,
    "open braces": "{" * 1_000_000,
    "boxes": "\\boxed{" * 140_000,
    "phrases": "the answer is " * 70_000,
    "fields": '"answer": [' * 90_000,
    "quotes": '"answer": "' + '\\"' * 500_000,
    "questions": "\nQuestion:" * 100_000,
    "numbers": "1,000 " * 160_000,
    "fractions": "\\frac{1}{" * 110_000,
    "parentheses": "(A) " * 250_000,
    "dollars": "$x" * 500_000,
    "stars": "*" * 1_000_000,
    "words": "so is the option " * 60_000,
    "reasoning": "<think>" * 140_000,
    "a null": "\0" * 1_000_000,
    "Turkish": "İ" * 500_000,
}
"""A megabyte each, to make a careless pattern hang."""


class Cases(NamedTuple):
    """A query, responses that are right and responses that are wrong."""

    query: Query
    right: Sequence[str]
    wrong: Sequence[str]


class MetricContract(ABC):
    """Subclass it, name the class `Test...` and give `make` and `cases`."""

    seconds = 1.0
    """How long one hostile response of a megabyte may take."""

    @abstractmethod
    def make(self) -> Metric:
        """Make a metric; always the same."""

    @abstractmethod
    def cases(self) -> Cases:
        """Give a query with its ground truth, and responses to it."""

    def score(self, response: str) -> Scored:
        """Score a response to the query of `cases`."""
        return self.make().score(response, self.cases().query)

    def test_its_name_is_that_of_its_module(self) -> None:
        cls = type(self.make())
        assert cls.name == cls.__module__.rpartition(".")[2].replace("_", "-")

    def test_right_responses_score_one(self) -> None:
        for response in self.cases().right:
            assert self.score(response).score == 1.0, response

    def test_wrong_responses_score_less_and_say_why(self) -> None:
        for response in self.cases().wrong:
            scored = self.score(response)
            assert scored.score is not None, response
            assert scored.score < 1.0, response
            assert scored.score > 0.0 or scored.reason, response

    @pytest.mark.parametrize("response", ["", " \n\t", "<think>It may well be"])
    def test_a_response_without_an_answer_is_zero_with_a_reason(self, response: str) -> None:
        scored = self.score(response)
        assert scored.score == 0.0
        assert scored.reason

    def test_what_was_thought_before_the_answer_is_not_read(self) -> None:
        case = self.cases()
        for response in case.right:
            thought = f"<think>{case.wrong[0]}</think>{response}"
            assert self.score(thought) == self.score(response)

    def test_a_query_without_ground_truth_is_refused(self) -> None:
        for truth in (None, ()):
            query = self.cases().query.model_copy(update={"ground_truth": truth})
            with pytest.raises(DataError):
                self.make().score(self.cases().right[0], query)

    def test_any_alias_will_do(self) -> None:
        truth = self.cases().query.ground_truth
        golds = (truth,) if isinstance(truth, str) else truth or ()
        query = self.cases().query.model_copy(update={"ground_truth": (*golds, *golds)})
        for response in self.cases().right:
            assert self.make().score(response, query).score == 1.0

    @pytest.mark.parametrize("name", HOSTILE)
    def test_a_megabyte_made_to_hang_it_does_not(self, name: str) -> None:
        before = time.process_time()
        scored = self.score(HOSTILE[name])
        assert time.process_time() - before < self.seconds
        assert scored.score is None or 0.0 <= scored.score <= 1.0

    def test_threads_can_share_it(self) -> None:
        metric, case = self.make(), self.cases()
        responses = [*case.right, *case.wrong] * 8
        alone = [metric.score(response, case.query) for response in responses]
        with ThreadPoolExecutor(8) as threads:
            found = list(threads.map(lambda r: metric.score(r, case.query), responses))
        assert found == alone

    def test_it_can_be_copied_to_another_process(self) -> None:
        copied = pickle.loads(pickle.dumps(self.make()))  # noqa: S301  made in the line itself
        case = self.cases()
        assert copied.score(case.right[0], case.query) == self.score(case.right[0])
