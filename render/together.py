"""A batch of pictures, from files to finished files: what a worker does with it, without the farm.

One bad picture fails by itself: what cannot be read or written is left out; where painting fails, each
is painted alone, so that it costs nobody else anything. All this follows from the pictures alone.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Protocol

import torch

from render.assembly import Mask, check_shape, mask_tensor
from render.errors import EngineError, OutputError, RenderError, SourceError
from render.media.images import Opened
from render.media.stills import FORMAT_OF, Still, encode_still, scale_still
from render.painted import Painted, committed
from render.painter import Painter, frame_seed
from render.rescue import Rescuer
from render.spec.job import Job
from render.style.pyramid import to_tensor


class Keeper(Protocol):
    """Keeps finished files where they are made, so that they need not be sent."""

    def keep(self, name: str, data: bytes) -> None:
        """Keep a file of this name below the output folder; raises `OutputError`."""


class Readable(Protocol):
    """Something that a picture can be had from."""

    def read(self) -> Opened:
        """The picture; raises `SourceError`."""


@dataclass(frozen=True)
class Unreadable:
    """An original that is none."""

    reason: str

    def read(self) -> Opened:
        """Raises `SourceError`, always."""
        raise SourceError(self.reason)


@dataclass(frozen=True)
class Wanted:
    """A picture to paint.

    Attributes:
        frame: its index.
        name: of the finished file, below the output folder.
        original: what it is painted from.
        masks: those of the job's regions in it.
    """

    frame: int
    name: str
    original: Readable
    masks: Sequence[Mask] = ()


@dataclass(frozen=True)
class Finished:
    """What became of a picture.

    Attributes:
        frame: its index.
        data: the finished file; empty if there is none, or it is kept already.
        sha256: digest of that.
        size: bytes of that.
        source: digest of the file that it was painted from.
        seconds: its share of the time.
        evaluations: made of it.
        loss: parts of its loss at the end, by name.
        trace: see `Painted`.
        changed: settings that were changed to get it, by key.
        reason: why there is none.
        final: it cannot be read or written, and not by another worker either.
        notes: what a person should know of it.
    """

    frame: int
    data: bytes = b""
    sha256: str = ""
    size: int = 0
    source: str = ""
    seconds: float = 0.0
    evaluations: int = 0
    loss: dict[str, float] = field(default_factory=dict)
    trace: tuple[tuple[int, float], ...] = ()
    changed: dict[str, object] = field(default_factory=dict)
    reason: str = ""
    final: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Loaded:
    """A picture to paint, what was read of it, and what a person should know of that."""

    wanted: Wanted
    opened: Opened
    notes: tuple[str, ...] = ()

    @property
    def still(self) -> Still:
        """The picture as rendered."""
        return self.opened.still


def paint_pictures(rescuer: Rescuer, batch: Sequence[Wanted]) -> list[Finished]:
    """Paint a batch; those of one size and form of it at once. One answer for each picture."""
    found: list[Finished] = []
    alike: dict[object, list[Loaded]] = {}
    for wanted in batch:
        try:
            with _warnings() as notes:
                opened = wanted.original.read()
        except SourceError as error:
            found.append(Finished(wanted.frame, reason=str(error), final=True))
        else:
            form = (opened.still.pixels.shape, opened.still.alpha is None)
            alike.setdefault(form, []).append(Loaded(wanted, opened, tuple(notes)))
    for group in alike.values():
        found += _paint(rescuer, group)
    return found


class _Listener(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.heard.append(record.getMessage())


@contextmanager
def _warnings() -> Iterator[list[str]]:
    """What is logged meanwhile: nobody reads a worker's log."""
    logger, listener = logging.getLogger("render"), _Listener()
    logger.addHandler(listener)
    try:
        yield listener.heard
    finally:
        logger.removeHandler(listener)


def _paint(rescuer: Rescuer, group: Sequence[Loaded]) -> list[Finished]:
    started = time.monotonic()

    def paint(painter: Painter) -> list[Painted]:
        return paint_together(painter, group)

    try:
        painted, changed = rescuer.paint(paint)
    except RenderError as error:
        if len(group) == 1:
            return [Finished(group[0].wanted.frame, reason=str(error))]
        return [finished for one in group for finished in _paint(rescuer, [one])]
    pairs = zip(group, painted, strict=True)
    finished = [_finish(rescuer.job, one, each, changed) for one, each in pairs]
    share = (time.monotonic() - started) / len(group)
    return [replace(one, seconds=share) for one in finished]


def _finish(job: Job, loaded: Loaded, painted: Painted, changed: dict[str, object]) -> Finished:
    """The picture's file, in the format that its name says, with the original's EXIF."""
    frame, name = loaded.wanted.frame, loaded.wanted.name
    still = replace(loaded.still, pixels=painted.pixels)
    form = FORMAT_OF[PurePosixPath(name).suffix.lower()]
    try:
        with _warnings() as notes:
            data = picture_file(job, still, loaded.opened.full, form, name)
    except OutputError as error:
        return Finished(frame, reason=str(error), final=True)
    return Finished(
        frame,
        data,
        hashlib.sha256(data).hexdigest(),
        len(data),
        loaded.opened.digest,
        evaluations=painted.evaluations,
        loss=painted.loss,
        trace=painted.trace,
        changed=changed,
        notes=(*loaded.notes, *notes),
    )


def picture_file(job: Job, still: Still, full: tuple[int, int], form: str, name: str) -> bytes:
    """A painted picture's file, at the original's width and height, `full`, if the job wants that.

    Raises:
        OutputError: the format cannot hold it; `name` is what the message calls it.
    """
    if job.output.enlarge:
        still = scale_still(still, full)
    quality = job.output.quality
    return encode_still(
        still.pixels, still.alpha, form, exif=still.exif, quality=quality, name=name
    )


def paint_together(painter: Painter, group: Sequence[Loaded]) -> list[Painted]:
    """Paint pictures of one size and form, that follow no others, as one batch.

    Raises:
        EngineError: one of them cannot be painted.
        DivergedError: the optimiser left the finite numbers in one of them.
    """
    contents = [one.still.pixels for one in group]
    if painter.stylizer is None:
        return [Painted(content, 0, {}) for content in contents]
    height, width = contents[0].shape[:2]
    job, device = painter.job, painter.device
    regions = len(job.style.regions)
    for one in group:
        if len(one.wanted.masks) != regions:
            raise EngineError(f"style.regions: {len(one.wanted.masks)} masks for {regions} regions")
    if painter.start is not None:
        given = painter.start.shape
        check_shape(given[1], given[0], width, height, "optimize.start")
    areas = [
        torch.cat(
            [
                mask_tensor(
                    one.wanted.masks[n], width, height, f"style.regions.{n}.content", device
                )
                for one in group
            ]
        )
        for n in range(regions)
    ]
    alphas = [one.still.alpha for one in group if one.still.alpha is not None]
    found = painter.stylizer.stylize(
        torch.cat([to_tensor(content, device) for content in contents]),
        areas=areas,
        opaque=torch.cat(
            [mask_tensor(alpha, width, height, "the frame's alpha", device) for alpha in alphas]
        )
        if alphas
        else None,
        seeds=[frame_seed(job.seed, one.wanted.frame) for one in group],
    )
    return committed(found)
