"""An agent with a tool, whose model is chosen for each run; runs offline.

`FakeChatModel` stands in for real models, which are written `{"small": "openai:gpt-5-mini", ...}`.
The tool loop stays with the model that began it.
"""

import tempfile
from pathlib import Path

from langchain.agents import create_agent
from langchain_core.tools import tool

from fusion_agents import FusionRouterMiddleware, RoutingLog
from fusion_agents.simulation import simulate_log
from fusion_agents.testing.fake_chat import FakeChatModel


@tool
def multiply(a: int, b: int) -> int:
    """Multiply two whole numbers."""
    return a * b


def main() -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        RoutingLog(Path(folder) / "routing.db") as log,
    ):
        log.append(simulate_log(200))
        models = {name: FakeChatModel(model=name) for name in ("sim-frontier", "sim-small-math")}
        router = FusionRouterMiddleware.from_log(log, models=models, objective="balance")
        agent = create_agent(model=router.first_model, tools=[multiply], middleware=[router])

        state = agent.invoke({"messages": [("user", "Please multiply 17 and 23.")]})
        for message in state["messages"]:
            print(f"{message.type}: {message.text or message.tool_calls}")
        print(f"answered by {state['fusion_route']['answered_by']}")


if __name__ == "__main__":
    main()
