"""How secrets are kept out of texts and exceptions."""

import base64
from urllib.parse import quote

import httpx2 as httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusion_agents.answering.redaction import MARK, Redactor

SECRET = "pass/word+with=signs&42"
secrets = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8, max_size=60)


@given(secrets, st.binary(max_size=7), st.binary(max_size=7))
def test_a_secret_is_found_plainly_in_urls_in_hex_and_within_base64(
    secret: str, before: bytes, after: bytes
) -> None:
    redactor = Redactor([secret])
    within = base64.b64encode(before + secret.encode() + after).decode()

    assert redactor.text(f"a {secret} b") == f"a {MARK} b"
    assert secret not in redactor.text(quote(secret, safe=""))
    assert secret.encode().hex() not in redactor.text(secret.encode().hex())
    assert MARK in redactor.text(within)
    assert MARK in redactor.text(within.replace("+", "-").replace("/", "_"))


@pytest.mark.parametrize(
    "key",
    [
        "sk-proj-abcDEF123456_7890",
        "sk-ant-api03-abcdefghij",
        "sk-abcde***********wxyz",
        "gsk_abcdefghijklmnop",
        "hf_abcdefghijklmnop",
        "AIzaSyA1234567890abcdefghijklmnop",
        "AKIAIOSFODNN7EXAMPLE",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl",
    ],
)
def test_what_looks_like_a_key_is_hidden_though_nobody_named_it(key: str) -> None:
    assert Redactor().text(f"bad key: {key}") == f"bad key: {MARK}"


@pytest.mark.parametrize(
    "text", ["task-oriented", "a risk-free bet", "ask-me-anything-now", "hf_ok", "skip", ""]
)
def test_ordinary_words_stay(text: str) -> None:
    assert Redactor(["a", "risk"]).text(text) == text


def test_the_token_of_a_bearer_is_hidden() -> None:
    assert Redactor().text("Authorization: Bearer abc.def123") == f"Authorization: Bearer {MARK}"


def test_an_exception_is_cleaned_in_place_with_all_that_led_to_it() -> None:
    cause = ValueError({"key": [SECRET, 3]})
    cause.add_note(f"with {SECRET}")
    error = RuntimeError(f"no: {SECRET}", SECRET.encode())
    error.__cause__ = cause
    error.body = {"message": SECRET}  # type: ignore[attr-defined]
    group = ExceptionGroup("all failed", [error])
    error.__context__ = group

    Redactor([SECRET]).exception(group)

    assert error.args == (f"no: {MARK}", MARK.encode())
    assert vars(error)["body"] == {"message": MARK}
    assert cause.args == ({"key": [MARK, 3]},)
    assert cause.__notes__ == [f"with {MARK}"]


def test_a_response_keeps_its_status_and_its_harmless_headers() -> None:
    request = httpx.Request(
        "POST", "http://localhost", headers={"Authorization": f"Bearer {SECRET}"}
    )
    response = httpx.Response(
        401,
        headers={"retry-after": "2", "x-echo": SECRET},
        json={"error": SECRET},
        request=request,
    )
    error = httpx.HTTPStatusError("refused", request=request, response=response)

    Redactor([SECRET]).exception(error)

    assert error.response.status_code == 401
    assert error.response.headers["retry-after"] == "2"
    assert error.response.headers["x-echo"] == MARK
    assert error.response.json() == {"error": MARK}
    assert request.headers["authorization"] == MARK
