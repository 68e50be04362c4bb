"""What a judging model has to say, and whether it has said it."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage

from fusion_agents.errors import DataError

MARKER = "marker"
"""Field of every verdict; no answer can have it right, as no answer contains the marker."""

_FENCED = re.compile(r"[^`]*```(?:json)?\s*([^`]*?)\s*```[^`]*", re.IGNORECASE)


def verdict_schema(fields: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """JSON schema of a verdict, which every provider's binding takes alike.

    The reason comes first: a model that writes it before the numbers has thought before them.
    The marker comes last: where a model quotes an answer without escaping it, what the answer
    closes has no marker, and what it says of the fields is said again.
    """
    properties = {
        "reason": {"type": "string", "description": "In one to three sentences: why."},
        **fields,
        MARKER: {"type": "string", "description": "The marker, exactly as in the lines."},
    }
    return {
        "title": "Verdict",
        "description": "What the judge says.",
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def read_fields(message: AIMessage, parsed: object, marker: str) -> Mapping[str, Any]:
    """Take what was parsed for a verdict.

    Raises:
        DataError: If it does not carry the marker, or was read out of a text that is more than
            one JSON object or says something twice: then a part of it may be the candidate's.
    """
    if not isinstance(parsed, Mapping):
        raise DataError("the verdict has no fields")
    said = parsed.get(MARKER)
    if not isinstance(said, str) or said.strip(" \t\r\n[]`'\"") != marker:
        raise DataError("the verdict does not carry the marker")
    if not message.tool_calls and str(message.text).strip():
        _check_text(str(message.text))
    return parsed


def read_score(fields: Mapping[str, Any], name: str) -> float | None:
    """A number in [0, 1], as a number; none for anything else.

    >>> [read_score({"x": x}, "x") for x in (0.8, 1, 8, True, "0.8", float("nan"), None)]
    [0.8, 1.0, None, None, None, None, None]
    """
    value = fields.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        return None
    return float(value)


def _check_text(text: str) -> None:
    fenced = _FENCED.fullmatch(text)
    try:
        json.loads(fenced[1] if fenced else text, strict=False, object_pairs_hook=_once)
    except ValueError as error:
        raise DataError(f"the verdict is not one whole JSON object: {error}"[:300]) from error


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise DataError("a name comes twice")
    return found
