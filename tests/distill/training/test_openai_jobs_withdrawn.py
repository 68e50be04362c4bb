"""What a fine-tuning job leaves at the provider when examples are withdrawn after its upload."""

import json
from pathlib import Path

import pytest

from fusion_agents.distill.nouns import Student
from fusion_agents.distill.training.job_note import read_note
from fusion_agents.distill.training.openai_jobs import OpenAIJobOptions
from fusion_agents.distill.training.progress import TrainingProgress
from fusion_agents.errors import ConfigError, DataError, TrainingError
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.testing.openai_server import Behaviour, Fault, OpenAIServer, Tuning
from fusion_agents.types import Arm, LogEntry
from tests.distill.training.openai_world import QUICK, again, make_data, train, training_data


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return make_data(tmp_path / "data")


def logged(folder: Path, n: int = 13) -> RoutingLog:
    """A log whose entries gave the examples; the last one comes from another source."""
    log = RoutingLog(folder / "routing.db")
    log.append(
        LogEntry(
            key=f"entry-{i}",
            query=one.query,
            arm=Arm(model="large"),
            response=one.answer,
            source="guest" if i == n - 1 else "local",
        )
        for i, one in enumerate(training_data(n).examples)
    )
    return log


async def test_what_was_withdrawn_is_never_uploaded(
    server: OpenAIServer, tmp_path: Path, out: Path
) -> None:
    data = make_data(tmp_path / "data", 13)
    with logged(tmp_path) as log:
        log.set_consent("source", "guest", allowed=False)
        student = await train(server, data, out, log=log)
    (content,) = server.tuning.files.values()
    assert b"It is 22." in content
    assert b"It is 24." not in content
    assert student.n_examples == 12


async def test_a_withdrawal_after_the_start_is_told_with_what_can_be_done(
    server: OpenAIServer, tmp_path: Path, out: Path
) -> None:
    data = make_data(tmp_path / "data", 13)
    with logged(tmp_path) as log:
        await train(server, data, out, log=log)
        log.forget(sources=["guest"])
        with pytest.raises(ConfigError, match="examples that were withdrawn since: 1"):
            await train(server, data, out, log=log)
        student = await train(server, data, out, again(start_again=True), log=log)
    assert student.n_examples == 12
    assert student.settings["job"] == "ftjob-2"


WITHDRAWN = b"It is 24."
"""What the guest's entry gave."""


async def train_without_the_guest(
    server: OpenAIServer, tmp_path: Path, out: Path, *options: OpenAIJobOptions
) -> list[str]:
    """Train, withdraw, and start again with each of the options; returns the last one's notes."""
    data, notes = make_data(tmp_path / "data", 13), []
    with logged(tmp_path) as log:
        await train(server, data, out, log=log)
        log.forget(sources=["guest"])
        for option in options:
            seen: list[TrainingProgress] = []
            await train(server, data, out, option, log=log, on_progress=seen.append)
            notes = seen[-1].notes
    return notes


async def test_an_upload_with_withdrawn_data_is_deleted_with_the_next_jobs(
    server: OpenAIServer, tmp_path: Path, out: Path
) -> None:
    options = again(start_again=True, delete_upload=True)
    notes = await train_without_the_guest(server, tmp_path, out, options)
    assert server.tuning.files == {}
    assert server.tuning.uploads == 2
    assert not [note for note in notes if "still at" in note]
    note = read_note(out)
    assert note is not None
    assert note.earlier_files == ()


async def test_an_upload_with_withdrawn_data_is_told_until_it_is_deleted(
    server: OpenAIServer, tmp_path: Path, out: Path
) -> None:
    starts = again(start_again=True)
    notes = await train_without_the_guest(server, tmp_path, out, starts, starts, QUICK)
    (old, *_) = (name for name, held in server.tuning.files.items() if WITHDRAWN in held)
    (told,) = (note for note in notes if "still at" in note)  # not of the second, which is clean
    assert repr(old) in told
    assert "withdrawn" in told
    assert f"DELETE {server.base_url}/files/{old}" in told
    assert "--delete-upload" in told
    await train_later(server, tmp_path, out, again(delete_upload=True))
    assert server.tuning.files == {}


