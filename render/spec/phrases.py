"""What a JSON Schema allows, in words for error messages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from render.spec.schema import models_schema

Schema = dict[str, Any]

_NOTHING = "nothing"


@cache
def root() -> Schema:
    """The schema of a whole job, made once."""
    return models_schema()


def resolved(schema: Schema) -> Schema:
    """The schema itself, or the one that it refers to."""
    while "$ref" in schema:
        schema = root()["$defs"][schema["$ref"].rpartition("/")[2]]
    return schema


def alternatives(schema: Schema) -> list[Schema]:
    """The schemas of which one has to hold."""
    schema = resolved(schema)
    choices = schema.get("anyOf") or schema.get("oneOf")
    return [each for choice in choices for each in alternatives(choice)] if choices else [schema]


def property_names(schema: Schema) -> list[str]:
    """The keys that a mapping may have, by any alternative; none if they are not fixed."""
    names = (name for each in alternatives(schema) for name in each.get("properties", {}))
    return list(dict.fromkeys(names))


def all_keys(schema: Schema, above: str = "") -> Iterator[str]:
    """Dotted paths of all keys of the mappings in the schema, without those in lists."""
    for each in alternatives(schema):
        for name, inside in each.get("properties", {}).items():
            yield above + name
            yield from all_keys(inside, f"{above}{name}.")


def joined(words: Sequence[str], last: str = "or") -> str:
    """`a, b or c`, each word once."""
    words = list(dict.fromkeys(words))
    return f" {last} ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def allowed(schema: Schema) -> str:
    """Every value that the schema allows, in words."""
    choices = alternatives(schema)
    if len(choices) > 1 and all("kind" in choice.get("properties", {}) for choice in choices):
        kinds = [choice["properties"]["kind"]["const"] for choice in choices]
        return f"a mapping with `kind: {joined(kinds)}`"
    words = [each for choice in choices for each in _words(choice)]
    values = [each for each in words if each != _NOTHING]
    return f"{joined(values)}, or {_NOTHING}" if _NOTHING in words and values else joined(words)


def _words(schema: Schema) -> list[str]:
    if "const" in schema:
        return [str(schema["const"])]
    if "enum" in schema:
        return [str(value) for value in schema["enum"]]
    match schema.get("type"):
        case "integer":
            words = "a whole number" + _bounds(schema)
        case "number":
            words = "a number" + _bounds(schema)
        case "string":
            words = "text that is not empty" if schema.get("minLength") else "text"
            words = "a path" if schema.get("format") == "path" else words
        case "array":
            words = _list(schema)
        case "object":
            words = _mapping(schema)
        case other:
            words = {"boolean": "true or false", "null": _NOTHING}.get(str(other), "a value")
    return [words]


def _bounds(schema: Schema) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    if schema["type"] == "integer":
        low = above + 1 if above is not None else low
        high = below - 1 if below is not None else high
        above = below = None
    if low is not None and high is not None:
        return f" from {low} to {high}"
    bounds = [(" ≥ ", low), (" > ", above), (" ≤ ", high), (" < ", below)]
    return " and".join(sign + str(bound) for sign, bound in bounds if bound is not None)


def _list(schema: Schema) -> str:
    some = " with at least one item" if schema.get("minItems") else ""
    return (
        f"a list{some}, each {allowed(schema['items'])}" if "items" in schema else f"a list{some}"
    )


def _mapping(schema: Schema) -> str:
    names = property_names(schema)
    if names:
        return f"a mapping with the keys {joined(names, 'and')}"
    values = schema.get("additionalProperties")
    return f"a mapping from names to {allowed(values)}" if isinstance(values, dict) else "a mapping"
