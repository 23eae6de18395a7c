"""Overrides on the command line: `optimize.evaluations=100`, `style.images.0.path=~/a.jpg`.

The value is read as a plain scalar of a job file would be, whatever characters are in it, so that
`input.pattern=*.png` and `output.path=take #1.mp4` need no quotes but the shell's. Only one that
begins with `[`, `{` or a quote is YAML: `style.layers={relu1_1: 1}`. An override replaces what
stands at its key wholly, a mapping too: nothing is merged. A key that is not there is made; whether
it may be, the model says.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from render.errors import JobError, Problem
from render.spec.base import CommandLineText
from render.spec.document import Document, KeyPath, Place, dotted, printable, shown
from render.spec.reader import read_yaml
from render.spec.scalars import read_scalar
from render.spec.syntax import MAX_DEPTH


class WrongError(Exception):
    """An override cannot be applied: key, what was found, what is allowed."""

    def __init__(self, key: str, found: str, allowed: str) -> None:
        super().__init__(key, found, allowed)
        self.key, self.found, self.allowed = key, found, allowed


def apply_overrides(document: Document, overrides: Sequence[str]) -> Document:
    """The document with the overrides in it, which are applied in order.

    Text that comes from an override is `CommandLineText`. An override that cannot be applied is
    left out and added to the document's problems.
    """
    data = document.data
    keys, values, problems = dict(document.keys), dict(document.values), list(document.problems)
    for number, override in enumerate(overrides, start=1):
        place = Place(number, 0, 0, f"override {printable(override)}")
        try:
            parts, value = _parse(override)
            changed = copy.deepcopy(data)
            path, made = put_value(changed, parts, value)
        except WrongError as wrong:
            told = [printable(text) for text in (wrong.key, wrong.found, wrong.allowed)]
            problem = Problem(place.text, *told)
            problems.append((place, problem))
            continue
        data = changed
        for places in (keys, values):
            for old in [old for old in places if old[: len(path)] == path]:
                del places[old]
            places.update(dict.fromkeys(made, place))
    return replace(document, data=data, keys=keys, values=values, problems=tuple(problems))


def _parse(override: str) -> tuple[list[str], object]:
    key, equals, text = override.partition("=")
    if not equals:
        raise WrongError("", "no = sign", "key=value, such as optimize.evaluations=100")
    parts = key.strip().split(".")
    if not all(parts):
        raise WrongError("", "an empty key", "key=value, such as optimize.evaluations=100")
    if len(parts) > MAX_DEPTH:
        raise WrongError("", f"a key of {len(parts)} parts", f"at most {MAX_DEPTH}")
    return parts, _typed(_value(text.strip(), key.strip()))


def _value(text: str, key: str) -> object:
    try:
        if not text.startswith(("[", "{", '"', "'")):
            return read_scalar(text)
        document = read_yaml(text, "override")
    except JobError as error:
        first = error.problems[0]
        raise WrongError(key, first.found, f"{first.allowed}; or quotes for plain text") from None
    except ValueError:
        raise WrongError(key, shown(text), "a shorter number") from None
    for _, problem in document.problems:
        raise WrongError(key, problem.found, problem.allowed)
    return document.data


def _typed(value: object) -> object:
    """The value with all its text marked as typed on the command line."""
    match value:
        case str():
            return CommandLineText(value)
        case list():
            return [_typed(item) for item in value]
        case dict():
            return {key: _typed(item) for key, item in value.items()}
    return value


def put_value(data: object, parts: Sequence[str], value: object) -> tuple[KeyPath, list[KeyPath]]:
    """Set the value in `data`, in place; its path there, and all paths that are new by it."""
    path: KeyPath = ()
    made: list[KeyPath] = []
    here = data
    for part, following in zip(parts, [*parts[1:], None], strict=True):
        container, step = _step(here, part, path)
        path = (*path, step)
        here = container.get(step) if isinstance(container, dict) else container[step]
        if following is None:
            here = container[step] = value
            made.append(path)
        elif here is None:
            here = container[step] = [] if following.isdecimal() else {}
            made.append(path)
    return path, made


def _step(container: object, part: str, path: KeyPath) -> tuple[Any, str | int]:
    """The container at `path`, if it is one, and the key or index that `part` means in it."""
    if isinstance(container, dict):
        return container, part
    key = dotted((*path, part))
    if not isinstance(container, list):
        allowed = f"{dotted(path)}=value, as there are no keys below it"
        raise WrongError(key, f"{shown(container)} at {dotted(path)}", allowed)
    if part in map(str, range(len(container))):
        return container, int(part)
    allowed = f"an index below {len(container)}" if container else f"{dotted(path)}=[...], whole"
    raise WrongError(key, f"no item {part} in {shown(container)}", allowed)