async def train_later(
    server: OpenAIServer, tmp_path: Path, out: Path, options: OpenAIJobOptions = QUICK
) -> Student:
    with RoutingLog(tmp_path / "routing.db") as log:
        return await train(server, tmp_path / "data", out, options, log=log)


@pytest.mark.parametrize("listing", [True, False])
async def test_an_upload_whose_answer_was_lost_is_not_forgotten(
    tmp_path: Path, out: Path, listing: bool
) -> None:
    refused = Behaviour(status=401)
    with OpenAIServer(tuning=Tuning(listing=listing)) as server:
        server.tuning.fail(
            Fault(step="upload", behaviour=Behaviour(reset=True), acts="first"),
            Fault(step="upload" if not listing else "files", behaviour=refused),
        )
        options = again(start_again=True, delete_upload=True)
        with logged(tmp_path) as log, pytest.raises(TrainingError, match="the key was refused"):
            await train(server, make_data(tmp_path / "data", 13), out, log=log)
        with RoutingLog(tmp_path / "routing.db") as log:
            log.forget(sources=["guest"])
            seen: list[TrainingProgress] = []
            data, note = tmp_path / "data", read_note(out)
            assert note is not None
            await train(server, data, out, options, log=log, on_progress=seen.append)
        told = [told for told in seen[-1].notes if note.file_name in told]
        assert (len(server.tuning.files), len(told)) == ((0, 0) if listing else (1, 1))


async def test_an_upload_at_another_server_is_told_and_not_looked_for_here(
    server: OpenAIServer, tmp_path: Path, out: Path
) -> None:
    data = make_data(tmp_path / "data", 13)
    await train(server, data, out)
    seen: list[TrainingProgress] = []
    with OpenAIServer() as other:
        await train(other, make_data(tmp_path / "else"), tmp_path / "else-out")
        data = make_data(tmp_path / "fewer", 12)
        options = again(start_again=True, delete_upload=True)
        await train(other, data, out, options, on_progress=seen.append)
        assert list(other.tuning.files) == list(server.tuning.files)  # of the same name
    (told,) = (note for note in seen[-1].notes if "still at" in note)
    assert f"(DELETE {server.base_url}/files/" in told
    assert "--delete-upload" not in told


async def test_the_same_command_after_a_withdrawal_deletes_the_upload_and_is_refused(
    server: OpenAIServer, tmp_path: Path, out: Path
) -> None:
    await train_without_the_guest(server, tmp_path, out)
    with pytest.raises(ConfigError, match=r"withdrawn .*'file-.*' still holds .*--delete-upload"):
        await train_later(server, tmp_path, out)
    with pytest.raises(ConfigError, match="epochs was 2 and is 5"):  # it is not the same command
        await train_later(server, tmp_path, out, again(epochs=5, delete_upload=True))
    assert len(server.tuning.files) == 1
    with pytest.raises(ConfigError, match=r"withdrawn since: 1: .* file was deleted$"):
        await train_later(server, tmp_path, out, again(delete_upload=True))
    assert server.tuning.files == {}


async def test_a_note_of_an_older_version_is_read(
    server: OpenAIServer, data: Path, out: Path
) -> None:
    first = await train(server, data, out)
    note = json.loads((out / "job.json").read_text())
    assert note.pop("earlier_files") == []
    (out / "job.json").write_text(json.dumps(note))
    assert await train(server, data, out) == first
    await train(server, data, out, again(start_again=True, delete_upload=True))
    assert server.tuning.files == {}


async def test_data_of_which_nothing_is_left_are_refused(
    server: OpenAIServer, data: Path, tmp_path: Path, out: Path
) -> None:
    with RoutingLog(tmp_path / "empty.db") as log, pytest.raises(DataError, match="withdrawn"):
        await train(server, data, out, log=log)
    assert server.tuning.steps == []
