"""The router as a `RouterChain` of langchain-classic, for apps that still have a `MultiRouteChain`.

New apps want `FusionRouterChain`; langchain-classic is imported by this module only.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self

from langchain_core.callbacks import (
    AsyncCallbackManagerForChainRun,
    CallbackManagerForChainRun,
)
from langchain_core.runnables import RunnableConfig
from pydantic import ConfigDict, Field, field_validator, model_validator

from fusion_agents.classifiers.base import Classifier, Question
from fusion_agents.conversation import query_text, to_messages
from fusion_agents.errors import ConfigError
from fusion_agents.objective import Objective
from fusion_agents.types import Arm, Query, Route

if TYPE_CHECKING:
    from langchain_classic.chains.router.base import RouterChain
else:
    try:
        from langchain_classic.chains.router.base import RouterChain
    except ImportError:

        class RouterChain:
            """Stands in where langchain-classic is not installed."""

            def __init__(self, **_: object) -> None:
                raise ConfigError(
                    "ClassicRouterChain needs langchain-classic: pip install langchain-classic"
                )


class ClassicRouterChain(RouterChain):
    """Names the arm, or the model, that should answer, as a destination of a `MultiRouteChain`.

    What it was given is passed on unchanged as `next_inputs`. Several arms of one model are one
    destination unless `by` is `arm`.

    Raises:
        ConfigError: When made, if langchain-classic is not installed or there is no arm.
        RouteError: When asked, if the objective leaves no arm.

    Example:
        ```python
        router = ClassicRouterChain(
            classifier=LearnedClassifier(load_router("router")),
            arms=("small", "large@think"),
        )
        MultiRouteChain(
            router_chain=router,
            destination_chains={"small": chain_of_small, "large": chain_of_large},
            default_chain=chain_of_small,
        )
        ```
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    classifier: Classifier
    """Says which arm should answer."""
    arms: tuple[Arm, ...] = Field(min_length=1)
    """Those to choose among, as arms or as their names."""
    objective: Objective = Objective.parse("performance-first")
    """An objective or what `Objective.parse` reads."""
    by: Literal["model", "arm"] = "model"
    """What a destination is called after."""
    input_key: str = "input"
    """Where the question is: a text, or messages."""

    @field_validator("arms", mode="before")
    @classmethod
    def _named_arms(cls, value: Sequence[str | Arm]) -> tuple[Arm, ...]:
        return tuple(Arm.parse(arm) if isinstance(arm, str) else arm for arm in value)

    @field_validator("objective", mode="before")
    @classmethod
    def _named_objective(cls, value: str | Objective) -> Objective:
        return Objective.parse(value)

    @model_validator(mode="after")
    def _one_arm_a_name(self) -> Self:
        if len(set(self.arms)) < len(self.arms):
            raise ValueError("an arm is named twice")
        return self

    @property
    def input_keys(self) -> list[str]:
        """The one key that it reads."""
        return [self.input_key]

    def _call(
        self, inputs: dict[str, Any], run_manager: CallbackManagerForChainRun | None = None
    ) -> dict[str, Any]:
        config = _child_config(run_manager)
        route = self.classifier.routes([self._question(inputs)], self.objective, config)[0]
        return self._destination(route, inputs)

    async def _acall(
        self, inputs: dict[str, Any], run_manager: AsyncCallbackManagerForChainRun | None = None
    ) -> dict[str, Any]:
        config = _child_config(run_manager)
        routes = await self.classifier.aroutes([self._question(inputs)], self.objective, config)
        return self._destination(routes[0], inputs)

    def _question(self, inputs: Mapping[str, Any]) -> Question:
        text = query_text(to_messages(inputs[self.input_key]))
        return Question(query=Query(text=text), arms=self.arms)

    def _destination(self, route: Route, inputs: Mapping[str, Any]) -> dict[str, Any]:
        name = str(route.arm) if self.by == "arm" else route.arm.model
        return {"destination": name, "next_inputs": dict(inputs)}


def _child_config(
    run_manager: CallbackManagerForChainRun | AsyncCallbackManagerForChainRun | None,
) -> RunnableConfig | None:
    return None if run_manager is None else {"callbacks": run_manager.get_child()}
