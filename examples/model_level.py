"""A tiny Llama learns from SIMULATED teachers to send messages to the right desk, on this CPU.

The whole graph: select, export, estimate, approve, train, evaluate, register; then a router
decides where the student answers. Nothing is downloaded and no key is needed; two minutes.
Needs `pip install 'fusion-agents[train]'`; a smaller number of questions is quicker and worse.
"""

import sys
from pathlib import Path
from typing import Any

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from fusion_agents.distill.plan import Plan
from fusion_agents.graphs.model_level import build_model_level_graph
from fusion_agents.routers.catalogue import make_router
from fusion_agents.simulation import generate_questions, simulate_log
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.testing.tiny_llama import make_tiny_llama

n_questions = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000
folder = Path("model-level")

# A base that knows other things, and a log in which ten arms answered, rightly and wrongly.
base = make_tiny_llama(folder / "base", steps=n_questions // 4)
with RoutingLog(folder / "routing.db") as log:
    log.append(simulate_log(n_questions, families=["triage"]))
    log.append(simulate_log(n_questions // 2))

plan = Plan.model_validate(
    {
        "log": str(folder / "routing.db"),
        "base": str(base),
        "out": str(folder / "out"),
        "models": str(folder / "models.toml"),
        "selection": {"tasks": ["triage"], "k": 1, "max_characters": 30},  # short right answers
        "training": {"learning_rate": 5e-3, "epochs": 12, "batch": 16, "accumulation": 1},
        "max_tokens": 32,
    }
)
graph = build_model_level_graph(checkpointer=InMemorySaver())
run: Any = {"configurable": {"thread_id": "1"}}
stopped = graph.invoke({"plan": plan.model_dump(mode="json")}, run)
print(f"approve? {stopped['estimate']['words']}")
done = graph.invoke(Command(resume=True), run)  # somebody agrees
for row in done["comparisons"][0]["tasks"]:
    base_score, student_score = row["base"]["performance"], row["student"]["performance"]
    print(f"{row['task']:<11} base {base_score:.2f}  student {student_score:.2f}  {row['finding']}")
print(f"registration: {done['registrations'][0]['reason']}")

with RoutingLog(folder / "routing.db") as log:
    router = make_router("knn").fit(log.training_outcomes().outcomes)
for family in ("triage", "code"):
    routes = router.route([one.text for one in generate_questions(50, 99, [family])])
    share = sum(route.arm.model == "student" for route in routes) / len(routes)
    print(f"new questions about {family}: {share:.0%} go to the student")
