"""Arms, objectives and queries in words that a choosing model reads."""

from collections.abc import Mapping, Sequence
from inspect import getdoc

from fusion_agents.classifiers.base import Question
from fusion_agents.errors import RouteError
from fusion_agents.objective import Objective
from fusion_agents.quoting import quoted
from fusion_agents.strategies.base import Strategy
from fusion_agents.strategies.catalogue import strategy_classes
from fusion_agents.types import Arm, ModelCard

ANSWER_TOKENS = 500
"""Length of an answer that an estimate of its cost assumes."""

SHOWN = (6_000, 1_500)
"""How many characters of a long query's beginning and end are shown."""


def allowed_arms(
    question: Question, objective: Objective, cards: Mapping[str, ModelCard]
) -> tuple[tuple[Arm, ...], str]:
    """The arms that the objective allows, and words about caps that could not be checked.

    Raises:
        RouteError: If it allows none.
    """
    arms = [arm for arm in question.arms if _is_named(arm, objective)]
    unchecked = []
    if objective.max_cost is not None:
        costs = {arm: _estimated_cost(arm, question, cards) for arm in arms}
        arms = [arm for arm in arms if (costs[arm] or 0.0) <= objective.max_cost]
        if any(costs[arm] is None for arm in arms):
            unchecked.append("max_cost of arms without a price")
    if objective.max_latency is not None:
        unchecked.append("max_latency")
    if not arms:
        raise RouteError(
            f"objective {objective.name!r} leaves no arm of "
            f"{', '.join(map(str, question.arms))} for query {question.query.id!r}: "
            "loosen its caps or allow more arms"
        )
    return tuple(arms), f" (not checked: {', '.join(unchecked)})" if unchecked else ""


def _is_named(arm: Arm, objective: Objective) -> bool:
    return objective.arms is None or arm.model in objective.arms or str(arm) in objective.arms


def _estimated_cost(arm: Arm, question: Question, cards: Mapping[str, ModelCard]) -> float | None:
    card = cards.get(arm.model)
    if card is None or card.input_price is None or card.output_price is None:
        return None
    asked = len(question.query.text) / 4
    return (asked * card.input_price + ANSWER_TOKENS * card.output_price) / 1e6


def describe_arms(
    arms: Sequence[Arm], cards: Mapping[str, ModelCard], strategies: Mapping[str, str]
) -> str:
    """List models, strategies and arms."""
    known = {**_strategies(), **strategies}
    models = dict.fromkeys(arm.model for arm in arms)
    names = dict.fromkeys(arm.strategy for arm in arms)
    return "\n".join(
        [
            "Models:",
            *(f"- {model}: {describe_card(cards.get(model))}" for model in models),
            "",
            "Strategies:",
            *(f"- {name}: {known.get(name, 'nothing is known about it')}" for name in names),
            "",
            "Arms that may be chosen:",
            *(f"- {arm}" for arm in arms),
        ]
    )


def describe_card(card: ModelCard | None) -> str:
    """Say what is known about a model.

    >>> describe_card(ModelCard(model="small", description="Quick.", size=8, tools=True))
    'Quick; 8 billion parameters; can call tools'
    """
    if card is None:
        return "nothing is known about it"
    prices = (("input", card.input_price), ("output", card.output_price))
    facts = [
        " ".join(card.description.split()).rstrip("."),
        *(
            f"{price:g} dollars per million {of} tokens"
            for of, price in prices
            if price is not None
        ),
        f"{card.size:g} billion parameters" if card.size is not None else "",
        f"reads up to {card.context_window} tokens" if card.context_window is not None else "",
        "can call tools" if card.tools else "",
        "sees pictures" if card.vision else "",
    ]
    return "; ".join(fact for fact in facts if fact) or "nothing is known about it"


def describe_objective(objective: Objective) -> str:
    """Say what the caller wants, with the weights and caps.

    >>> describe_objective(Objective.parse("performance=1,max_cost=0.1"))
    'What the caller wants: quality of the answer (weight 1). At most 0.1 dollars for the query.'
    """
    weights = {
        "quality of the answer": objective.performance + objective.judge,
        "low cost": objective.cost,
        "low latency": objective.latency,
    }
    wanted = ", ".join(f"{what} (weight {weight:g})" for what, weight in weights.items() if weight)
    caps = [
        (objective.max_cost, "dollars for the query"),
        (objective.max_latency, "seconds for the answer"),
    ]
    limits = [f" At most {cap:g} {unit}." for cap, unit in caps if cap is not None]
    return f"What the caller wants: {wanted or 'a good answer'}.{''.join(limits)}"


def describe_query(text: str) -> str:
    """Put a query between two lines that it cannot close; of a long one, both ends are shown."""
    return f"{quoted('query', text, shown=SHOWN)}\n\nWhich arm should answer it?"


def _strategies() -> dict[str, str]:
    """What the installed strategies do: the first paragraph of their documentation."""
    return {name: _first_words(part) for name, part in strategy_classes().items()}


def _first_words(part: type[Strategy]) -> str:
    return " ".join((getdoc(part) or part.__name__).split("\n\n")[0].split())
