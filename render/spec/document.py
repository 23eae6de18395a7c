"""A text of keys and values that remembers where each of them stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from render.errors import Problem

KeyPath = tuple[str | int, ...]
"""Keys and list indices from the root to a value."""


@dataclass(frozen=True, order=True)
class Place:
    """Where something stands; places sort as people read them, the file before the overrides."""

    override: int
    """0 in the file, n in the n-th override."""
    line: int
    """From 1; of an override, 0."""
    column: int
    """From 1; of an override, 0."""
    text: str
    """What a message shows: `FILE:LINE:COLUMN` or the override as typed."""


Found = tuple[Place, Problem]


@dataclass(frozen=True)
class Document:
    """What a text says, and where it says it."""

    name: str
    """The file as the person knows it."""
    data: object
    """Mappings, lists, text, numbers, booleans and `None`; nothing is shared between its parts."""
    keys: Mapping[KeyPath, Place] = field(default_factory=dict)
    """Where the key of each value stands."""
    values: Mapping[KeyPath, Place] = field(default_factory=dict)
    """Where each value begins."""
    problems: tuple[Found, ...] = ()
    """What is wrong, but does not hinder reading on."""

    def place(self, path: KeyPath, *, of_key: bool = False) -> Place:
        """Where the value (or its key) at `path` stands; for one that is absent, its container."""
        first, second = (self.keys, self.values) if of_key else (self.values, self.keys)
        for places in (first, second):
            if path in places:
                return places[path]
        if path:
            return self.place(path[:-1], of_key=True)
        return Place(0, 1, 1, self.name)


def printable(text: str) -> str:
    """The text on one line, with escapes for what a terminal cannot show."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )


def dotted(path: KeyPath) -> str:
    """The path as people write it: `style.images.0.path`."""
    return shortened(printable(".".join(map(str, path))), 100)


def shown(value: object) -> str:
    """A value for a message: short, on one line, its type recognisable."""
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case str():
            return f"the text {shortened(repr(str(value)))}"
        case dict():
            return shortened(f"a mapping of {printable(', '.join(value))}") if value else "{}"
        case list():
            return f"a list of {len(value)} item{'' if len(value) == 1 else 's'}"
        case _:
            return shortened(str(value))


def shortened(text: str, limit: int = 60) -> str:
    """The text, or its beginning and its last two characters."""
    return text if len(text) <= limit else f"{text[: limit - 5]}...{text[-2:]}"
