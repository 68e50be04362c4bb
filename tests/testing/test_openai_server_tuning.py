"""Files and fine-tuning jobs of the loopback server, asked by the real `openai` client."""

import json
from collections.abc import Iterator

import openai
import pytest

from fusion_agents.testing.openai_server import Behaviour, Fault, OpenAIServer, Tuning

KEY = "sk-test-0123456789abcdef"


def lines(n: int = 10) -> bytes:
    return b"".join(
        json.dumps(
            {
                "messages": [
                    {"role": "user", "content": f"{i} + 1?"},
                    {"role": "assistant", "content": str(i + 1)},
                ]
            }
        ).encode()
        + b"\n"
        for i in range(n)
    )


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as running:
        yield running


@pytest.fixture
def client(server: OpenAIServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(
        base_url=server.base_url, api_key=KEY, max_retries=0, timeout=5
    ) as connected:
        yield connected


def upload(client: openai.OpenAI, content: bytes = lines(), name: str = "data.jsonl") -> str:
    return client.files.create(file=(name, content), purpose="fine-tune").id


def create(client: openai.OpenAI, file: str, **options):
    return client.fine_tuning.jobs.create(model="small", training_file=file, **options)


def follow(client: openai.OpenAI, name: str):
    while (job := client.fine_tuning.jobs.retrieve(name)).finished_at is None:
        pass
    return job


# -- files --------------------------------------------------------------------------------------


def test_a_file_is_kept_as_it_was_sent(server: OpenAIServer, client: openai.OpenAI) -> None:
    content = lines(12) + b'{"messages": [{"role": "assistant", "content": "\\u00e9\\r\\n--x"}]}'
    name = upload(client, content)
    assert server.tuning.files == {name: content}
    assert client.files.retrieve(name).filename == "data.jsonl"
    assert client.files.retrieve(name).bytes == len(content)


def test_files_are_listed_page_by_page_with_the_newest_first(
    server: OpenAIServer, client: openai.OpenAI
) -> None:
    server.tuning.page = 2
    made = [upload(client, name=f"{i}.jsonl") for i in range(5)]
    assert [file.id for file in client.files.list(purpose="fine-tune")] == made[::-1]


def test_a_deleted_file_is_gone_and_still_counts_as_uploaded(
    server: OpenAIServer, client: openai.OpenAI
) -> None:
    name = upload(client)
    assert client.files.delete(name).deleted
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(name)
    assert list(client.files.list()) == []
    assert server.tuning.uploads == 1


@pytest.mark.parametrize(("name", "content"), [("data.txt", b"{}"), ("data.jsonl", b"")])
def test_a_file_that_is_none_is_refused(client: openai.OpenAI, name: str, content: bytes) -> None:
    with pytest.raises(openai.BadRequestError):
        upload(client, content, name)


# -- jobs ---------------------------------------------------------------------------------------


def test_a_job_runs_through_its_stages_and_gives_a_model_that_answers(
    server: OpenAIServer, client: openai.OpenAI
) -> None:
    job = create(client, upload(client), suffix="sums", metadata={"run": "1"})
    seen = [job.status]
    while seen[-1] != "succeeded":
        job = client.fine_tuning.jobs.retrieve(job.id)
        seen.append(job.status)
    assert seen == ["validating_files", "queued", "running", "succeeded"]
    assert job.fine_tuned_model == "ft:small:loopback:sums:1"
    assert job.trained_tokens is not None
    assert job.trained_tokens > 0
    assert job.metadata == {"run": "1"}
    server.script(Behaviour(text="2"))
    asked = [{"role": "user", "content": "1 + 1?"}]
    answer = client.chat.completions.create(model=job.fine_tuned_model, messages=asked)
    assert answer.choices[0].message.content == "2"


def test_a_model_whose_job_is_not_done_is_not_found(client: openai.OpenAI) -> None:
    create(client, upload(client), suffix="sums")
    with pytest.raises(openai.NotFoundError, match="ft:small:loopback:sums:1"):
        client.chat.completions.create(
            model="ft:small:loopback:sums:1", messages=[{"role": "user", "content": "1 + 1?"}]
        )


def test_events_tell_the_loss_of_every_step(client: openai.OpenAI) -> None:
    method = {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 2}}}
    name = follow(client, create(client, upload(client), method=method).id).id
    events = list(client.fine_tuning.jobs.list_events(name, limit=4))[::-1]
    losses = [event.data["train_loss"] for event in events if event.type == "metrics"]
    assert len(losses) == 2 * 3
    assert losses == sorted(losses, reverse=True)
    checkpoints = list(client.fine_tuning.jobs.checkpoints.list(name))
    assert [checkpoint.step_number for checkpoint in checkpoints] == [6, 3]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (lines(9), "Training file has 9 example.s., but must have at least 10 examples"),
        (lines(10) + b"{", "Line 11 is not valid JSON"),
        (lines(10) + b'{"prompt": "1"}', "Example 11 is missing key 'messages'"),
        (
            lines(10) + b'{"messages": [{"role": "user", "content": "1"}]}',
            "Example 11 must end with a message from the assistant",
        ),
    ],
)
def test_a_job_on_a_wrong_file_fails_and_says_why(
    client: openai.OpenAI, content: bytes, said: str
) -> None:
    job = follow(client, create(client, upload(client, content)).id)
    assert job.status == "failed"
    assert job.error is not None
    with pytest.raises(ValueError, match=said):
        raise ValueError(job.error.message)


