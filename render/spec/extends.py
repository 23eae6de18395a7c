"""`extends: other.yaml`: a job file that says only what is different from another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from render.errors import JobError, Problem
from render.spec.base import placed_text
from render.spec.document import Document, KeyPath, Place, printable, shown
from render.spec.reader import MAX_BYTES, decode, read_yaml

KEY = "extends"
_WHOLE = frozenset({"layers", "study"})
"""Mappings that replace what they extend, since adding to them is not what people mean."""


def read_job_file(path: Path) -> Document:
    """Read a job file, with what it extends under it.

    Sections are merged key by key; lists, `layers` and a section of another `kind` replace. Paths stay
    relative to the file that they stand in.

    Raises:
        JobError: a file cannot be read, is no YAML, or extends itself.
    """
    return _read(path, ())


def _read(path: Path, above: tuple[Path, ...]) -> Document:
    document = _document(path)
    data = document.data
    if not isinstance(data, dict) or KEY not in data:
        return document
    place = document.place((KEY,))
    named = data[KEY]
    if not isinstance(named, str) or not named:
        _refuse(place, shown(named), "the path of a job file, relative to this one")
    chain = (*above, path.resolve())
    try:
        other = path.parent / Path(named).expanduser()
        real, there = other.resolve(), other.is_file()
    except (
        OSError,
        RuntimeError,
        ValueError,
    ) as error:  # no such home, links in a circle, too long
        reason = getattr(error, "strerror", None) or error
        _refuse(place, f"{shown(named)} ({printable(str(reason))})", "the path of a job file")
    if real in chain:
        _refuse(place, f"{printable(named)}, which extends this file", "files that end somewhere")
    if not there:
        _refuse(place, f"no file at {printable(str(other))}", "the path of a job file")
    base = _read(other, chain)
    own = replace(document, data={key: value for key, value in data.items() if key != KEY})
    if not isinstance(base.data, dict):
        return own
    return _over(_placed(base, other.parent.absolute()), own)


def _placed(document: Document, folder: Path) -> Document:
    """The document with its text remembering the folder, if it does not remember one already."""
    return replace(document, data=placed_text(document.data, folder))


def _over(base: Document, own: Document) -> Document:
    """`own` laid over `base`."""
    keys, values = dict(base.keys), dict(base.values)

    def merged(low: object, high: object, path: KeyPath) -> object:
        if isinstance(low, dict) and isinstance(high, dict) and not _replaces(path, low, high):
            return {
                **low,
                **{
                    key: merged(low[key], value, (*path, key)) if key in low else value
                    for key, value in high.items()
                },
            }
        for places in (keys, values):
            for old in [old for old in places if old[: len(path)] == path]:
                del places[old]
        return high

    data = merged(base.data, own.data, ())
    keys.update(own.keys)
    values.update(own.values)
    return Document(own.name, data, keys, values, (*base.problems, *own.problems))


def _replaces(path: KeyPath, low: Mapping[str, object], high: Mapping[str, object]) -> bool:
    other_kind = "kind" in high and high["kind"] != low.get("kind")
    return bool(path) and (path[-1] in _WHOLE or other_kind)


def _document(path: Path) -> Document:
    name = printable(str(path))
    return read_yaml(decode(_bytes(path, name), name), name)


def _bytes(path: Path, name: str) -> bytes:
    """The file's content, or the first of it if it is far too large."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except IsADirectoryError:
        found = "a folder"
    except FileNotFoundError:
        found = "no file of this name"
    except (OSError, ValueError) as error:
        found = f"a file that cannot be read ({getattr(error, 'strerror', None) or error})"
    raise JobError([Problem(name, "", found, "the path of a job file in YAML")])


def _refuse(place: Place, found: str, allowed: str) -> NoReturn:
    raise JobError([Problem(place.text, KEY, found, allowed)])
