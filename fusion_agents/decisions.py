"""The router as LangChain's decision model, for middleware and apps that ask one.

Decision models came with langchain-core 1.8. With an older one this module can be imported, but
making a `FusionDecisionModel` is refused with a message that says so.
"""

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Self

import numpy as np
from pydantic import ConfigDict, Field, field_validator
from scipy.special import ndtr

from fusion_agents.classifiers.base import Classifier, Question
from fusion_agents.classifiers.learned import LearnedClassifier
from fusion_agents.conversation import query_text, to_messages
from fusion_agents.errors import ConfigError
from fusion_agents.objective import FloatArray, Objective
from fusion_agents.routers.artefact import load_router
from fusion_agents.types import Arm, Query, Route

_NEEDED = (
    "a decision model needs langchain-core >= 1.8, which this environment does not have: "
    "pip install 'langchain-core>=1.8', or use FusionRouterMiddleware, which needs no newer one"
)


class _OldCore:
    """Stands in for the base class where langchain-core has no decision models."""

    def __init__(self, **_: object) -> None:
        raise ConfigError(_NEEDED)


try:
    _decisions: Any = import_module("langchain_core.decisions")
except ImportError:
    _decisions = None
AVAILABLE = _decisions is not None
"""Whether this environment's langchain-core has decision models."""
_Base: Any = _decisions.BaseDecisionModel if AVAILABLE else _OldCore


