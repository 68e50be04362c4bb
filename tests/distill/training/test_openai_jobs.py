"""Fine-tuning jobs at the loopback server, asked for by the real `openai` client."""

import asyncio
import json
import re
import stat
from pathlib import Path

import openai
import pytest

from fusion_agents.distill.nouns import Student
from fusion_agents.distill.training.job_note import read_note
from fusion_agents.distill.training.openai_jobs import (
    cancel_openai,
    standing,
    train_with_openai,
)
from fusion_agents.distill.training.progress import TrainingProgress, read_progress
from fusion_agents.distill.training.runs import sole
from fusion_agents.errors import ConfigError, DataError, TrainingError
from fusion_agents.testing.openai_server import Behaviour, Fault, OpenAIServer, Tuning
from tests.distill.training.openai_world import (
    BASE,
    KEY,
    QUICK,
    again,
    make_client,
    make_data,
    train,
)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return make_data(tmp_path / "data")


# -- a job that goes well -----------------------------------------------------------------------


async def test_a_student_is_the_model_that_the_job_made(
    server: OpenAIServer, data: Path, out: Path
) -> None:
    student = await train(server, data, out, name="sums")
    job = server.tuning.jobs["ftjob-1"]
    assert student.spec == f"openai:{job.model}"
    assert student.base_spec == f"openai:{BASE}"
    assert student.tokens == job.body["trained_tokens"]
    assert student.n_examples == 12
    assert student.tasks == ("doubles", "sums")
    assert student.data == json.loads((data / "manifest.json").read_text())["fingerprint"]
    assert student.loss == pytest.approx(
        sum(2 / (1 + step / 4) for step in range(1, 7)) / 6, abs=1e-3
    )
    assert student == Student.model_validate_json((out / "student.json").read_text())


async def test_the_fine_tuned_model_answers_by_its_spec(
    server: OpenAIServer, data: Path, out: Path
) -> None:
    student = await train(server, data, out)
    async with make_client(server) as client:
        answer = await client.chat.completions.create(
            model=student.spec.removeprefix("openai:"),
            messages=[{"role": "user", "content": "What is 2 + 2?"}],
        )
    assert answer.choices[0].message.content.endswith("What is 2 + 2?")


async def test_the_provider_gets_each_example_and_nothing_else(
    server: OpenAIServer, data: Path, out: Path
) -> None:
    await train(server, data, out)
    (content,) = server.tuning.files.values()
    rows = [json.loads(line) for line in content.splitlines()]
    assert sorted(row["messages"][-1]["content"] for row in rows) == sorted(
        f"It is {2 * i}." for i in range(12)
    )
    assert {"messages"} == {key for row in rows for key in row}
    assert b"entry-" not in content  # the lineage stays at home


async def test_a_job_is_asked_for_with_what_the_options_say(
    server: OpenAIServer, data: Path, out: Path
) -> None:
    options = again(batch=4, learning_rate_multiplier=0.5, suffix="Sums")
    await train(server, data, out, options)
    body = server.tuning.jobs["ftjob-1"].body
    given = {"n_epochs": 2, "batch_size": 4, "learning_rate_multiplier": 0.5}
    assert body["method"] == {"type": "supervised", "supervised": {"hyperparameters": given}}
    assert body["seed"] == 7
    note = read_note(out)
    assert note is not None
    assert body["user_provided_suffix"] == f"Sums-{note.key[:8]}"
    assert body["metadata"]["fusion_agents_run"] == note.key
    sent = [one for one in server.requests if one.path == "/v1/fine_tuning/jobs"]
    assert note.key in sent[0].headers["idempotency-key"]


async def test_progress_and_curve_tell_the_losses(
    server: OpenAIServer, data: Path, out: Path
) -> None:
    seen: list[tuple[str, int]] = []

    def watch(progress: TrainingProgress) -> None:
        seen.append((progress.phase, progress.step))

    await train(server, data, out, on_progress=watch)
    rows = read_progress(out / "progress.jsonl")
    assert [row.step for row in rows] == [1, 2, 3, 4, 5, 6]
    assert rows[0].loss == pytest.approx(1.6)
    assert (out / "curve.svg").read_text().startswith("<?xml")
    phases = list(dict.fromkeys(phase for phase, _ in seen))
    assert phases == ["reading", "uploading", "starting", "queued", "running", "succeeded", "done"]
    assert seen[-1] == ("done", 6)


