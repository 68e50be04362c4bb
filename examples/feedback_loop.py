"""A router that learns from its own answers: what they score rises along a simulated stream.

Runs offline: SIMULATED models, whose answers are replayed and checked here; in your app, a judge
(`fusion-agents judge`) or users would. Draws the curve to `feedback_loop.svg`.
"""

import tempfile
from pathlib import Path
from statistics import mean

from fusion_agents import FusionRouterChain, RoutingLog, refresh
from fusion_agents.refreshing import Gate, Refresher, Versions
from fusion_agents.simulation import simulate_log
from fusion_agents.testing.replay import ReplayChatModel
from fusion_agents.types import Arm, Calibration, Judgement, LogEntry

START, EVERY, END = 24, 150, 774
ARMS = [Arm(model=f"sim-small-{name}") for name in ("math", "code", "chat")]
GATE = Gate(margin=0.1)  # a small log leaves much open
CHECKER = Calibration(judge="checker", judge_version="1", scores=(0, 1), performances=(0, 1), n=99)


def main() -> None:
    entries = list(simulate_log(END, arms=ARMS))
    right = {entry.query.text: str(entry.query.ground_truth) for entry in entries}
    asked, curve = list(right), []

    def checked(entry: LogEntry) -> Judgement:
        is_right = right[entry.query.text] in (entry.response or "")
        return Judgement(entry_key=entry.key, score=float(is_right), judge="checker")

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (world := RoutingLog(folder / "world.db")).append(entries)
        log = RoutingLog(folder / "log.db")
        log.append(entry for entry in entries if entry.query.text in asked[:START])
        log.append_calibration(CHECKER)
        versions = Versions(folder / "router")
        refresh(log, versions)
        models = ReplayChatModel.pool_of(world)
        options = {"log": log, "record": True, "explore": "thompson:0.2"}
        chain = FusionRouterChain.from_router(versions.folder, models=models, **options)
        follower = Refresher(versions, chain.steps.use_router)
        for first in range(START, END, EVERY):
            answers = chain.batch(list(asked[first : first + EVERY]))
            new = [entry for entry in log.unjudged("checker", "1") if entry.source == "fusion"]
            log.append_judgements(judged := list(map(checked, new)))
            curve.append(mean(judgement.score or 0.0 for judgement in judged))
            report = refresh(log, versions, gate=GATE)
            follower.look()  # in an app: `with follower:`
            print(f"{curve[-1]:.0%} right of {len(answers)}; next: {report.verdict}")
    corners = " ".join(f"{40 + 90 * i},{220 - 200 * share:.0f}" for i, share in enumerate(curve))
    line = f'<polyline points="{corners}" fill="none" stroke="#1f77b4" stroke-width="3"/>'
    picture = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 480 240">{line}</svg>'
    Path("feedback_loop.svg").write_text(picture)


if __name__ == "__main__":
    main()
