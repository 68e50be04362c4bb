"""Thought-level fusion as a LangGraph state machine: retrieval is a node of its own."""

from langgraph.store.base import BaseStore
from langgraph.types import Checkpointer

from fusion_agents.answering.nouns import Bindings
from fusion_agents.graphs.environment import steps_from_environment
from fusion_agents.graphs.nodes import QueryNodes, StepsSource
from fusion_agents.graphs.query_level import QueryGraph, compose

_NODES = ("classify", "retrieve", "answer", "judge", "record")


def build_thought_level_graph(
    steps: StepsSource,
    *,
    bindings: Bindings | None = None,
    checkpointer: Checkpointer = None,
    store: BaseStore | None = None,
    name: str = "thought_level",
) -> QueryGraph:
    """Make the graph that looks up thought templates where the arm of a query shows them.

    It is the query-level graph with the node `retrieve` between `classify` and `answer`: for an
    arm `model@thought` it puts the templates of the run's tenant into the state, as JSON, and
    `answer` shows those, also in a run that goes on after it was killed. For other arms it does
    nothing. An app can stop behind it to look at the templates, or change them. A fallback to
    another arm `@thought` shows the same ones if they were looked up, and looks itself if not.

    Args:
        steps: Those of a chain (`chain.steps`), or a function that makes them at the first run.
        bindings: Tools and options for whichever model is chosen.
        checkpointer: Keeps conversations and lets a killed run go on.
        store: For nodes of yours; these use none.
        name: Of the graph's runs.
    """
    composed = compose(QueryNodes(steps, bindings), _NODES)
    return composed.compile(checkpointer=checkpointer, store=store, name=name)


graph = build_thought_level_graph(steps_from_environment)
"""What `langgraph.json` names; it reads the environment when it is first run."""
