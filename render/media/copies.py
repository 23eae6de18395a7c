"""Copies on this machine's disk of files in object storage, for programs that read nothing else."""

from __future__ import annotations

import tempfile
from pathlib import Path

from render import storage
from render.errors import SourceError
from render.spec.url import AnyPath, Url

_made: dict[tuple[Url, str], tempfile.TemporaryDirectory[str]] = {}
"""Folder of each copy, by URL and stamp; they go when this process ends."""


def local_copy(place: AnyPath) -> Path:
    """The file itself if it is on a disk, else a copy with its name, made once for each process.

    It lies in the folder for temporary files (`TMPDIR`), and goes when the process ends.

    Raises:
        SourceError: it cannot be read.
        OutputError: the disk cannot hold it.
    """
    if isinstance(place, Path):
        return place
    there = storage.facts(place)
    if there is None:
        raise SourceError(f"{place}: no such file; check the path of the input")
    key = place, there.stamp
    if key not in _made:
        folder = tempfile.TemporaryDirectory(prefix="render-")
        storage.fetch(place, Path(folder.name, place.name))
        _made[key] = folder
    return Path(_made[key].name, place.name)
