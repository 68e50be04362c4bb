"""A process that runs the model level on a thread that is kept in SQLite, to be killed by a test.

It says which node begins, a line each, and what the run came to.
"""

import json
import sys

from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.types import Command

from fusion_agents.graphs.model_level import build_model_level_graph


def main() -> None:
    path, given = sys.argv[1], json.loads(sys.argv[2])
    thread = {"configurable": {"thread_id": "1"}}
    with SqliteSaver.from_conn_string(path) as saver:
        graph = build_model_level_graph(checkpointer=saver)
        step = Command(resume=given["resume"]) if given and "resume" in given else given
        events = graph.stream(step, thread, stream_mode="tasks", durability="sync")
        for event in events:
            if "input" in event:  # it begins
                say({"begins": event["name"]})
        state = graph.get_state(thread)
        say({"waits": list(state.next), "state": state.values})


def say(what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