async def test_all_files_are_for_the_user_alone_and_hold_no_key(
    server: OpenAIServer, data: Path, out: Path
) -> None:
    await train(server, data, out)
    check_files(out)


def check_files(out: Path) -> None:
    assert stat.S_IMODE(out.stat().st_mode) == 0o700
    names = {path.name for path in out.iterdir()}
    assert names == {"job.json", "progress.jsonl", "curve.svg", "student.json"}
    for name in names:
        assert stat.S_IMODE((out / name).stat().st_mode) == 0o600, name
        assert KEY not in (out / name).read_text()


async def test_a_job_that_is_done_is_done_without_a_request(
    server: OpenAIServer, data: Path, out: Path
) -> None:
    first = await train(server, data, out)
    server.tuning.steps.clear()
    assert await train(server, data, out) == first
    assert server.tuning.steps == []


async def test_the_upload_is_deleted_on_request_also_later(
    server: OpenAIServer, data: Path, out: Path
) -> None:
    first = await train(server, data, out)
    assert len(server.tuning.files) == 1
    assert await train(server, data, out, again(delete_upload=True)) == first
    assert server.tuning.files == {}
    await train(server, data, out, again(delete_upload=True))
    assert server.tuning.steps.count("delete") == 1


async def test_a_paused_job_is_followed_on(data: Path, out: Path) -> None:
    stages = ("validating_files", "queued", "running", "pausing", "paused", "running", "succeeded")
    with OpenAIServer(tuning=Tuning(stages=stages)) as server:
        student = await train(server, data, out)
    assert student.spec.startswith("openai:ft:")


# -- requests that fail -------------------------------------------------------------------------

CUT = Behaviour(reset=True)
BROKEN = Behaviour(status=503)
NOT_OURS = Behaviour(body="<html>Please log in to this network.</html>")


@pytest.mark.parametrize("step", ["upload", "create"])
@pytest.mark.parametrize("acts", ["never", "first"])
@pytest.mark.parametrize("behaviour", [CUT, BROKEN, NOT_OURS], ids=["cut", "503", "html"])
async def test_a_request_without_a_proper_answer_is_looked_for_before_it_is_repeated(
    server: OpenAIServer, data: Path, out: Path, step: str, acts: str, behaviour: Behaviour
) -> None:
    server.tuning.fail(Fault(step=step, behaviour=behaviour, acts=acts))
    student = await train(server, data, out)
    assert student.spec.startswith("openai:ft:")
    assert list(server.tuning.jobs) == ["ftjob-1"]
    assert server.tuning.uploads == 1
    looked = {"upload": "files", "create": "jobs"}[step]
    assert server.tuning.steps[server.tuning.steps.index(step) + 1] == looked


async def test_a_request_that_takes_too_long_is_looked_for(
    server: OpenAIServer, data: Path, out: Path
) -> None:
    server.tuning.fail(Fault(step="create", behaviour=Behaviour(hang=True), acts="first"))
    await train(server, data, out, again(timeout=0.3))
    assert list(server.tuning.jobs) == ["ftjob-1"]


async def test_a_job_that_is_listed_late_is_waited_for(data: Path, out: Path) -> None:
    with OpenAIServer(tuning=Tuning(lag=3)) as server:
        server.tuning.fail(Fault(step="create", behaviour=CUT, acts="first"))
        await train(server, data, out, again(settle=10))
        assert list(server.tuning.jobs) == ["ftjob-1"]


async def test_a_job_is_found_behind_pages_of_others(data: Path, out: Path) -> None:
    with OpenAIServer(tuning=Tuning(page=2, metadata=False)) as server:
        for i in range(3):
            await train(server, make_data(out.parent / f"data{i}", offset=i), out.parent / f"o{i}")
        server.tuning.fail(Fault(step="create", behaviour=CUT, acts="first"))
        lost = asyncio.create_task(train(server, data, out, again(settle=10)))
        await lost
        assert len(server.tuning.jobs) == 4


async def test_a_lost_request_that_comes_late_leaves_one_job(
    server: OpenAIServer, data: Path, out: Path
) -> None:
    server.tuning.fail(Fault(step="create", behaviour=CUT, acts="later"))
    server.tuning.stages = ("validating_files", "queued", *["running"] * 9, "succeeded")
    seen = []

    def watch(progress: TrainingProgress) -> None:
        if progress.phase == "running" and not seen:
            server.tuning.act_now()
            seen.append(True)

    student = await train(server, data, out, on_progress=watch)
    assert student.settings["job"] == "ftjob-1"
    states = {name: job.body["status"] for name, job in server.tuning.jobs.items()}
    assert states == {"ftjob-1": "succeeded", "ftjob-2": "cancelled"}


