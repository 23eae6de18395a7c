"""Pydantic's errors as problems that name file, line, key, what was found and what is allowed."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import NamedTuple

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from render.errors import Problem
from render.spec.document import Document, Found, KeyPath, dotted, shown
from render.spec.phrases import (
    Schema,
    all_keys,
    allowed,
    alternatives,
    joined,
    property_names,
    resolved,
    root,
)

_KEY = "[key]"
"""Pydantic's mark for a mapping's key that is wrong, at the end of a location."""


_TOLD_BY_SCHEMA = {
    "greater_than",
    "greater_than_equal",
    "is_instance_of",
    "less_than",
    "less_than_equal",
    "literal_error",
    "string_too_short",
    "string_unicode",
    "too_long",
    "too_short",
    "union_tag_invalid",
}
"""Pydantic's errors, beside those of wrong types, of which the schema says what is allowed."""


class _Spot(NamedTuple):
    """Where an error is."""

    path: KeyPath
    of_key: bool
    """The key is wrong, not its value."""
    value: object
    schema: Schema
    """What holds for the value."""
    around: Schema
    """What holds for the mapping or list that the value is in."""


def explain(error: ValidationError, document: Document) -> list[Found]:
    """One problem for each place in the document at which validation found errors."""
    spots: dict[tuple[KeyPath, bool], tuple[_Spot, list[ErrorDetails]]] = {}
    for details in error.errors(include_url=False):
        spot = _spot(details, document.data)
        spots.setdefault((spot.path, spot.of_key), (spot, []))[1].append(details)
    # To pydantic a list with a wrong item is also too short; only the item is told.
    outer = {path[:length] for path, _ in spots for length in range(len(path))}
    return [
        _told(spot, errors, document) for spot, errors in spots.values() if spot.path not in outer
    ]


def _spot(details: ErrorDetails, data: object) -> _Spot:
    """Follow an error's location through data and schema, leaving out what pydantic puts into it.

    Those are the names of a union's branches; our own validators may give another location.
    """
    kind, context = details["type"], details.get("ctx", {})
    location = [*context.get("loc", details["loc"])]
    if kind.startswith("union_tag"):
        location.append(context["discriminator"].strip("'"))
    absent = kind in {"missing", "union_tag_not_found"}
    path: KeyPath = ()
    schema: Schema = root()
    around: Schema = {}
    for number, part in enumerate(location, start=1):
        branches = resolved(schema).get("discriminator", {}).get("mapping", {})
        if part in branches:
            schema = resolved({"$ref": branches[part]})
        elif _has(data, part) or (absent and number == len(location)):
            path, around, schema = (*path, part), schema, _inside(schema, part)
            data = data[part] if _has(data, part) else None  # type: ignore[index]
    return _Spot(path, _KEY in location, data, schema, around)


def _has(data: object, part: str | int) -> bool:
    if isinstance(data, list):
        return isinstance(part, int) and part < len(data)
    return isinstance(data, dict) and part in data


def _inside(schema: Schema, part: str | int) -> Schema:
    """What holds for the value at a key or index of what the schema describes."""
    found: list[Schema] = []
    for choice in alternatives(schema):
        if isinstance(part, int) and "items" in choice:
            found.append(choice["items"])
        elif part in choice.get("properties", {}):
            found.append(choice["properties"][part])
        elif isinstance(choice.get("additionalProperties"), dict):
            found.append(choice["additionalProperties"])
    return found[0] if len(found) == 1 else {"anyOf": found}


def _told(spot: _Spot, errors: Sequence[ErrorDetails], document: Document) -> Found:
    kinds = {details["type"] for details in errors}
    if "extra_forbidden" in kinds:
        found, may_be = "an unknown key", _known_keys(spot)
    elif kinds & {"missing", "union_tag_not_found"}:
        found, may_be = "nothing", f"{allowed(spot.schema)} (this key is needed)"
    else:
        found, may_be = _found(spot, errors), joined([_allowed(spot, each) for each in errors])
        if spot.value is None and _may_be_left_out(spot):
            may_be += ", or no such key at all"
    of_key = spot.of_key or "extra_forbidden" in kinds
    place = document.place(spot.path, of_key=of_key)
    return place, Problem(place.text, dotted(spot.path), found, may_be)


def _may_be_left_out(spot: _Spot) -> bool:
    needed = [name for each in alternatives(spot.around) for name in each.get("required", [])]
    return isinstance(spot.path[-1], str) and spot.path[-1] not in needed


def _found(spot: _Spot, errors: Sequence[ErrorDetails]) -> str:
    what = f"the key {dotted(spot.path[-1:])}" if spot.of_key else shown(spot.value)
    why = [details["msg"] for details in errors if "allowed" in details.get("ctx", {})]
    return f"{what} ({joined(why)})" if why else what


def _allowed(spot: _Spot, details: ErrorDetails) -> str:
    """What one error says may stand here; by the schema, where that tells more."""
    kind = details["type"]
    context = details.get("ctx", {})
    if "allowed" in context:
        return str(context["allowed"])
    if kind == "finite_number":
        return f"{allowed(spot.schema)}, not infinite"
    described = " ".join(spot.schema.get("description", "").split()).rstrip(".")
    if described and any("pattern" in choice for choice in alternatives(spot.schema)):
        return described[0].lower() + described[1:]  # more than a regular expression says
    if kind.endswith("_type") or kind in _TOLD_BY_SCHEMA:
        return allowed(spot.schema)
    return details["msg"].removeprefix("Value error, ").removeprefix("Input should be ")


def _known_keys(spot: _Spot) -> str:
    """The keys that may stand where the unknown one does, and the one that is probably meant."""
    names = property_names(spot.around)
    if not names:
        return "no keys"
    key = str(spot.path[-1])
    known = joined(names, "and")
    near = difflib.get_close_matches(key, names, n=1, cutoff=0.7)
    far = [each for each in all_keys(root()) if each.rpartition(".")[2] == key]
    if near:
        return f"{known}; did you mean {near[0]}?"
    if dotted(spot.path) in far:
        return f"{known}; {key} goes with another kind of {spot.path[-2]}"
    return f"{known}; did you mean {joined(far)}?" if far else known
