"""The query-level graph with a checkpointer: a conversation that is kept; runs offline.

`SqliteSaver` of `langgraph-checkpoint-sqlite` keeps it in a file instead.
"""

import tempfile
from pathlib import Path

from langgraph.checkpoint.memory import InMemorySaver

from fusion_agents import FusionRouterChain, RoutingLog
from fusion_agents.graphs.query_level import QueryContext, build_query_level_graph
from fusion_agents.simulation import simulate_log
from fusion_agents.testing.replay import ReplayChatModel


def main() -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        RoutingLog(Path(folder) / "routing.db") as log,
    ):
        log.append(simulate_log(200))
        questions = [query.text for query in log.queries()][:2]
        chain = FusionRouterChain.from_log(log, models=ReplayChatModel.pool_of(log), record=True)
        graph = build_query_level_graph(chain.steps, checkpointer=InMemorySaver())

        thread = {"configurable": {"thread_id": "1"}}
        before = log.count()
        for question, objective in zip(questions, ("balance", "cost-first"), strict=True):
            state = graph.invoke(
                {"messages": [("user", question)]},
                thread,
                context=QueryContext(objective=objective, tenant="acme"),
            )
            answer = state["messages"][-1]
            print(f"{answer.response_metadata['fusion']['answered_by']}: {answer.text[-60:]!r}")

        print(f"the thread holds {len(graph.get_state(thread).values['messages'])} messages")
        print(f"the log has {log.count() - before} new entries")


if __name__ == "__main__":
    main()
