"""What every task promises, as a test class to subclass.

```python
class TestMyTask(TaskContract):
    def make(self) -> Task:
        return MyTask()

    def loader(self, part: Part) -> Sequence[Row]:
        return SMALL_DATA[part.dataset, part.split]  # in the real shape, some twenty rows
```
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import get_args

import pytest

from fusion_agents.errors import ConfigError, DataError
from fusion_agents.metrics import metric_name
from fusion_agents.near_duplicates import near_duplicate_groups
from fusion_agents.tasks import Part, Split, Task
from fusion_agents.tasks.base import Row
from fusion_agents.types import Query

SPLITS: tuple[Split, ...] = get_args(Split)


class TaskContract(ABC):
    """Subclass it, name the class `Test...` and give `make` and `loader`."""

    @abstractmethod
    def make(self) -> Task:
        """Make the task."""

    @abstractmethod
    def loader(self, part: Part) -> Sequence[Row]:
        """Give the rows of a part: at least ten a split, in the shape of the real ones."""

    def drawn(self, split: Split, n: int | None = None, seed: int = 0) -> list[Query]:
        """Draw with a new task."""
        return list(self.make().samples(split, n, seed, loader=self.loader))

    def test_its_name_is_that_of_its_module(self) -> None:
        cls = type(self.make())
        assert cls.name == cls.__module__.rpartition(".")[2]

    def test_its_metric_exists_and_is_called_by_its_own_name(self) -> None:
        metric = self.make().metric
        assert metric_name(metric) == metric

    @pytest.mark.parametrize("split", SPLITS)
    def test_a_query_says_what_is_needed_to_ask_and_score_it(self, split: Split) -> None:
        task = self.make()
        queries = self.drawn(split)
        assert queries
        for query in queries:
            assert (query.task, query.metric, query.split) == (task.name, task.metric, split)
            assert query.ground_truth
            assert query.text.endswith(task.instruction)
            assert len(query.text) > len(task.instruction) + 2

    @pytest.mark.parametrize("split", SPLITS)
    def test_nothing_is_asked_twice(self, split: Split) -> None:
        queries = self.drawn(split)
        assert len({query.text for query in queries}) == len(queries)
        assert len({query.id for query in queries}) == len(queries)

    @pytest.mark.parametrize("split", SPLITS)
    def test_the_seed_alone_decides_what_is_drawn(self, split: Split) -> None:
        first = self.drawn(split, seed=1)
        other = self.drawn(split, seed=2)
        assert self.drawn(split, seed=1) == first
        assert other != first
        assert {query.id for query in other} == {query.id for query in first}

    @pytest.mark.parametrize("split", SPLITS)
    def test_earlier_draws_change_nothing(self, split: Split) -> None:
        task = self.make()
        for other in SPLITS:
            list(task.samples(other, 3, 7, loader=self.loader))
        assert list(task.samples(split, 5, 1, loader=self.loader)) == self.drawn(split, 5, 1)

    @pytest.mark.parametrize("split", SPLITS)
    def test_fewer_are_the_beginning_of_more(self, split: Split) -> None:
        queries = self.drawn(split, seed=3)
        assert self.drawn(split, 0, 3) == []
        assert self.drawn(split, 4, 3) == queries[:4]
        assert self.drawn(split, len(queries) + 99, 3) == queries

    @pytest.mark.parametrize("seeds", [(0, 0), (1, 2)])
    def test_train_and_test_share_no_question_and_no_near_duplicate(
        self, seeds: tuple[int, int]
    ) -> None:
        train = [query.text for query in self.drawn("train", seed=seeds[0])]
        test = [query.text for query in self.drawn("test", seed=seeds[1])]
        groups = near_duplicate_groups(train + test).tolist()
        assert not set(train) & set(test)
        assert not set(groups[: len(train)]) & set(groups[len(train) :])

    def test_arguments_out_of_range_are_refused_at_once(self) -> None:
        task = self.make()
        for split, n, seed in (("dev", 1, 0), ("train", -1, 0), ("train", 1, -1)):
            with pytest.raises(ConfigError):
                task.samples(split, n, seed, loader=self.loader)  # type: ignore[arg-type]

    def test_data_of_another_shape_is_refused_by_name(self) -> None:
        task = self.make()
        with pytest.raises(DataError, match=task.splits.test[0].dataset):
            list(task.samples("test", 1, 0, loader=lambda _: [{"unexpected": 1}]))
