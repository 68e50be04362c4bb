"""Evaluate a router on queries that it has not seen, asynchronously; runs offline.

Half of the log trains the router, the other half is asked again through the chain. What it earns
is set beside the best single arm of the training half.
"""

import asyncio
import tempfile
from pathlib import Path

import numpy as np

from fusion_agents import FusionRouterChain, RoutingLog, make_router
from fusion_agents.simulation import simulate_log
from fusion_agents.testing.replay import ReplayChatModel


async def main() -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        RoutingLog(Path(folder) / "routing.db") as log,
    ):
        log.append(simulate_log(400))
        train, test = log.outcomes().split(test_fraction=0.5, seed=0)
        chain = FusionRouterChain.from_router(
            make_router("auto").fit(train), models=ReplayChatModel.pool_of(log)
        )

        messages = await chain.abatch(
            [query.text for query in test.queries], {"max_concurrency": 16}, return_exceptions=True
        )
        answered = [i for i, message in enumerate(messages) if not isinstance(message, Exception)]
        arms = {str(arm): column for column, arm in enumerate(test.arms)}
        columns = [arms[messages[i].response_metadata["fusion"]["answered_by"]] for i in answered]

        routed = np.nanmean(test.performance[answered, columns])
        best = int(np.nanmean(train.performance, axis=0).argmax())
        alone = np.nanmean(test.performance[answered, best])
        print(f"{len(answered)} answers, {len(messages) - len(answered)} errors")
        print(f"routed {routed:.3f}; {test.arms[best]} alone {alone:.3f}")


if __name__ == "__main__":
    asyncio.run(main())
