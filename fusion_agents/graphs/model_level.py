"""Model-level fusion as a LangGraph state machine: the best answers in a log train a student."""

from typing import Any

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.store.base import BaseStore
from langgraph.types import Checkpointer

from fusion_agents.graphs.model_level_nodes import AFTER_APPROVAL, NODES, ModelLevelNodes
from fusion_agents.graphs.model_level_state import ModelLevelInput, ModelLevelState
from fusion_agents.graphs.nodes import STORE_RETRIES, Node

ModelLevelGraph = CompiledStateGraph[ModelLevelState, Any, ModelLevelInput, ModelLevelState]


def build_model_level_graph(
    *,
    checkpointer: Checkpointer = None,
    store: BaseStore | None = None,
    name: str = "model_level",
) -> ModelLevelGraph:
    """Make the graph that distils the best answers in a log into a student.

    `select` takes right answers from the log and writes them down, `export` writes them in the
    plan's formats, `estimate` says what training and comparing will take, `approve` stops for
    somebody to agree (`Command(resume=True)`), `train` trains, `evaluate` compares the student
    with its base and tells the log, `register` puts it into `models.toml` if it helped.

    A run takes `{"plan": {...}}`, a `fusion_agents.distill.plan.Plan` as JSON. Nothing is paid
    for and no GPU is used before `approve`; it needs a checkpointer, unless the plan's
    `approve_up_to` covers the estimate. A run that was killed at any node goes on when it is
    invoked with `None` and its thread: nothing that was trained, asked or paid for is done twice.
    How far training has come is in `stream_mode="custom"`.

    Args:
        checkpointer: Keeps the run where it stops for approval, and lets a killed one go on.
        store: For nodes of yours; these use none.
        name: Of the graph's runs.
    """
    nodes = ModelLevelNodes()
    graph = StateGraph(ModelLevelState, input_schema=ModelLevelInput)
    for one in NODES:
        node = Node(one, getattr(nodes, one), getattr(nodes, f"a{one}"))
        graph.add_node(one, node, retry_policy=STORE_RETRIES)
    for before, after in zip((START, *NODES), NODES, strict=False):
        if after != AFTER_APPROVAL:
            graph.add_edge(before, after)
    fork = Node("after_approve", nodes.after_approve, nodes.aafter_approve)
    graph.add_conditional_edges("approve", fork, [AFTER_APPROVAL, END])
    graph.add_edge(NODES[-1], END)
    return graph.compile(checkpointer=checkpointer, store=store, name=name)


graph = build_model_level_graph()
"""What `langgraph.json` names; a run of it takes a plan, so it needs no environment."""
