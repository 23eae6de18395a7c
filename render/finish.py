"""The last step: committed frames become the video; finished pictures are held to what was written."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from render import storage
from render.errors import SourceError
from render.media.encode import write_video
from render.media.folder import frame_name
from render.media.source import MovingSource
from render.media.stills import decode_png
from render.pixels import Pixels
from render.plan import Plan
from render.spec.job import Job
from render.spec.url import AnyPath, Url
from render.store import Store


def finish_video(job: Job, plan: Plan, source: MovingSource, store: Store) -> int:
    """Encode all frames into the job's video, with the source's sound; returns their number.

    A video that stands there, untouched since it was made from these frames with these settings,
    is left alone. Into object storage goes the finished file, when it was read back, in one piece.
    """
    path = job.output.path
    recipe = hashlib.sha256(repr(job.output.model_dump()).encode())  # paths may be no text
    for frame in plan.frames:
        recipe.update(store.records[frame].sha256.encode())
    made_of = recipe.hexdigest()
    receipt = store.notes.receipt()
    if (
        receipt is not None
        and receipt["made_of"] == made_of
        and receipt["sha256"] == _digest(job, plan.frames)
    ):
        return int(receipt["frames"])

    def pixels() -> Iterator[Pixels]:
        for frame in plan.frames:
            yield decode_png(store.read(frame)).pixels

    with TemporaryDirectory(prefix="render-") as folder:
        one_file = job.output.codec != "frames"
        here = Path(folder, path.name) if isinstance(path, Url) and one_file else path
        count = write_video(
            here, pixels(), output=job.output, source=source, selected=source.frames
        )
        if isinstance(path, Url) and isinstance(here, Path):
            storage.send(here, path)
    store.notes.keep_receipt(
        {"made_of": made_of, "sha256": _digest(job, plan.frames), "frames": count}
    )
    return count


def lost_pictures(job: Job, store: Store, *, thorough: bool) -> Iterator[int]:
    """Finished pictures whose files are missing or not what was written.

    All of them are read; in object storage only if it is to be `thorough`, else listed: what is there
    is whole, and of the size that was written.
    """
    folder = job.output.path
    if isinstance(folder, Url) and not thorough:
        there = {entry.name: entry.size for entry in storage.listed(folder)}
        for frame in store.records:
            record = store.records[frame]
            if there.get(record.file) != record.info.get("bytes"):
                yield frame
        return
    for frame in store.records:
        record = store.records[frame]
        try:
            data = storage.read(job.output.path / record.file)
        except SourceError:
            data = b""
        if hashlib.sha256(data).hexdigest() != record.sha256:
            yield frame


def _digest(job: Job, frames: Iterable[int]) -> str | None:
    """Hash of a finished video, or of all its numbered pictures; `None` if there are any missing."""
    path = job.output.path
    if job.output.codec != "frames":
        return _file_digest(path)
    names = [frame_name(frame, job.output) for frame in frames]
    if isinstance(path, Url):
        there = {entry.name: entry.stamp for entry in storage.listed(path, deep=False)}
        found = [there.get(name) for name in names]
    else:
        found = [_file_digest(path / name) for name in names]
    return None if None in found else hashlib.sha256(repr(found).encode()).hexdigest()


def _file_digest(path: AnyPath) -> str | None:
    """Hash of a file; of one in object storage the stamp that it has there, to not read it all back."""
    if isinstance(path, Url):
        there = storage.facts(path)
        return None if there is None else there.stamp
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
