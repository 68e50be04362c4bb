"""Inventing a value that a JSON schema accepts."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from fusion_agents.errors import ConfigError

Schema = Mapping[str, Any]

_DEEP = 4
_QUOTED = re.compile(r"['\"“‘]([^'\"”’]+)['\"”’]")
_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?![\w])")
_FORMATS = {
    "date": "2026-01-31",
    "date-time": "2026-01-31T12:00:00Z",
    "time": "12:00:00Z",
    "duration": "PT1H",
    "email": "someone@example.com",
    "uri": "https://example.com/",
    "uuid": "12345678-1234-4234-8234-123456789abc",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "byte": "AAAA",
    "binary": "AAAA",
}
_SAMPLES = ("a", "A", "1", "abc", "ABC", "123", "a1", "A1", "1.0", "2026-01-31", "12:00", "#a1b2c3")


class Inventor:
    """Makes up values for JSON schemas out of what a query says.

    Numbers and quoted texts are used in the order in which the query has them, an enumeration's
    member if the query names it, and otherwise the query itself where a text is wanted. The same
    query and schema give the same value. Properties that are not required are left out unless the
    query names them.

    Args:
        query: What was asked.
        root: The schema that `$ref` points into.

    >>> schema = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}
    >>> Inventor("add 3 to it", schema).invent(schema)
    {'n': 3}
    """

    def __init__(self, query: str, root: Schema) -> None:
        self._query = query
        self._root = root
        self._quoted: Iterator[str] = iter(_QUOTED.findall(query))
        self._numbers: Iterator[str] = iter(_NUMBER.findall(query))

    def invent(self, schema: Schema, depth: int = 0) -> Any:
        """Make up a value.

        Raises:
            ConfigError: If the schema has a pattern that no sample fits, or an unknown `$ref`.
        """
        schema = self._resolved(schema)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self._member(schema["enum"])
        for several in ("anyOf", "oneOf"):
            if several in schema:
                return self.invent(self._choice(schema[several], depth), depth)
        return self._typed(schema, depth)

    def _typed(self, schema: Schema, depth: int) -> Any:
        kind = schema.get("type", "object" if "properties" in schema else "string")
        if not isinstance(kind, str):
            kind = next((name for name in kind if name != "null"), "null")
        if kind == "object":
            return self._object(schema, depth)
        if kind == "array":
            return self._array(schema, depth)
        if kind in ("integer", "number"):
            return self._number(schema, whole=kind == "integer")
        return {"boolean": True, "null": None}[kind] if kind != "string" else self._text(schema)

    def _resolved(self, schema: Schema) -> Schema:
        while "$ref" in schema or "allOf" in schema:
            if "$ref" in schema:
                rest = {key: value for key, value in schema.items() if key != "$ref"}
                schema = {**self._target(schema["$ref"]), **rest}
            else:
                parts = [self._resolved(part) for part in schema["allOf"]]
                schema = _merged([{k: v for k, v in schema.items() if k != "allOf"}, *parts])
        return schema

    def _target(self, reference: str) -> Schema:
        found: Any = self._root
        for step in reference.removeprefix("#").strip("/").split("/"):
            if step and (not isinstance(found, Mapping) or step not in found):
                raise ConfigError(f"the schema refers to {reference!r}, which it does not have")
            found = found[step] if step else found
        return dict(found)

    def _choice(self, schemas: list[Schema], depth: int) -> Schema:
        empty = [schema for schema in schemas if schema.get("type") == "null"]
        others = [schema for schema in schemas if schema.get("type") != "null"]
        return empty[0] if not others or (empty and depth >= _DEEP) else others[0]

    def _member(self, members: list[Any]) -> Any:
        named = (
            member
            for member in members
            if re.search(rf"(?<!\w){re.escape(str(member))}(?!\w)", self._query, re.IGNORECASE)
        )
        return next(named, members[0])

    def _object(self, schema: Schema, depth: int) -> dict[str, Any]:
        required = schema.get("required", ())
        properties: Schema = schema.get("properties", {})
        return {
            name: self.invent(of_property, depth + 1)
            for name, of_property in properties.items()
            if name in required or re.search(rf"\b{re.escape(name)}\b", self._query)
        }

    def _array(self, schema: Schema, depth: int) -> list[Any]:
        first = [self.invent(item, depth + 1) for item in schema.get("prefixItems", ())]
        fewest = schema.get("minItems", 0)
        wanted = fewest if depth >= _DEEP or schema.get("maxItems") == 0 else max(fewest, 1)
        items = schema.get("items", {})
        if not isinstance(items, Mapping):
            return first
        return first + [self.invent(items, depth + 1) for _ in range(wanted - len(first))]

    def _number(self, schema: Schema, *, whole: bool) -> int | float:
        step = schema.get("multipleOf", 1 if whole else None)
        low = _bound(schema, "minimum", "exclusiveMinimum", step or 0.5)
        high = _bound(schema, "maximum", "exclusiveMaximum", -(step or 0.5))
        value = float(next(self._numbers, 1))
        value = value if low is None else max(value, low)
        value = value if high is None else min(value, high)
        if step:
            value = value // step * step
            value = value + step if low is not None and value < low else value
        return int(value) if whole else value

    def _text(self, schema: Schema) -> str:
        if schema.get("format") in _FORMATS:
            return _FORMATS[schema["format"]]
        fewest, most = schema.get("minLength", 0), schema.get("maxLength")
        if "pattern" in schema:
            return self._matching(schema["pattern"], fewest, most)
        text = next(self._quoted, self._query) or "something"
        return text.ljust(fewest, ".")[:most]

    def _matching(self, pattern: str, fewest: int, most: int | None) -> str:
        for sample in (*self._quoted, *self._query.split(), self._query, *_SAMPLES):
            long_enough = fewest <= len(sample) and (most is None or len(sample) <= most)
            if long_enough and re.search(pattern, sample):
                return sample
        raise ConfigError(
            f"cannot invent a text that matches {pattern!r}: put one into the query in quotes, "
            "or give the answer"
        )


def _bound(schema: Schema, inclusive: str, exclusive: str, step: float) -> float | None:
    if isinstance(limit := schema.get(exclusive), int | float) and not isinstance(limit, bool):
        return float(limit + step)
    limit = schema.get(inclusive)
    return None if limit is None else float(limit)


def _merged(schemas: list[Schema]) -> Schema:
    merged: dict[str, Any] = {}
    for schema in schemas:
        properties = {**merged.get("properties", {}), **schema.get("properties", {})}
        required = [*merged.get("required", ()), *schema.get("required", ())]
        merged |= schema
        if properties:
            merged |= {"properties": properties, "required": required}
    return merged
