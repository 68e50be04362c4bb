"""Query-level fusion as a LangGraph state machine: classify, answer, judge, record."""

from collections.abc import Sequence
from itertools import pairwise

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.store.base import BaseStore
from langgraph.types import Checkpointer

from fusion_agents.answering.nouns import Bindings
from fusion_agents.graphs.environment import steps_from_environment
from fusion_agents.graphs.nodes import STORE_RETRIES, Node, QueryNodes, StepsSource
from fusion_agents.graphs.state import QueryContext, QueryInput, QueryState

QueryGraph = CompiledStateGraph[QueryState, QueryContext, QueryInput, QueryState]


def build_query_level_graph(
    steps: StepsSource,
    *,
    bindings: Bindings | None = None,
    checkpointer: Checkpointer = None,
    store: BaseStore | None = None,
    name: str = "query_level",
) -> QueryGraph:
    """Make the graph that answers each query with the arm that is best for it.

    `classify` decides which arm, `answer` asks it and falls back along the ranking, `judge` has
    the answer judged if the steps' `JudgePolicy` wants that before it is given (other turns go
    past that node), `record` appends the attempts and the judgement to the log. A run takes
    `{"messages": [...]}` and may choose an objective, a model, an arm or a tenant by
    `context=QueryContext(...)`. The answer is the last message, with the decision in its
    `response_metadata["fusion"]`.

    A node is repeated only if a store is busy or out of reach; a failed answer had its retries.

    Args:
        steps: Those of a chain (`chain.steps`), or a function that makes them at the first run.
        bindings: Tools and options for whichever model is chosen.
        checkpointer: Keeps conversations and lets a killed run go on.
        store: For nodes of yours; these use none.
        name: Of the graph's runs.
    """
    composed = compose(QueryNodes(steps, bindings), ("classify", "answer", "judge", "record"))
    return composed.compile(checkpointer=checkpointer, store=store, name=name)


def compose(
    nodes: QueryNodes, names: Sequence[str]
) -> StateGraph[QueryState, QueryContext, QueryInput, QueryState]:
    """Put nodes one behind the other; only `judge` is passed by where it has nothing to do."""
    graph = StateGraph(QueryState, context_schema=QueryContext, input_schema=QueryInput)
    for name in names:
        node = Node(name, getattr(nodes, name), getattr(nodes, f"a{name}"))
        graph.add_node(name, node, retry_policy=STORE_RETRIES)
    for before, after in pairwise((START, *names, END)):
        if after == "judge":
            fork = Node("after_answer", nodes.after_answer, nodes.aafter_answer)
            graph.add_conditional_edges(before, fork, ["judge", "record"])
        else:
            graph.add_edge(before, after)
    return graph


graph = build_query_level_graph(steps_from_environment)
"""What `langgraph.json` names: it opens with nothing set up, and reads the environment when it is
first run."""