def test_a_job_is_cancelled_once(client: openai.OpenAI) -> None:
    job = create(client, upload(client))
    assert client.fine_tuning.jobs.cancel(job.id).status == "cancelled"
    with pytest.raises(openai.BadRequestError, match="already complete"):
        client.fine_tuning.jobs.cancel(job.id)


def test_a_job_needs_a_file_that_is_there(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="file-7 does not exist"):
        create(client, "file-7")


def test_jobs_are_found_by_their_metadata(server: OpenAIServer, client: openai.OpenAI) -> None:
    file = upload(client)
    names = [create(client, file, metadata={"run": str(i)}).id for i in range(3)]
    server.tuning.page = 1
    assert [job.id for job in client.fine_tuning.jobs.list()] == names[::-1]
    assert [job.id for job in client.fine_tuning.jobs.list(metadata={"run": "1"})] == [names[1]]


def test_a_new_job_may_be_missing_in_the_first_lists(client: openai.OpenAI) -> None:
    with OpenAIServer(tuning=Tuning(lag=2)) as server:
        late = client.with_options(base_url=server.base_url)
        create(late, upload(late))
        shown = [len(list(late.fine_tuning.jobs.list())) for _ in range(3)]
    assert shown == [0, 0, 1]


def test_other_providers_keep_no_metadata_and_list_nothing(client: openai.OpenAI) -> None:
    with OpenAIServer(tuning=Tuning(metadata=False, listing=False)) as server:
        other = client.with_options(base_url=server.base_url)
        job = create(other, upload(other), metadata={"run": "1"})
        with pytest.raises(openai.NotFoundError):
            other.fine_tuning.jobs.list()
        with pytest.raises(openai.NotFoundError):
            other.files.list()
    assert job.metadata is None


# -- faults -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("acts", "made"), [("never", 0), ("first", 1), ("later", 0)])
def test_a_fault_strikes_before_or_after_the_server_has_acted(
    server: OpenAIServer, client: openai.OpenAI, acts: str, made: int
) -> None:
    file = upload(client)
    server.tuning.fail(Fault(step="create", behaviour=Behaviour(reset=True), acts=acts))
    with pytest.raises(openai.APIConnectionError):
        create(client, file)
    assert server.tuning.faulted.is_set()
    assert len(server.tuning.jobs) == made
    server.tuning.act_now()
    assert len(server.tuning.jobs) == (acts != "never")


def test_faults_may_skip_requests_and_strike_more_than_once(
    server: OpenAIServer, client: openai.OpenAI
) -> None:
    server.tuning.fail(Fault(step="upload", behaviour=Behaviour(status=503), skip=1, times=2))
    upload(client)
    for _ in range(2):
        with pytest.raises(openai.InternalServerError):
            upload(client)
    upload(client)
    assert server.tuning.uploads == 2


@pytest.mark.parametrize(("honours_keys", "made"), [(True, 1), (False, 2)])
def test_a_repeated_key_gives_the_same_job_where_keys_are_honoured(
    server: OpenAIServer, client: openai.OpenAI, honours_keys: bool, made: int
) -> None:
    server.tuning.honours_keys = honours_keys
    file = upload(client)
    for _ in range(2):
        create(client, file, extra_headers={"Idempotency-Key": "once"})
    assert len(server.tuning.jobs) == made