async def test_a_provider_that_never_answers_gets_three_requests(
    server: OpenAIServer, data: Path, out: Path
) -> None:
    server.tuning.fail(Fault(step="create", behaviour=BROKEN, times=99))
    with pytest.raises(TrainingError, match="no answer 3 times and no job is listed"):
        await train(server, data, out)
    assert server.tuning.steps.count("create") == 3


async def test_a_busy_provider_is_asked_again_without_looking(
    server: OpenAIServer, data: Path, out: Path
) -> None:
    busy = Behaviour(status=429, retry_after="0.01")
    server.tuning.fail(Fault(step="upload", behaviour=busy), Fault(step="create", behaviour=busy))
    await train(server, data, out)
    assert list(server.tuning.jobs) == ["ftjob-1"]
    assert "jobs" not in server.tuning.steps
    assert "files" not in server.tuning.steps


@pytest.mark.parametrize("step", ["job", "events"])
@pytest.mark.parametrize("behaviour", [CUT, BROKEN, Behaviour(status=429)])
async def test_following_goes_on_through_trouble(
    server: OpenAIServer, data: Path, out: Path, step: str, behaviour: Behaviour
) -> None:
    server.tuning.fail(Fault(step=step, behaviour=behaviour, skip=1, times=3))
    await train(server, data, out)
    assert [row.step for row in read_progress(out / "progress.jsonl")] == [1, 2, 3, 4, 5, 6]


async def test_a_provider_that_is_away_too_long_ends_following_and_not_the_job(
    server: OpenAIServer, data: Path, out: Path
) -> None:
    server.tuning.fail(Fault(step="job", behaviour=BROKEN, times=999))
    with pytest.raises(TrainingError, match="what was started there goes on"):
        await train(server, data, out, again(unreachable=0.05))
    server.tuning._faults.clear()
    await train(server, data, out)
    assert list(server.tuning.jobs) == ["ftjob-1"]


@pytest.mark.parametrize(
    ("step", "status", "said"),
    [
        ("upload", 401, "the key was refused"),
        ("upload", 403, "fine-tuning may be closed to its account"),
        ("create", 400, "request for the fine-tuning job was refused: 400"),
        ("create", 403, "fine-tuning may be closed to its account"),
        ("create", 404, "check the model, the base URL"),
        ("job", 401, "the key was refused"),
        ("job", 404, "the provider does not know it"),
    ],
)
async def test_a_refusal_is_told_with_what_to_do_and_without_the_key(
    server: OpenAIServer, data: Path, out: Path, step: str, status: int, said: str
) -> None:
    refusal = Behaviour(status=status, message="No.", echo_key=True)
    server.tuning.fail(Fault(step=step, behaviour=refusal))
    with pytest.raises(TrainingError, match=said) as caught:
        await train(server, data, out)
    assert KEY not in repr(caught.getrepr(chain=True))
    await train(server, data, out)  # once it is put right
    assert list(server.tuning.jobs) == ["ftjob-1"]


async def test_an_account_without_money_is_not_asked_again_and_again(
    server: OpenAIServer, data: Path, out: Path
) -> None:
    broke = Behaviour(status=429, code="insufficient_quota")
    server.tuning.fail(Fault(step="create", behaviour=broke))
    with pytest.raises(TrainingError, match="used up its quota"):
        await train(server, data, out)
    assert server.tuning.steps.count("create") == 1


# -- jobs that end badly ------------------------------------------------------------------------


async def test_a_failed_job_is_told_with_the_providers_words_and_not_repeated(
    data: Path, out: Path
) -> None:
    tuning = Tuning(stages=("queued", "failed"), failure="The data violate the usage policies.")
    with OpenAIServer(tuning=tuning) as server:
        for _ in range(2):
            with pytest.raises(TrainingError, match=r"usage policies; .*--start-again"):
                await train(server, data, out)
        assert list(tuning.jobs) == ["ftjob-1"]
        tuning.stages = ("queued", "succeeded")
        student = await train(server, data, out, again(start_again=True))
        assert student.settings["job"] == "ftjob-2"
        assert await train(server, data, out) == student


