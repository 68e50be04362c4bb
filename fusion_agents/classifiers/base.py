"""What a classifier is: the step that says which arm should answer."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from langchain_core.runnables import RunnableConfig

from fusion_agents.objective import Objective
from fusion_agents.types import Arm, Query, Route


@dataclass(frozen=True, kw_only=True)
class Question:
    """A query that wants a route, with the arms that are able to answer it."""

    query: Query
    arms: tuple[Arm, ...]
    """In the pool's order; at least one."""
    key: str = ""
    """Names the turn, for draws that a retry must repeat; where it is empty, nothing is drawn."""


class Classifier(ABC):
    """Chooses an arm for each question; what it gives names only arms of the question.

    Arms about which it knows nothing come last in the ranking, without a forecast.
    """

    calls_models: ClassVar[bool] = False
    """Whether it calls a model: then it is asked inside of the app's run, and it is not cheap."""

    @abstractmethod
    def routes(
        self,
        questions: Sequence[Question],
        objective: Objective,
        config: RunnableConfig | None = None,
    ) -> list[Route]:
        """Choose an arm for each question.

        Raises:
            RouteError: If the objective leaves no arm for some question.
            ObjectiveError: If it weighs something that the classifier knows of no arm.
        """

    async def aroutes(
        self,
        questions: Sequence[Question],
        objective: Objective,
        config: RunnableConfig | None = None,
    ) -> list[Route]:
        """The same for an event loop; one that waits overrides it."""
        return self.routes(questions, objective, config)
