"""The bodies that an OpenAI-compatible server sends."""

import base64
import hashlib
import json
import re
import struct
import time
from collections.abc import Iterator, Mapping
from typing import Any

from fusion_agents.testing.openai_behaviour import Behaviour, Request
from fusion_agents.types import Usage

Json = dict[str, Any]

DONE = b"data: [DONE]\n\n"
_WORD = re.compile(r"\s*\S+|\s+$")
_PIECE = re.compile(r".{1,16}", re.DOTALL)
_KINDS = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}


def dumped(value: Json) -> bytes:
    """Write JSON without spaces."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def event(value: Json) -> bytes:
    """Write a server-sent event."""
    return b"data: " + dumped(value) + b"\n\n"


def error_body(behaviour: Behaviour, request: Request) -> Json:
    """Word an error as OpenAI does."""
    message = behaviour.message or f"The server was told to answer {behaviour.status}."
    if behaviour.echo_key:
        message = f"{message} Incorrect API key provided: {request.key}."
    default = "server_error" if behaviour.status >= 500 else "invalid_request_error"
    kind = _KINDS.get(behaviour.status, default)
    return {"error": {"message": message, "type": kind, "param": None, "code": behaviour.code}}


def completion(behaviour: Behaviour, request: Request, number: int) -> Json:
    """Make a whole answer."""
    message: Json = {"role": "assistant", "content": behaviour.text, "refusal": None}
    if calls := _tool_calls(behaviour, number):
        message["tool_calls"] = calls
    choice = {"index": 0, "message": message, "finish_reason": _finish_reason(behaviour)}
    body = _head(request, number, "chat.completion")
    body["choices"] = [] if behaviour.empty_choices else [choice]
    if usage := _usage(behaviour, request):
        body["usage"] = usage
    return body


def token_events(behaviour: Behaviour, request: Request, number: int) -> Iterator[bytes]:
    """Yield the events of a stream that each carry a token."""
    head = _head(request, number, "chat.completion.chunk")
    if behaviour.empty_choices:
        return
    for word in _WORD.findall(behaviour.text or ""):
        yield event({**head, "choices": [_delta({"content": word})]})
    for index, call in enumerate(_tool_calls(behaviour, number)):
        function = call["function"]
        named = {**call, "index": index, "function": {"name": function["name"], "arguments": ""}}
        yield event({**head, "choices": [_delta({"tool_calls": [named]})]})
        for piece in _PIECE.findall(function["arguments"]):
            part = {"index": index, "function": {"arguments": piece}}
            yield event({**head, "choices": [_delta({"tool_calls": [part]})]})


def first_event(behaviour: Behaviour, request: Request, number: int) -> bytes:
    """Open a stream."""
    head = _head(request, number, "chat.completion.chunk")
    content = None if behaviour.text is None else ""
    opening = [_delta({"role": "assistant", "content": content})]
    return event({**head, "choices": [] if behaviour.empty_choices else opening})


def last_events(behaviour: Behaviour, request: Request, number: int) -> bytes:
    """Finish a stream: reason, usage if the client wants it, end."""
    head = _head(request, number, "chat.completion.chunk")
    closing = [_delta({}, _finish_reason(behaviour))]
    events = b"" if behaviour.empty_choices else event({**head, "choices": closing})
    options: Mapping[str, Any] = request.body.get("stream_options") or {}
    usage = _usage(behaviour, request) if options.get("include_usage") else None
    if usage:
        events += event({**head, "choices": [], "usage": usage})
    return events + DONE


def model_list(models: tuple[str, ...]) -> Json:
    """Answer `GET /v1/models`."""
    entries = [{"id": m, "object": "model", "created": 0, "owned_by": "tests"} for m in models]
    return {"object": "list", "data": entries}


def embeddings(request: Request, dimensions: int = 8) -> Json:
    """Answer `POST /v1/embeddings`: the same text has the same vector, drawn from its hash."""
    given = request.body.get("input", "")
    texts = given if isinstance(given, list) and not _is_tokens(given) else [given]
    dimensions = int(request.body.get("dimensions") or dimensions)
    as_base64 = request.body.get("encoding_format") == "base64"
    data = []
    for index, text in enumerate(texts):
        vector = _vector(json.dumps(text), dimensions)
        packed = struct.pack(f"<{dimensions}f", *vector)
        value = base64.b64encode(packed).decode() if as_base64 else vector
        data.append({"object": "embedding", "index": index, "embedding": value})
    tokens = sum(len(str(text)) // 4 + 1 for text in texts)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": data, "model": request.model, "usage": usage}


def _head(request: Request, number: int, kind: str) -> Json:
    return {
        "id": f"chatcmpl-{number}",
        "object": kind,
        "created": int(time.time()),
        "model": request.model,
    }


def _delta(delta: Json, finish_reason: str | None = None) -> Json:
    return {"index": 0, "delta": delta, "finish_reason": finish_reason}


def _finish_reason(behaviour: Behaviour) -> str:
    return behaviour.finish_reason or ("tool_calls" if behaviour.tool_calls else "stop")


def _tool_calls(behaviour: Behaviour, number: int) -> list[Json]:
    return [
        {
            "id": call.id or f"call_{number}_{index}",
            "type": "function",
            "function": {
                "name": call.name,
                "arguments": call.args
                if isinstance(call.args, str)
                else json.dumps(call.args, ensure_ascii=False),
            },
        }
        for index, call in enumerate(behaviour.tool_calls)
    ]


def _usage(behaviour: Behaviour, request: Request) -> Json | None:
    if behaviour.usage is None:
        return None
    usage = behaviour.usage
    if not isinstance(usage, Usage):
        said = len(behaviour.text or "") + sum(len(str(c.args)) for c in behaviour.tool_calls)
        read = sum(len(str(message.get("content"))) for message in request.messages)
        usage = Usage(input_tokens=read // 4 + 3, output_tokens=-(-said // 4))
    read_tokens, said_tokens = usage.input_tokens or 0, usage.output_tokens or 0
    return {
        "prompt_tokens": read_tokens,
        "completion_tokens": said_tokens,
        "total_tokens": read_tokens + said_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens or 0},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens or 0},
    }


def _is_tokens(given: list[Any]) -> bool:
    return bool(given) and isinstance(given[0], int)


def _vector(text: str, dimensions: int) -> list[float]:
    digest = hashlib.shake_256(text.encode()).digest(dimensions)
    return [byte / 127.5 - 1 for byte in digest]
