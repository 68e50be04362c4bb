"""A training here that is stopped ends with its next step, and is gone on with."""

import asyncio
from pathlib import Path

import pytest

pytest.importorskip("trl")

from fusion_agents.distill import stages
from fusion_agents.distill.plan import Plan
from fusion_agents.distill.training.progress import TrainingProgress
from fusion_agents.simulation import simulate_log
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.testing.tiny_llama import make_tiny_llama


def test_a_cancelled_training_ends_soon_and_is_gone_on_with(tmp_path: Path) -> None:
    with RoutingLog(tmp_path / "routing.db") as log:
        log.append(simulate_log(60, families=("triage",)))
    plan = Plan.model_validate(
        {
            "log": str(tmp_path / "routing.db"),
            "base": str(make_tiny_llama(tmp_path / "base", steps=0)),
            "out": str(tmp_path / "out"),
            "selection": {"k": 1},
            "training": {"epochs": 3, "batch": 4, "accumulation": 1, "save_steps": 1, "threads": 1},
        }
    )
    stages.select(plan)
    seen: list[int] = []

    async def stop_early() -> None:
        stepping = asyncio.Event()
        loop = asyncio.get_running_loop()

        def tell(progress: TrainingProgress) -> None:
            seen.append(progress.step)
            if progress.step >= 2:
                loop.call_soon_threadsafe(stepping.set)

        task = asyncio.create_task(stages.train(plan, tell))
        await stepping.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(stop_early())  # waits for the thread to end
    assert not (tmp_path / "out" / "student" / "student.json").exists()
    notes: list[str] = []
    (student,) = asyncio.run(stages.train(plan, lambda progress: notes.extend(progress.notes)))
    assert any("goes on from step" in note for note in notes)
    assert student.settings["steps"] > max(seen)
