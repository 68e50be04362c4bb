"""Thought templates where they help, and only there; runs offline.

One simulated model answered each logged question without templates and with them, which helped in
arithmetic, dates and logic and hurt in code and strings. The router is told none of this.
"""

import tempfile
from collections import Counter
from pathlib import Path

from fusion_agents import FusionRouterChain, RoutingLog
from fusion_agents.graphs.thought_level import build_thought_level_graph
from fusion_agents.simulation import generate_questions, simulate_log
from fusion_agents.simulation.models import THOUGHT_ARMS
from fusion_agents.stores.template_store import TemplateStore
from fusion_agents.testing.fake_chat import FakeChatModel
from fusion_agents.types import ThoughtTemplate

ADVICE = {  # in your app, a model writes these: `fusion-agents templates mine`
    "arithmetic": "Work from left to right and keep each intermediate result.",
    "dates": "Count days month by month, and look whether February has a 29th.",
    "logic": "Write each statement as a condition and strike out what breaks one.",
}
LOGGED = 300


def main() -> None:
    questions = generate_questions(LOGGED + 60)
    with (
        tempfile.TemporaryDirectory() as folder,
        RoutingLog(Path(folder) / "routing.db") as log,
    ):
        log.append(simulate_log(LOGGED, arms=THOUGHT_ARMS))
        TemplateStore(log).add(
            ThoughtTemplate(
                problem=f"A question of {question.family}.",
                reasoning=ADVICE[question.family],
                question=question.text,
                query_id=question.text,
            )
            for question in questions[:LOGGED]
            if question.family in ADVICE
        )
        chain = FusionRouterChain.from_log(log, models={"sim-medium": FakeChatModel()})

        shares: Counter[str] = Counter()
        for question in questions[LOGGED:]:
            shares[f"{question.family} {chain.route(question.text).arm.strategy}"] += 1
        for what, times in sorted(shares.items()):
            print(f"{times:3} {what}")

        graph = build_thought_level_graph(chain.steps)
        state = graph.invoke({"messages": [("user", "What is 381 + 22 - 94 + 507?")]})
        for template in state["templates"] or []:
            print("shown:", template["question"], "->", template["reasoning"])


if __name__ == "__main__":
    main()