class FusionDecisionModel(_Base):  # type: ignore[misc]
    """Answers `Choice` questions about which model should take a query, from the log.

    A label of the question is an arm (`model@strategy`), a model, which stands for the best of
    its arms, or a name in `labels`, which stands for one of those. The descriptions in the
    question are not read: what is known of an arm comes from the log.

    The choice is the label with the highest expected utility. The probabilities say how likely
    each label has the highest *true* utility, if forecasts err independently and normally with
    the standard errors that the router gives; where it gives none, the choice has probability 1.
    The confidence is the probability of the choice.

    Raises:
        ConfigError: When made, if langchain-core is older than 1.8. When asked, if a question is
            not a `Choice`, or a label stands for no arm.
        DataError: When asked, if the state holds no text and no messages.
        RouteError: When asked, if the objective leaves no arm.

    Example:
        ```python
        ModelRouterMiddleware(
            choices={"fast": ModelChoice("openai:gpt-5-mini", "Simple tasks."), ...},
            instructions="Which model should take this?",
            classifier=FusionDecisionModel.from_router("router", labels={"fast": "gpt-5-mini"}),
        )
        ```
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, protected_namespaces=())

    model: str = "fusion"
    """What traces call it."""
    classifier: Classifier = Field(exclude=True)
    """Says which arm should answer."""
    arms: tuple[Arm, ...] = ()
    """All there are; a label that names none of them is refused. Without any, a label names
    itself."""
    objective: Objective = Objective.parse("performance-first")
    """An objective or what `Objective.parse` reads."""
    labels: Mapping[str, str] = Field(default_factory=dict)
    """What labels stand for, where they are neither arms nor models."""

    @field_validator("arms", mode="before")
    @classmethod
    def _named_arms(cls, value: Sequence[str | Arm]) -> tuple[Arm, ...]:
        return tuple(Arm.parse(arm) if isinstance(arm, str) else arm for arm in value)

    @field_validator("objective", mode="before")
    @classmethod
    def _named_objective(cls, value: str | Objective) -> Objective:
        return Objective.parse(value)

    @classmethod
    def from_router(
        cls,
        directory: str | Path,
        *,
        objective: str | Objective = "performance-first",
        labels: Mapping[str, str] | None = None,
    ) -> Self:
        """Use a saved router.

        Raises:
            ArtefactError: If it is damaged.
        """
        router = load_router(Path(directory))
        made: Self = cls(
            model=router.version,
            classifier=LearnedClassifier(router),
            arms=router.fitted.arm_nouns,
            objective=objective,
            labels=labels or {},
        )
        return made

    @property
    def _provider(self) -> str:
        return "fusion"

    def _classify(self, state: Any, questions: Mapping[str, Any]) -> Any:
        asked = self._asked(state, questions)
        routes = self.classifier.routes([question for question, _ in asked], self.objective)
        return self._response(questions, asked, routes)

    async def _aclassify(self, state: Any, questions: Mapping[str, Any]) -> Any:
        asked = self._asked(state, questions)
        routes = await self.classifier.aroutes([question for question, _ in asked], self.objective)
        return self._response(questions, asked, routes)

    def _asked(
        self, state: Any, questions: Mapping[str, Any]
    ) -> list[tuple[Question, dict[Arm, str]]]:
        query = Query(text=query_text(to_messages(state)))
        owners = [self._owners(name, question) for name, question in questions.items()]
        return [(Question(query=query, arms=tuple(arms)), arms) for arms in owners]

    def _owners(self, name: str, question: Any) -> dict[Arm, str]:
        """The arms of a question, each with the label that it belongs to."""
        if question.type != "choice":
            raise ConfigError(
                f"question {name!r} is a {question.type}: a router answers only choices"
            )
        owners: dict[Arm, str] = {}
        for label in question.criteria:
            for arm in self._meant(label):
                if arm in owners:
                    raise ConfigError(
                        f"question {name!r}: {owners[arm]!r} and {label!r} both mean {arm}"
                    )
                owners[arm] = label
        return owners

    def _meant(self, label: str) -> list[Arm]:
        name = self.labels.get(label, label)
        if not self.arms:
            return [Arm.parse(name)]
        meant = [arm for arm in self.arms if name in (arm.model, str(arm))]
        if not meant:
            raise ConfigError(
                f"label {label!r} stands for no arm of {', '.join(map(str, self.arms))}: "
                "say what it means with labels="
            )
        return meant

    def _response(
        self,
        questions: Mapping[str, Any],
        asked: Sequence[tuple[Question, dict[Arm, str]]],
        routes: Sequence[Route],
    ) -> Any:
        answers = {}
        for name, (_, owners), route in zip(questions, asked, routes, strict=True):
            choice = owners[route.arm]
            probabilities = self._probabilities(route, owners)
            answers[name] = _decisions.ChoiceAnswer(
                type="choice",
                choice=choice,
                probabilities=probabilities,
                confidence=probabilities[choice],
            )
        return _decisions.ClassifierResponse(model=self.model, answers=answers)

    def _probabilities(self, route: Route, owners: Mapping[Arm, str]) -> dict[str, float]:
        chances = dict.fromkeys(owners.values(), 0.0)
        known = [f for f in route.ranking if f.utility is not None and f.arm in owners]
        stds = [f.performance_std for f in known]
        weight = self.objective.performance
        if len(known) < 2 or not weight or None in stds:
            return chances | {owners[route.arm]: 1.0}
        means = np.array([f.utility for f in known], dtype=np.float64)
        chance = chance_of_best(means, weight * np.array(stds, dtype=np.float64))
        for forecast, share in zip(known, chance.tolist(), strict=True):
            chances[owners[forecast.arm]] += share
        return {label: min(1.0, chance) for label, chance in chances.items()}


def chance_of_best(means: FloatArray, stds: FloatArray, points: int = 2001) -> FloatArray:
    """The chance of each of some independent normal variables to be the largest; they sum to 1.

    Computed on a grid, so the same forecasts give the same chances.

    Args:
        means: Shape (n,).
        stds: Shape (n,); those near zero are widened to what the grid can see.
        points: Of the grid.

    >>> chance_of_best(np.array([0.5, 0.5]), np.array([0.1, 0.1])).round(3).tolist()
    [0.5, 0.5]
    """
    low, high = float((means - 6 * stds).min()), float((means + 6 * stds).max())
    step = max(high - low, 1e-9) / points
    widths = np.maximum(stds, 2 * step)
    edges = np.linspace(low - 12 * step, high + 12 * step, 2 * points)
    below = ndtr((edges[None, :] - means[:, None]) / widths[:, None])
    logs = np.log(np.maximum((below[:, 1:] + below[:, :-1]) / 2, 1e-300))
    others_below = np.exp(logs.sum(axis=0) - logs)
    chance: FloatArray = (np.diff(below, axis=1) * others_below).sum(axis=1)
    chance /= chance.sum()
    return chance
