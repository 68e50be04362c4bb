"""How secrets are kept out of messages, exceptions and traces."""

import base64
import re
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from typing import Any
from urllib.parse import quote

MARK = "[redacted]"

_SHORTEST = 6
"""Shorter secrets are not looked for: they would be found in ordinary words."""

_LOOKS_SECRET = re.compile(
    r"\b(?:sk|pk|rk|xai|gsk|hf|ghp|gho|pplx|nvapi|tgp|fw|r8|lsv2)[-_][\w*.-]{8,}"
    r"|\b(?:AKIA|ASIA)[A-Z0-9]{12,}"
    r"|\bAIza[\w-]{20,}"
    r"|\beyJ[\w-]{10,}\.[\w-]{10,}(?:\.[\w-]+)?"
    r"|(?<=[Bb]earer )[\w*.~+/=-]{6,}"
)

_TELLING_HEADERS = frozenset(
    {"authorization", "proxy-authorization", "api-key", "x-api-key", "x-goog-api-key", "cookie",
     "set-cookie"}
)  # fmt: skip


class Redactor:
    """Replaces secrets in texts: those given, however encoded, and what looks like a key.

    >>> Redactor(["tops3cret"]).text("401: bad key tops3cret; sk-proj-abcdef123456 neither")
    '401: bad key [redacted]; [redacted] neither'
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        forms = {form for secret in secrets if len(secret) >= _SHORTEST for form in _forms(secret)}
        exact = "|".join(map(re.escape, sorted(forms, key=len, reverse=True)))
        self._exact = re.compile(exact) if exact else None

    def text(self, text: str) -> str:
        """The same text without secrets."""
        if self._exact is not None:
            text = self._exact.sub(MARK, text)
        return _LOOKS_SECRET.sub(MARK, text)

    def value(self, value: Any) -> Any:
        """The same value without secrets in its texts; plain containers are made anew."""
        if isinstance(value, str):
            clean = self.text(value)
            return value if clean == value else clean
        if isinstance(value, bytes):
            return self.text(value.decode("utf-8", "replace")).encode()
        if isinstance(value, Mapping):
            return {self.value(key): self.value(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.value(item) for item in value]
        if type(value) is tuple:
            return tuple(self.value(item) for item in value)
        return value

    def exception(self, error: BaseException) -> None:
        """Take the secrets out of an exception and all that led to it, in place."""
        for link in _family(error):
            link.args = self.value(link.args)
            for name, value in list(vars(link).items()):
                if name in ("response", "request", "_request"):
                    self._exchange(value)
                elif isinstance(value, str | bytes | Mapping | list | tuple):
                    setattr(link, name, self.value(value))

    def _exchange(self, exchange: Any) -> None:
        """Clean a response or a request of an HTTP client; its headers stay readable."""
        headers = getattr(exchange, "headers", None)
        if isinstance(headers, MutableMapping):
            for name in list(headers):
                if name.lower() in _TELLING_HEADERS:
                    headers[name] = MARK
                else:
                    headers[name] = self.text(headers[name])
        attributes = getattr(exchange, "__dict__", {})
        for name in ("_content", "_text"):
            if isinstance(attributes.get(name), str | bytes):
                attributes[name] = self.value(attributes[name])
        if attributes.get("_request") is not None:
            self._exchange(attributes["_request"])


def _forms(secret: str) -> Iterator[str]:
    """How a secret looks plainly, in a URL, and within a longer text in base64."""
    raw = secret.encode("utf-8", "surrogatepass")
    yield secret
    yield quote(raw, safe="")
    yield raw.hex()
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + raw).decode().rstrip("=")
        # The first and the last characters also depend on what stands beside the secret.
        core = encoded[(0, 2, 3)[before] : len(encoded) - bool((before + len(raw)) % 3)]
        if len(core) >= _SHORTEST:
            yield core
            yield core.replace("+", "-").replace("/", "_")


def _family(error: BaseException) -> list[BaseException]:
    """An exception with its causes, its contexts and the members of a group."""
    found: dict[int, BaseException] = {}
    left: list[BaseException | None] = [error]
    while left:
        link = left.pop()
        if link is None or id(link) in found:
            continue
        found[id(link)] = link
        left += [link.__cause__, link.__context__, *getattr(link, "exceptions", ())]
    return list(found.values())
