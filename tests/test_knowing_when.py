"""Templates are used where they helped in the log, and nowhere else (see `benchmarks/`)."""

from pathlib import Path

import numpy as np

from fusion_agents.chain import FusionRouterChain
from fusion_agents.simulation.log import simulate_log
from fusion_agents.simulation.models import HELPED, HURT, THOUGHT_ARMS
from fusion_agents.simulation.questions import generate_questions
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.stores.template_store import TemplateStore
from fusion_agents.testing.fake_chat import FakeChatModel
from fusion_agents.types import ThoughtTemplate

LOGGED, NEW = 400, 240


def test_a_chain_uses_templates_where_they_helped_and_not_where_they_hurt(tmp_path: Path) -> None:
    questions = generate_questions(LOGGED + NEW)
    with RoutingLog(tmp_path / "log.db") as log:
        log.append(simulate_log(LOGGED, arms=THOUGHT_ARMS))
        TemplateStore(log).add(
            ThoughtTemplate(problem="Do it by parts.", question=q.text, query_id=q.text)
            for q in questions[:LOGGED:4]
        )
        chain = FusionRouterChain.from_log(log, models={"sim-medium": FakeChatModel()})
        used: dict[str, list[bool]] = {}
        for question in questions[LOGGED:]:
            route = chain.route(question.text)
            used.setdefault(question.family, []).append(route.arm.strategy == "thought")
    assert np.mean([np.mean(used[family]) for family in HELPED]) >= 0.9
    assert np.mean([np.mean(used[family]) for family in HURT]) <= 0.1
