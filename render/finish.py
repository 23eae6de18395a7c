"""The last step: committed frames become the video or the pictures that the job asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from render.files import write_atomically
from render.media.encode import write_video
from render.media.frames import Pixels
from render.media.images import ImageSource, output_name
from render.media.source import MovingSource
from render.media.stills import decode_png, encode_still, read_still
from render.plan import Plan
from render.spec.job import Job
from render.store import Store


def finish_video(job: Job, plan: Plan, source: MovingSource, store: Store) -> int:
    """Encode all frames into the job's video, with the source's sound; returns their number.

    A video that stands there, untouched since it was made from these frames with these settings,
    is left alone.
    """
    path = job.output.path
    recipe = hashlib.sha256(job.output.model_dump_json().encode())
    for frame in plan.frames:
        recipe.update(store.records[frame].sha256.encode())
    made_of = recipe.hexdigest()
    receipt = store.receipt()
    if receipt is not None and receipt["made_of"] == made_of and receipt["sha256"] == _digest(path):
        return int(receipt["frames"])

    def pixels() -> Iterator[Pixels]:
        for frame in plan.frames:
            yield decode_png(store.read(frame)).pixels

    count = write_video(path, pixels(), output=job.output, source=source, selected=source.frames)
    store.keep_receipt({"made_of": made_of, "sha256": _digest(path), "frames": count})
    return count


def finish_picture(job: Job, frame: int, source: ImageSource, store: Store) -> Path:
    """Write one finished frame under its own name, in its format, with the original's EXIF."""
    path = picture_path(job, frame, source)
    original = read_still(source.path(frame))
    painted = decode_png(store.read(frame))
    wanted = original.format if job.output.format == "same" else job.output.format
    write_atomically(
        path,
        encode_still(
            painted.pixels, painted.alpha, wanted, exif=original.exif, quality=job.output.quality
        ),
    )
    return path


def picture_path(job: Job, frame: int, source: ImageSource) -> Path:
    """Where a finished picture goes."""
    return job.output.path / output_name(source, frame, job.output)


def _digest(path: Path) -> str | None:
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
