"""`study:` a grid over settings; every cell of it is a job of its own."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from render.errors import JobError, Problem
from render.spec.document import Document, Found, KeyPath, Place
from render.spec.explain import explain
from render.spec.job import PROCEDURAL, Job
from render.spec.media import VideoInput
from render.spec.overrides import WrongError, put_value
from render.spec.style import Content
from render.spec.url import AnyPath, Url, beside

MOST_CELLS = 1000
MOST_NAMES = 3
"""Names in a label that are all said; of more, the first and the last."""
FIXED = ("version", "extends", "preset", "objective", "study", "farm", "output.path")
"""Keys that are the same in all cells: other keys follow from them, or they paint nothing."""


@dataclass(frozen=True)
class Cell:
    """One cell: what is different in it, in words, and the whole job."""

    label: str
    job: Job


def expand_study(job: Job) -> list[Cell]:
    """The cells of a job's study, the last key of the study varying fastest.

    Raises:
        JobError: a value does not fit its key, or there are too many cells.
    """
    return _cells(job, Document("study", {}))[0]


def axis_lengths(job: Job) -> list[int]:
    """How many values each key of the study has."""
    return [len(list(_values(values))) for values in job.study.values()]


def study_problems(job: Job, document: Document) -> list[Found]:
    """What is wrong with the cells, told where it stands in the document."""
    return _cells(job, document, collect=True)[1]


def _cells(
    job: Job, document: Document, *, collect: bool = False
) -> tuple[list[Cell], list[Found]]:
    axes: dict[str, list[object]] = {}
    problems: list[Found] = []
    for key, axis in job.study.items():
        place = document.place(("study", key), of_key=True)
        try:
            values = axes[key] = list(_values(axis))
        except ValueError as error:
            found = f"a pattern that cannot be used ({error})"
            problems.append(_problem(place, key, found, "a pattern such as styles/*.jpg"))
            continue
        if any(key == fixed or key.startswith(f"{fixed}.") for fixed in FIXED):
            problems.append(_problem(place, key, f"the key {key}", "a setting that paints"))
        elif not values:
            problems.append(
                _problem(place, key, "no files of such names", "a pattern that finds some")
            )
    total = 1
    for values in axes.values():
        total *= len(values)
    if total > MOST_CELLS:
        place = document.place(("study",), of_key=True)
        problems.append(_problem(place, "", f"{total} cells", f"at most {MOST_CELLS}"))
    cells: list[Cell] = []
    if not problems:
        for number, chosen in enumerate(itertools.product(*(enumerate(v) for v in axes.values()))):
            made, wrong = _cell(job, document, number, dict(zip(axes, chosen, strict=True)))
            problems += wrong
            cells += made
    problems = list(dict(zip(map(str, (p for _, p in problems)), problems, strict=True)).values())
    if problems and not collect:
        raise JobError([problem for _, problem in problems])
    return cells, problems


def _cell(
    job: Job, document: Document, number: int, chosen: dict[str, tuple[int, object]]
) -> tuple[list[Cell], list[Found]]:
    data: Any = _lists(job.model_dump(exclude={"study", "preset"}))
    keys: dict[KeyPath, Place] = {}
    values: dict[KeyPath, Place] = {}
    if "model" in chosen or "model.weights" in chosen:
        # By default they follow from the weights. (Said by the job, in the words of the default, they
        # do so too, which cannot be told apart any more.)
        defaults = (PROCEDURAL["content"]["layers"], Content().layers)
        if data["content"]["layers"] in defaults:
            del data["content"]["layers"]
    label = ", ".join(_label(key, value) for key, (_, value) in chosen.items())
    for key, (position, value) in chosen.items():
        at = ("study", key, position)
        try:
            path, _ = put_value(data, key.split("."), _lists(value))
        except WrongError as wrong:
            place = document.place(at)
            return [], [_problem(place, key, wrong.found, wrong.allowed)]
        values[path] = document.place(at)
        for theirs, ours in ((document.keys, keys), (document.values, values)):
            for old, place in theirs.items():
                if old[:3] == at:
                    ours[(*path, *old[3:])] = place
    if isinstance(data["output"], dict):  # else it is refused below
        data["output"]["path"] = _output(job, f"{number:03}-{_slug(label)}")
    try:
        made = Job.model_validate(data, context={"folder": Path.cwd()})
    except ValidationError as error:
        return [], explain(error, Document(document.name, data, keys, values))
    return [Cell(label, made)], []


def _values(axis: object) -> Iterator[object]:
    """The values of a key; `files` stands for the paths that its pattern finds."""
    pattern = getattr(axis, "files", None)
    if pattern is None:
        yield from axis  # type: ignore[misc]
        return
    paths = pattern.parent.glob(pattern.name)
    yield from sorted(path for path in paths if path.is_file())


def _output(job: Job, name: str) -> AnyPath:
    path = job.output.path
    if not isinstance(job.input, VideoInput):
        return path / name
    folder = job.output.codec == "frames"
    return beside(path, ".study", folder=folder) / (name if folder else f"{name}{path.suffix}")


def _label(key: str, value: object) -> str:
    """A cell's setting as people would name it: `relu1_1`, `swirls`, `style.weight 8`."""
    match value:
        case Path() | Url():
            return value.stem
        case dict():
            inside = [str(value["path"])] if "path" in value else list(map(str, value))
            names = [Path(each).stem for each in inside]
            return " + ".join(names) if len(names) <= MOST_NAMES else f"{names[0]} … {names[-1]}"
        case list() | tuple():
            return " + ".join(_label("", item) for item in value)
        case str():
            return value
    return f"{key} {value}".strip()


def _slug(label: str) -> str:
    return re.sub(r"[^A-Za-z0-9._]+", "-", label).strip("-.")[:60] or "cell"


def _lists(value: object) -> object:
    """Tuples as lists, as they are in a document."""
    match value:
        case list() | tuple():
            return [_lists(item) for item in value]
        case dict():
            return {key: _lists(item) for key, item in value.items()}
    return value


def _problem(place: Place, key: str, found: str, allowed: str) -> Found:
    return place, Problem(place.text, f"study.{key}".rstrip("."), found, allowed)
