"""The real `openai` client against the loopback server."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from email.utils import format_datetime

import openai
import pytest

from fusion_agents.errors import ConfigError
from fusion_agents.testing.openai_server import Behaviour, CalledTool, OpenAIServer, Request
from fusion_agents.types import Usage

KEY = "sk-test-0123456789abcdef"
ASKED = [{"role": "user", "content": "What is 6 times 7?"}]
ADD = {
    "type": "function",
    "function": {
        "name": "add",
        "parameters": {
            "type": "object",
            "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
            "required": ["a", "b"],
        },
    },
}


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


@pytest.fixture
async def async_client(server: OpenAIServer) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(
        base_url=server.base_url, api_key=KEY, max_retries=0, timeout=5
    ) as connected:
        yield connected


def ask(client: openai.OpenAI, **options: object):
    return client.chat.completions.create(model="small", messages=ASKED, **options)


def words(stream) -> list[str]:
    return [
        chunk.choices[0].delta.content
        for chunk in stream
        if chunk.choices and chunk.choices[0].delta.content
    ]


def wait_until(condition) -> None:
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


# -- answers ------------------------------------------------------------------------------------


def test_without_a_script_the_server_repeats_what_it_was_asked(client: openai.OpenAI) -> None:
    answer = ask(client)
    assert answer.choices[0].message.content == "small was asked: What is 6 times 7?"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.model == "small"


def test_a_scripted_text_comes_once(server: OpenAIServer, client: openai.OpenAI) -> None:
    server.script(Behaviour(text="42"), Behaviour(text="43"))
    texts = [ask(client).choices[0].message.content for _ in range(3)]
    assert texts == ["42", "43", "small was asked: What is 6 times 7?"]


def test_a_rule_sees_the_request(server: OpenAIServer, client: openai.OpenAI) -> None:
    def by_model(request: Request) -> Behaviour | None:
        return Behaviour(text=f"{request.model}!") if request.model == "small" else None

    server.rule = by_model
    assert ask(client).choices[0].message.content == "small!"


def test_a_stream_comes_word_by_word(server: OpenAIServer, client: openai.OpenAI) -> None:
    server.script(Behaviour(text="six times seven is 42"))
    assert words(ask(client, stream=True)) == ["six", " times", " seven", " is", " 42"]


def test_a_stream_tells_its_usage_to_who_wants_it(
    server: OpenAIServer, client: openai.OpenAI
) -> None:
    server.rule = lambda _: Behaviour(usage=Usage(input_tokens=10, output_tokens=4))
    with_usage = list(ask(client, stream=True, stream_options={"include_usage": True}))
    without = list(ask(client, stream=True))
    assert with_usage[-1].usage.total_tokens == 14
    assert all(chunk.usage is None for chunk in without)


def test_usage_may_be_given_estimated_or_left_out(
    server: OpenAIServer, client: openai.OpenAI
) -> None:
    server.script(
        Behaviour(usage=Usage(input_tokens=9, output_tokens=5, cached_tokens=3)),
        Behaviour(text="four"),
        Behaviour(usage=None),
    )
    given, estimated, left_out = (ask(client).usage for _ in range(3))
    assert (given.prompt_tokens, given.completion_tokens, given.total_tokens) == (9, 5, 14)
    assert given.prompt_tokens_details.cached_tokens == 3
    assert estimated.completion_tokens == 1
    assert left_out is None


def test_a_bound_tool_that_the_query_names_is_called(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model="small", messages=[{"role": "user", "content": "please add 3 and 4"}], tools=[ADD]
    )
    call = answer.choices[0].message.tool_calls[0]
    assert (call.function.name, call.function.arguments) == ("add", '{"a": 3, "b": 4}')
    assert answer.choices[0].finish_reason == "tool_calls"


def test_a_scripted_tool_call_may_be_no_json(server: OpenAIServer, client: openai.OpenAI) -> None:
    server.script(Behaviour(text=None, tool_calls=(CalledTool(name="add", args='{"a": 3'),)))
    message = ask(client, tools=[ADD]).choices[0].message
    assert message.content is None
    assert message.tool_calls[0].function.arguments == '{"a": 3'


def test_a_tool_call_streams_in_pieces(server: OpenAIServer, client: openai.OpenAI) -> None:
    server.script(Behaviour(text=None, tool_calls=(CalledTool(name="add", args={"a": 3, "b": 4}),)))
    pieces = [
        call.function
        for chunk in ask(client, stream=True, tools=[ADD])
        for call in chunk.choices[0].delta.tool_calls or ()
    ]
    assert pieces[0].name == "add"
    assert "".join(piece.arguments for piece in pieces) == '{"a": 3, "b": 4}'


def test_a_wanted_schema_is_filled(client: openai.OpenAI) -> None:
    wanted = {"type": "json_schema", "json_schema": {"schema": ADD["function"]["parameters"]}}
    answer = ask(client, response_format=wanted)
    assert answer.choices[0].message.content == '{"a": 6, "b": 7}'


def test_models_are_listed() -> None:
    with (
        OpenAIServer(models=("small", "large")) as server,
        openai.OpenAI(base_url=server.base_url, api_key=KEY) as client,
    ):
        assert [model.id for model in client.models.list()] == ["small", "large"]


@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_the_same_text_has_the_same_embedding(client: openai.OpenAI, encoding: str) -> None:
    made = client.embeddings.create(
        model="e", input=["one", "two", "one"], encoding_format=encoding
    )
    first, second, third = (entry.embedding for entry in made.data)
    assert first == third != second


def test_what_is_not_served_is_a_clear_404(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match=r"nothing is served at GET /v1/batches"):
        client.batches.list()


# -- faults -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("behaviour", "name", "value"),
    [
        (Behaviour(status=429, retry_after="2"), "retry-after", "2"),
        (Behaviour(status=429, retry_after_ms=150), "retry-after-ms", "150"),
        (Behaviour(status=503, headers={"x-should-retry": "false"}), "x-should-retry", "false"),
    ],
)
def test_a_failure_carries_its_headers(
    server: OpenAIServer, client: openai.OpenAI, behaviour: Behaviour, name: str, value: str
) -> None:
    server.script(behaviour)
    with pytest.raises(openai.APIStatusError) as caught:
        ask(client)
    assert caught.value.status_code == behaviour.status
    assert caught.value.response.headers[name] == value


def test_a_date_to_wait_for_reaches_the_client(server: OpenAIServer, client: openai.OpenAI) -> None:
    when = format_datetime(datetime(2030, 1, 2, tzinfo=UTC), usegmt=True)
    server.script(Behaviour(status=429, retry_after=when))
    with pytest.raises(openai.RateLimitError) as caught:
        ask(client)
    assert caught.value.response.headers["retry-after"] == when


def test_the_clients_own_retry_waits_as_told(server: OpenAIServer, client: openai.OpenAI) -> None:
    server.script(Behaviour(status=429, retry_after_ms=60), Behaviour(text="42"))
    assert ask(client.with_options(max_retries=1)).choices[0].message.content == "42"
    first, second = server.requests
    assert second.time - first.time >= 0.055


def test_an_error_has_openais_form(server: OpenAIServer, client: openai.OpenAI) -> None:
    server.script(Behaviour(status=400, message="too long", code="context_length_exceeded"))
    with pytest.raises(openai.BadRequestError, match="too long") as caught:
        ask(client)
    assert caught.value.code == "context_length_exceeded"


def test_a_careless_server_repeats_the_key(server: OpenAIServer, client: openai.OpenAI) -> None:
    server.script(Behaviour(status=401, echo_key=True))
    with pytest.raises(openai.AuthenticationError, match=KEY):
        ask(client)


def test_a_reset_is_a_connection_error(server: OpenAIServer, client: openai.OpenAI) -> None:
    server.script(Behaviour(reset=True))
    with pytest.raises(openai.APIConnectionError):
        ask(client)
    assert ask(client).choices


def test_a_client_that_gives_up_on_a_hanging_server_is_noticed(
    server: OpenAIServer, client: openai.OpenAI
) -> None:
    server.script(Behaviour(hang=True))
    with pytest.raises(openai.APITimeoutError):
        ask(client, timeout=0.1)
    wait_until(lambda: server.closed_early == 1)
    assert server.in_service == 0


async def test_a_cancelled_call_is_noticed(
    server: OpenAIServer, async_client: openai.AsyncOpenAI
) -> None:
    server.script(Behaviour(delay=30))
    call = asyncio.create_task(
        async_client.chat.completions.create(model="small", messages=ASKED)  # type: ignore[arg-type]
    )
    await asyncio.to_thread(wait_until, lambda: server.hits == 1)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await asyncio.to_thread(wait_until, lambda: server.closed_early == 1)


def test_a_slow_stream_drips(server: OpenAIServer, client: openai.OpenAI) -> None:
    server.script(Behaviour(text="a b c", drip=0.03))
    begun = time.monotonic()
    assert words(ask(client, stream=True)) == ["a", " b", " c"]
    assert time.monotonic() - begun >= 0.055


def test_a_slow_plain_body_drips(server: OpenAIServer, client: openai.OpenAI) -> None:
    server.script(Behaviour(text="42", drip=0.01))
    begun = time.monotonic()
    assert ask(client).choices[0].message.content == "42"
    assert time.monotonic() - begun >= 0.08


@pytest.mark.parametrize("reset", [False, True])
def test_a_stream_may_be_cut(server: OpenAIServer, client: openai.OpenAI, reset: bool) -> None:
    server.script(Behaviour(text="a b c d", cut_after=2, reset=reset, drip=0.01))
    heard = []
    stream = ask(client, stream=True)
    with pytest.raises(openai.APIConnectionError):  # noqa: PT012
        for chunk in stream:
            heard.append(chunk.choices[0].delta.content)
    assert heard == ["", "a", " b"]


def test_a_plain_body_may_be_cut(server: OpenAIServer, client: openai.OpenAI) -> None:
    server.script(Behaviour(cut_after=0))
    with pytest.raises(openai.APIConnectionError):
        ask(client)


def test_a_stream_may_end_in_an_error(server: OpenAIServer, client: openai.OpenAI) -> None:
    server.script(Behaviour(text="a b c", error_after=1, message="overloaded"))
    with pytest.raises(openai.APIError, match="overloaded"):
        words(ask(client, stream=True))


def test_a_page_of_html_may_come_with_status_200(
    server: OpenAIServer, client: openai.OpenAI
) -> None:
    server.script(Behaviour(body="<html>Welcome to the hotel's network</html>"))
    response = client.chat.completions.with_raw_response.create(model="small", messages=ASKED)
    assert response.headers["content-type"] == "text/html"
    assert "hotel" in response.text


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_may_hold_no_choice(
    server: OpenAIServer, client: openai.OpenAI, stream: bool
) -> None:
    server.script(Behaviour(empty_choices=True))
    answer = ask(client, stream=stream)
    assert all(not part.choices for part in (answer if stream else [answer]))


def test_a_text_may_be_null(server: OpenAIServer, client: openai.OpenAI) -> None:
    server.script(Behaviour(text=None, finish_reason="content_filter"))
    choice = ask(client).choices[0]
    assert choice.message.content is None
    assert choice.finish_reason == "content_filter"


# -- the record ---------------------------------------------------------------------------------


def test_requests_are_kept(server: OpenAIServer, client: openai.OpenAI) -> None:
    ask(client, temperature=0.5)
    (request,) = server.requests
    assert (request.method, request.path) == ("POST", "/v1/chat/completions")
    assert (request.model, request.text, request.key) == ("small", "What is 6 times 7?", KEY)
    assert request.body["temperature"] == 0.5
    assert server.hits == 1


def test_forgetting_begins_anew(server: OpenAIServer, client: openai.OpenAI) -> None:
    ask(client)
    server.script(Behaviour(status=500))
    wait_until(lambda: server.in_service == 0)
    server.forget()
    assert (server.hits, server.peak) == (0, 0)
    assert ask(client).choices


async def test_the_most_requests_at_once_are_counted(
    server: OpenAIServer, async_client: openai.AsyncOpenAI
) -> None:
    server.rule = lambda _: Behaviour(delay=0.2)
    calls = [
        async_client.chat.completions.create(model="small", messages=ASKED)  # type: ignore[arg-type]
        for _ in range(8)
    ]
    await asyncio.gather(*calls)
    assert (server.peak, server.hits, server.closed_early) == (8, 8, 0)
    await asyncio.to_thread(wait_until, lambda: server.in_service == 0)


# -- running ------------------------------------------------------------------------------------


async def test_the_server_runs_beside_an_event_loop() -> None:
    async with (
        OpenAIServer() as server,
        openai.AsyncOpenAI(base_url=server.base_url, api_key=KEY, max_retries=0) as client,
    ):
        stream = await client.chat.completions.create(
            model="small",
            messages=ASKED,
            stream=True,  # type: ignore[arg-type]
        )
        heard = [c.choices[0].delta.content async for c in stream if c.choices]
    assert "".join(word or "" for word in heard) == "small was asked: What is 6 times 7?"


def test_closing_ends_the_thread_and_requests_that_hang() -> None:
    failed = []

    def hang() -> None:
        with openai.OpenAI(base_url=server.base_url, api_key=KEY, max_retries=0) as client:
            try:
                ask(client)
            except openai.APIConnectionError as error:
                failed.append(error)

    with OpenAIServer(lambda _: Behaviour(hang=True)) as server:
        thread = threading.Thread(target=hang)
        thread.start()
        wait_until(lambda: server.in_service == 1)
    thread.join(5)
    assert len(failed) == 1
    assert server.closed_early == 0
    assert all(thread.name != "openai-server" for thread in threading.enumerate())


def test_a_server_may_be_started_again() -> None:
    server = OpenAIServer()
    for _ in range(2):
        with server, openai.OpenAI(base_url=server.base_url, api_key=KEY) as client:
            assert ask(client).choices
    assert server.hits == 2


def test_a_rule_that_fails_fails_the_test() -> None:
    def broken(request: Request) -> Behaviour:
        raise KeyError(request.model)

    with (
        pytest.raises(KeyError, match="small"),
        OpenAIServer(broken) as server,
        openai.OpenAI(base_url=server.base_url, api_key=KEY, max_retries=0) as client,
        pytest.raises(openai.APIConnectionError),
    ):
        ask(client)


def test_a_server_that_does_not_run_has_no_address() -> None:
    with pytest.raises(ConfigError, match="context manager"):
        _ = OpenAIServer().base_url


def test_a_misspelt_behaviour_is_refused() -> None:
    with pytest.raises(ValueError, match="retry_afte"):
        Behaviour(retry_afte="1")  # type: ignore[call-arg]
