"""Tokens as they come, once each, and the decision with the last one; runs offline."""

import asyncio
import tempfile
from pathlib import Path

from fusion_agents import FusionRouterChain, RoutingLog
from fusion_agents.simulation import simulate_log
from fusion_agents.testing.replay import ReplayChatModel


async def main() -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        RoutingLog(Path(folder) / "routing.db") as log,
    ):
        log.append(simulate_log(200))
        question = next(iter(log.queries())).text
        chain = FusionRouterChain.from_log(log, models=ReplayChatModel.pool_of(log))

        whole = None
        async for chunk in chain.astream(question):
            print(chunk.text, end="", flush=True)
            whole = chunk if whole is None else whole + chunk
        print()

        fusion = whole.response_metadata["fusion"]
        print(f"answered by {fusion['answered_by']} after {len(fusion['attempts'])} call")
        print(f"tokens: {whole.usage_metadata['total_tokens']}, counted once")

        events = [
            event["event"]
            async for event in chain.astream_events(question, version="v2")
            if event["event"].endswith(("_start", "_end"))
        ]
        print(" > ".join(events))


if __name__ == "__main__":
    asyncio.run(main())