async def test_a_job_that_runs_is_not_started_again(
    server: OpenAIServer, data: Path, out: Path
) -> None:
    server.tuning.fail(Fault(step="job", behaviour=Behaviour(status=401)))
    with pytest.raises(TrainingError):
        await train(server, data, out)
    with pytest.raises(ConfigError, match="has not ended"):
        await train(server, data, out, again(start_again=True))
    assert list(server.tuning.jobs) == ["ftjob-1"]


async def test_a_job_whose_request_was_lost_is_not_started_again_while_it_runs(
    server: OpenAIServer, data: Path, out: Path
) -> None:
    server.tuning.fail(
        Fault(step="create", behaviour=CUT, acts="first"),
        Fault(step="jobs", behaviour=Behaviour(status=401)),
    )
    with pytest.raises(TrainingError, match="the key was refused"):
        await train(server, data, out)
    with pytest.raises(ConfigError, match="has not ended"):
        await train(server, data, out, again(start_again=True))
    assert list(server.tuning.jobs) == ["ftjob-1"]


async def test_a_cancelled_job_is_told(server: OpenAIServer, data: Path, out: Path) -> None:
    server.tuning.fail(Fault(step="job", behaviour=Behaviour(status=401)))
    with pytest.raises(TrainingError):
        await train(server, data, out)
    assert "goes on at the provider" in standing(out)
    async with make_client(server) as client:
        assert await cancel_openai(out, options=QUICK, client=client) == "cancelled"
        assert await cancel_openai(out, options=QUICK, client=client) == "cancelled"
    with pytest.raises(TrainingError, match=r"was cancelled; .*--start-again"):
        await train(server, data, out)
    assert standing(out) == "the fine-tuning job 'ftjob-1' was cancelled"


async def test_breaking_off_leaves_the_job_running(
    server: OpenAIServer, data: Path, out: Path
) -> None:
    server.tuning.stages = ("queued", *["running"] * 9999, "succeeded")
    task = asyncio.create_task(train(server, data, out))
    while server.tuning.steps.count("job") < 3:  # noqa: ASYNC110 - of another thread
        await asyncio.sleep(0.005)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert "cancel" not in server.tuning.steps
    assert re.search(r"goes on at the provider.*--cancel", standing(out))
    server.tuning.jobs["ftjob-1"].stages = ("queued", *["running"] * 3, "succeeded")
    server.tuning.jobs["ftjob-1"]._at = 2
    await train(server, data, out)
    assert list(server.tuning.jobs) == ["ftjob-1"]


@pytest.mark.parametrize("state", ["failed", "cancelled"])
async def test_the_upload_of_a_job_that_ended_badly_is_deleted_on_request_also_later(
    data: Path, out: Path, state: str
) -> None:
    with OpenAIServer(tuning=Tuning(stages=("queued", state))) as server:
        for options, left in ((QUICK, 1), (again(delete_upload=True), 0)):
            with pytest.raises(TrainingError, match="to start another"):
                await train(server, data, out, options)
            assert len(server.tuning.files) == left
        with pytest.raises(TrainingError, match="to start another"):
            await train(server, data, out, again(delete_upload=True))
        assert server.tuning.steps.count("delete") == 1


async def test_how_a_job_ended_is_told_where_its_upload_cannot_be_deleted(
    data: Path, out: Path
) -> None:
    with OpenAIServer(tuning=Tuning(stages=("queued", "failed"))) as server:
        server.tuning.fail(Fault(step="delete", behaviour=Behaviour(status=403)))
        with pytest.raises(TrainingError, match=r"'ftjob-1' failed.*deleting .* was refused: 403"):
            await train(server, data, out, again(delete_upload=True))
        with pytest.raises(TrainingError, match="'ftjob-1' failed"):
            await train(server, data, out, again(delete_upload=True))
        assert server.tuning.files == {}


# -- folders ------------------------------------------------------------------------------------


async def test_a_folder_of_another_job_is_refused_with_the_difference(
    server: OpenAIServer, data: Path, out: Path
) -> None:
    await train(server, data, out)
    with pytest.raises(ConfigError, match=r"epochs was 2 and is 5"):
        await train(server, data, out, again(epochs=5))
    with pytest.raises(ConfigError, match=r"base was .* and is \"gpt-4.1\""):
        await train(server, data, out, base="gpt-4.1")
    with pytest.raises(ConfigError, match=r"the data are others; .*n_examples was 12 and is 11"):
        await train(server, make_data(data.parent / "other", 11), out)
    with OpenAIServer() as other, pytest.raises(ConfigError, match="server was"):
        await train(other, data, out)
    assert list(server.tuning.jobs) == ["ftjob-1"]


