"""The files that a job names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from render.spec.job import Job
from render.spec.url import AnyPath


def missing_files(job: Job) -> dict[str, str]:
    """Files and folders that a job reads and that are not on this machine's disk, by key.

    What lies in object storage is not looked for, nor a name that stands for many.
    """
    return {
        key: str(path)
        for key, path in named_paths(job)
        if isinstance(path, Path) and "%" not in path.name and not _is_there(path)
    }


def named_paths(job: Job) -> Iterator[tuple[str, AnyPath]]:
    """Files and folders that a job reads, by key; a name may stand for the masks of many frames."""
    return ((key, path) for key, path in _named(job) if isinstance(path, AnyPath))


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # it is in a folder that may not be looked into
        return False


def _named(job: Job) -> Iterator[tuple[str, object]]:
    yield "input.path", job.input.path
    for number, image in enumerate(job.style.images):
        yield f"style.images.{number}.path", image.path
    for number, region in enumerate(job.style.regions):
        yield f"style.regions.{number}.content", region.content
        yield f"style.regions.{number}.style", region.style
    yield "model.weights", job.model.weights
    yield "optimize.start", job.optimize.start
    yield "temporal.flow_weights", job.temporal.flow_weights
