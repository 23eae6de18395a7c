"""Every key of a job file as a table for people: made of the schema, so that it is never out of date."""

from __future__ import annotations

import json
from collections.abc import Iterator

from render.spec.phrases import Schema, allowed, alternatives, resolved, root

HEAD = ("| key | value | default | |", "| --- | --- | --- | --- |")
LONGEST = 60
"""Characters of a value in words, beyond which only its kind is said."""


def settings_table() -> str:
    """The keys of a job file in Markdown: what each may be, its default, and what it does."""
    return "\n".join((*HEAD, *_rows(root(), ""))) + "\n"


def _rows(section: Schema, above: str) -> Iterator[str]:
    for choice in alternatives(section):
        kind = choice.get("properties", {}).get("kind", {}).get("const")
        for name, value in choice.get("properties", {}).items():
            key = f"{above}{name}"
            if name == "kind":
                continue
            inside = resolved(value)
            if "properties" in inside or _is_union(value):
                yield from _rows(value, f"{key}.")
                continue
            yield _row(key, value, name in choice.get("required", ()), kind)
            items = resolved(inside.get("items", {})) if inside.get("type") == "array" else {}
            if "properties" in items:
                yield from _rows(items, f"{key}.N.")


def _row(key: str, value: Schema, required: bool, kind: str | None) -> str:
    where = f" (`kind: {kind}`)" if kind else ""
    about = value.get("description") or resolved(value).get("description", "")
    return f"| `{key}`{where} | {_short(value)} | {_default(value, required)} | {_cell(about)} |"


def _short(value: Schema) -> str:
    words = allowed(value)
    if len(words) > LONGEST and resolved(value).get("type") in ("array", "object"):
        words = {"array": "a list", "object": "a mapping"}[resolved(value)["type"]]
    return _cell(words)


def _default(value: Schema, required: bool) -> str:
    if required:
        return "**needed**"
    default = value.get("default")
    return "" if default in (None, [], {}, "") else f"`{_cell(_plain(default))}`"


def _plain(value: object) -> str:
    """A value as one would write it in YAML."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_plain(item)}" for key, item in value.items()) + "}"
    return value if isinstance(value, str) else json.dumps(value)


def _is_union(value: Schema) -> bool:
    return len(alternatives(value)) > 1 and all(
        "properties" in each for each in alternatives(value)
    )


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
