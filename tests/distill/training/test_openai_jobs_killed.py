"""A process that trains is killed at every step, and another one goes on.

The server holds a request before or after it has acted, so that the kill lands just there: before
it has acted, the note on the disk says that something was asked for, and nothing was done; after
it, something was done, and the note does not say so. What the provider has counts, not the note.
"""

import multiprocessing
import signal
from collections import Counter
from pathlib import Path

import pytest

from fusion_agents.distill.training.job_note import read_note
from fusion_agents.distill.training.progress import read_progress
from fusion_agents.testing.openai_server import Behaviour, Fault, OpenAIServer
from tests.distill.training.openai_world import QUICK, make_data, train, train_in_a_process

OPTIONS = QUICK.model_copy(update={"delete_upload": True})
HELD = Behaviour(hang=True)
PATIENT = 60
"""Seconds that a process may take to begin on a busy machine."""
PLACES = [
    (step, acts, skip)
    for step, skip in [
        *(("upload", 0), ("create", 0), ("delete", 0)),
        *(("job", skip) for skip in (0, 2)),
        *(("events", skip) for skip in (0, 2)),
    ]
    for acts in ("never", "first")
]


@pytest.fixture(scope="module")
def processes():
    """Makes processes that need not import everything anew."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.distill.training.openai_world"])
    return context


def kill_at(processes, server: OpenAIServer, data: Path, out: Path, *faults: Fault) -> None:
    """Start training, and kill the process when the last of the faults has struck."""
    server.tuning.faulted.clear()
    server.tuning.fail(*faults)
    process = processes.Process(
        target=train_in_a_process, args=(server.base_url, str(data), str(out), OPTIONS)
    )
    process.start()
    try:
        assert server.tuning.faulted.wait(PATIENT), "the request never came"
    finally:
        process.kill()
        process.join()
    assert process.exitcode == -signal.SIGKILL
    process.close()


@pytest.mark.parametrize(("step", "acts", "skip"), PLACES)
async def test_a_process_killed_at_any_step_leaves_one_job_to_the_next(
    processes, tmp_path: Path, step: str, acts: str, skip: int
) -> None:
    data, out = make_data(tmp_path / "data"), tmp_path / "out"
    with OpenAIServer() as server:
        kill_at(
            processes, server, data, out, Fault(step=step, behaviour=HELD, acts=acts, skip=skip)
        )
        student = await train(server, data, out, OPTIONS)

        assert list(server.tuning.jobs) == ["ftjob-1"]
        assert server.tuning.uploads == 1
        assert server.tuning.files == {}
        assert student.spec == f"openai:{server.tuning.jobs['ftjob-1'].model}"
        assert [row.step for row in read_progress(out / "progress.jsonl")] == [1, 2, 3, 4, 5, 6]
        before = len(server.tuning.steps)
        assert await train(server, data, out, OPTIONS) == student
        assert len(server.tuning.steps) == before


@pytest.mark.parametrize("acts", ["never", "first"])
@pytest.mark.parametrize("step", ["files", "jobs"])
async def test_a_process_killed_while_it_looks_for_what_was_made_leaves_one_job(
    processes, tmp_path: Path, step: str, acts: str
) -> None:
    data, out = make_data(tmp_path / "data"), tmp_path / "out"
    makes = {"files": "upload", "jobs": "create"}[step]
    with OpenAIServer() as server:
        kill_at(processes, server, data, out, Fault(step=makes, behaviour=HELD, acts="first"))
        kill_at(processes, server, data, out, Fault(step=step, behaviour=HELD, acts=acts))
        await train(server, data, out, OPTIONS)
        assert list(server.tuning.jobs) == ["ftjob-1"]
        assert server.tuning.uploads == 1


async def test_a_process_killed_again_and_again_leaves_one_job(processes, tmp_path: Path) -> None:
    data, out = make_data(tmp_path / "data"), tmp_path / "out"
    with OpenAIServer() as server:
        for step in ("upload", "files", "create", "jobs", "job", "events", "job", "delete"):
            fault = Fault(step=step, behaviour=HELD, acts="first")
            kill_at(processes, server, data, out, fault)
        student = await train(server, data, out, OPTIONS)
        assert list(server.tuning.jobs) == ["ftjob-1"]
        assert Counter(server.tuning.steps)["create"] == 1
        assert server.tuning.uploads == 1
        assert student.settings["job"] == "ftjob-1"


async def test_every_request_that_makes_something_is_on_the_disk_before_it_leaves(
    processes, tmp_path: Path
) -> None:
    data = make_data(tmp_path / "data")
    for step, field in (("upload", "upload_asked"), ("create", "job_asked")):
        out = tmp_path / step
        with OpenAIServer() as server:
            kill_at(processes, server, data, out, Fault(step=step, behaviour=HELD))
        note = read_note(out)
        assert note is not None
        assert getattr(note, field) is not None


async def test_a_killed_start_of_another_job_goes_on_with_that_one(
    processes, tmp_path: Path
) -> None:
    data, out = make_data(tmp_path / "data"), tmp_path / "out"
    with OpenAIServer() as server:
        await train(server, data, out)
        again = OPTIONS.model_copy(update={"start_again": True})
        for step, made in (("upload", 1), ("create", 2)):
            server.tuning.faulted.clear()
            server.tuning.fail(Fault(step=step, behaviour=HELD, acts="first"))
            process = processes.Process(
                target=train_in_a_process, args=(server.base_url, str(data), str(out), again)
            )
            process.start()
            assert server.tuning.faulted.wait(PATIENT)
            process.kill()
            process.join()
            assert len(server.tuning.jobs) == made
        student = await train(server, data, out, OPTIONS)
        assert student.settings["job"] == "ftjob-2"
        assert list(server.tuning.jobs) == ["ftjob-1", "ftjob-2"]
        assert server.tuning.uploads == 2
