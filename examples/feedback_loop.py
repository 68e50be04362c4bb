"""A router that goes on learning from its own answers, and the way back.

Runs offline: a simulated log, and models that replay its answers. The app checks each answer
itself; in yours, a judge (`fusion-agents judge`) or your users would.
"""

import tempfile
from pathlib import Path

from fusion_agents import FusionRouterChain, RoutingLog
from fusion_agents.refreshing import Gate, Refresher, Versions, refresh
from fusion_agents.simulation import simulate_log
from fusion_agents.testing.replay import ReplayChatModel
from fusion_agents.types import Calibration, Judgement

ROUTER = "knn:k=30"
GATE = Gate(margin=0.03)  # a log this small leaves much open


def main() -> None:
    entries = list(simulate_log(300))
    right = {entry.query.text: entry.query.ground_truth for entry in entries}
    known, new = list(right)[:100], list(right)[100:]
    with (
        tempfile.TemporaryDirectory() as folder,
        RoutingLog(Path(folder) / "world.db") as world,
        RoutingLog(Path(folder) / "routing.db") as log,
    ):
        world.append(entries)
        log.append(entry for entry in entries if entry.query.text in known)

        versions = Versions(Path(folder) / "router")
        print("version 1:", refresh(log, versions, ROUTER).reason)
        chain = FusionRouterChain.from_router(
            versions.folder,
            models=ReplayChatModel.pool_of(world),
            log=log,
            record=True,
            explore="thompson:0.2",
        )

        answers = chain.batch(list(new))
        print(
            "answered:",
            len(answers),
            "queries by",
            len({who(answer) for answer in answers}),
            "arms",
        )
        checked = [
            Judgement(
                entry_key=entry.key,
                score=float(str(right[entry.query.text]) in (entry.response or "")),
                judge="checker",
            )
            for entry in log.scan()
            if entry.source == "fusion"
        ]
        log.append_judgements(checked)
        line = (0.0, 1.0)  # this checker's score is the performance itself
        log.append_calibration(
            Calibration(
                judge="checker", judge_version="1", scores=line, performances=line, n=len(checked)
            )
        )

        refresher = Refresher(versions, chain.steps.use_router)  # in an app: `with refresher:`
        report = refresh(log, versions, ROUTER, gate=GATE)
        print("version 2:", report.verdict, "-", report.reason)
        print("the chain took it over:", refresher.look())

        print("rolled back to version", int(versions.rollback().name))


def who(answer: object) -> str:
    return str(getattr(answer, "response_metadata", {})["fusion"]["answered_by"])


if __name__ == "__main__":
    main()
