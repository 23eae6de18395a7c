"""Whether finished frames were painted with a job's settings, and what is different if not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from render.errors import JobError, OutputError, Problem
from render.spec.job import Job
from render.spec.load import dump_job
from render.spec.reader import decode, read_yaml

_OUTPUT_KEYS = ("size", "height")
"""Keys of `output` that decide what is painted; the others say only how it is written."""
_PICTURE_KEYS = ("format", "quality", "name", "enlarge")
"""Keys of `output` that say how it is written, where what is written is all that there is."""


def differences(path: Path, job: Job) -> list[str]:
    """What decides how frames look and is not the same, as `key: old → new`.

    Not compared: the farm, but for its threads, which change rounding; how the result is encoded; and
    where files lie, since a job may go on elsewhere, where a cluster has unpacked it for example.
    What is in the files, the plan's fingerprints say.

    Args:
        path: the `job.yaml` that was written for the frames that are there.
        job: the job that is to go on.

    Raises:
        OutputError: it is damaged.
        OSError: it cannot be read.
    """
    try:
        old = _painting(path.read_bytes())
    except JobError as error:
        raise OutputError(
            f"{path} is damaged, so that nobody knows how the frames there were painted; put it back, "
            f"or start over with --fresh ({error.problems[0]})"
        ) from error
    return list(_changes(old, _painting(dump_job(job).encode())))


def _painting(text: bytes) -> dict[str, Any]:
    # The bounded reader: a folder may have come from anywhere.
    data = read_yaml(decode(text, "job.yaml"), "job.yaml").data
    parts = data if isinstance(data, dict) else {}
    output, farm = parts.get("output"), parts.get("farm")
    if not isinstance(output, dict) or not isinstance(farm, dict):
        raise JobError([Problem("job.yaml", "", "no job in it", "what `render` wrote there")])
    kept = {key: value for key, value in parts.items() if key not in ("farm", "output")}
    given = parts.get("input")
    pictures = isinstance(given, dict) and given.get("kind") == "images"
    keys = (*_OUTPUT_KEYS, *_PICTURE_KEYS) if pictures else _OUTPUT_KEYS
    kept["output"] = {key: output.get(key) for key in keys}
    kept["farm"] = {"cpus_per_worker": farm.get("cpus_per_worker")}
    return kept


def _changes(old: object, new: object, key: str = "") -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        for name in sorted(old.keys() | new.keys()):
            yield from _changes(old.get(name), new.get(name), f"{key}.{name}" if key else str(name))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for place, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from _changes(one, other, f"{key}.{place}")
    elif old != new and not (_is_path(old) and _is_path(new)):
        yield f"{key}: {_short(old)} → {_short(new)}"


def _is_path(value: object) -> bool:
    return isinstance(value, str) and (value.startswith("/") or "://" in value)


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."