async def test_two_processes_do_not_work_in_one_folder(
    server: OpenAIServer, data: Path, out: Path
) -> None:
    with sole(out), pytest.raises(ConfigError, match="is in use"):
        await train(server, data, out)
    assert server.tuning.steps == []


def make_folder(folder: Path) -> Path:
    folder.mkdir()
    (folder / "thesis.txt").write_text("Chapter 1")
    return folder


async def test_a_folder_with_other_files_is_refused(
    server: OpenAIServer, data: Path, tmp_path: Path
) -> None:
    out = make_folder(tmp_path / "thesis")
    with pytest.raises(ConfigError, match=r"not empty \(thesis.txt\)"):
        await train(server, data, out)


async def test_a_damaged_note_is_not_taken_for_a_fresh_start(
    server: OpenAIServer, data: Path, out: Path
) -> None:
    await train(server, data, out)
    (out / "job.json").write_text("{")
    with pytest.raises(DataError, match="look for the job at the provider"):
        await train(server, data, out)
    assert list(server.tuning.jobs) == ["ftjob-1"]


async def test_too_few_examples_are_refused_before_anything_is_sent(
    server: OpenAIServer, tmp_path: Path, out: Path
) -> None:
    with pytest.raises((ConfigError, DataError), match="10"):
        await train(server, make_data(tmp_path / "few", 9), out)
    assert server.tuning.steps == []


# -- other providers ----------------------------------------------------------------------------


async def test_a_provider_without_metadata_and_lists_trains_as_well(data: Path, out: Path) -> None:
    with OpenAIServer(tuning=Tuning(metadata=False, listing=False)) as server:
        assert (await train(server, data, out)).cost is None


@pytest.mark.parametrize("suffix", [True, False])
async def test_a_provider_without_metadata_is_looked_through_by_suffix_or_file(
    data: Path, out: Path, suffix: bool
) -> None:
    with OpenAIServer(tuning=Tuning(metadata=False, suffix=suffix)) as server:
        await train(server, make_data(out.parent / "other", offset=1), out.parent / "other-out")
        server.tuning.fail(Fault(step="create", behaviour=CUT, acts="first"))
        student = await train(server, data, out)
        assert list(server.tuning.jobs) == ["ftjob-1", "ftjob-2"]
    assert student.settings["job"] == "ftjob-2"


async def test_a_provider_that_lists_nothing_is_never_asked_twice(data: Path, out: Path) -> None:
    with OpenAIServer(tuning=Tuning(listing=False)) as server:
        server.tuning.fail(Fault(step="create", behaviour=CUT, acts="first"))
        for _ in range(2):
            with pytest.raises(TrainingError, match=r"does not list its jobs .*--start-again"):
                await train(server, data, out)
        assert list(server.tuning.jobs) == ["ftjob-1"]
        student = await train(server, data, out, again(job="ftjob-1"))
        assert student.settings["job"] == "ftjob-1"


async def test_the_client_is_made_of_the_environment(
    server: OpenAIServer, data: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ConfigError, match="set the environment variable OPENAI_API_KEY"):
        await train_with_openai(data, BASE, out, options=QUICK)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
    await train_with_openai(data, BASE, out, options=QUICK)
    assert {request.key for request in server.requests} == {KEY}


async def test_a_server_that_is_named_gets_only_the_key_that_is_named_for_it(
    server: OpenAIServer, data: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OTHER_API_KEY", "other-key")
    with pytest.raises(ConfigError, match="gets no key that was not meant for it"):
        await train_with_openai(data, BASE, out, options=again(base_url=server.base_url))
    options = again(base_url=server.base_url, api_key_env="OTHER_API_KEY")
    await train_with_openai(data, BASE, out, options=options)
    assert {request.key for request in server.requests} == {"other-key"}


async def test_a_base_url_with_a_password_is_refused(data: Path, out: Path) -> None:
    options = again(base_url="https://me:secret@localhost/v1", api_key_env="OTHER_API_KEY")
    with pytest.raises(ConfigError, match="no password") as caught:
        await train_with_openai(data, BASE, out, options=options)
    assert "secret" not in str(caught.value)


def test_the_real_client_still_has_what_we_rely_on() -> None:
    client = openai.AsyncOpenAI(api_key="k", base_url="http://u:p@localhost:1/v1")
    bare = client.base_url.copy_with(username=None, password=None, query=None)
    assert str(bare) == "http://localhost:1/v1/"
