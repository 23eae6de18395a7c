"""The pictures that a job names beside its input: styles, masks, a start."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from render.assembly import Extras
from render.errors import SourceError
from render.media.stills import Still, read_still
from render.pixels import Mask, Pixels
from render.spec.job import Job

_INDEX = re.compile(r"%0?(\d*)d")


@dataclass(frozen=True)
class Materials:
    """What a `Painter` is made of, beside the job.

    Attributes:
        styles: the pictures of `job.style.images`, H×W×3 each.
        extras: the others.
    """

    styles: list[Pixels]
    extras: Extras

    def fingerprint(self) -> str:
        """Hexadecimal text that changes when one of the pictures does."""
        digest = hashlib.sha256()
        extras = (*self.extras.alphas, *self.extras.parts, self.extras.start)
        for picture in (*self.styles, *extras):
            if picture is not None:
                digest.update(f"{picture.shape}".encode())
                digest.update(picture.tobytes())
            digest.update(b";")
        return digest.hexdigest()


def read_materials(job: Job) -> Materials:
    """Read all pictures that a job names, but the masks of its frames.

    Raises:
        SourceError: one cannot be read; the message begins with its key.
    """
    pictures = [
        _read(image.path, f"style.images.{number}.path")
        for number, image in enumerate(job.style.images)
    ]
    parts = [
        None if region.style is None else _mask(region.style, f"style.regions.{number}.style")
        for number, region in enumerate(job.style.regions)
    ]
    start = job.optimize.start
    begun = _read(start, "optimize.start").pixels if isinstance(start, Path) else None
    alphas = [picture.alpha for picture in pictures]
    return Materials([picture.pixels for picture in pictures], Extras(alphas, parts, begun))


def read_masks(job: Job, index: int) -> list[Mask]:
    """The masks of a frame, one for each of `job.style.regions`, as they are on disk.

    Raises:
        SourceError: one cannot be read; the message begins with its key.
    """
    return [
        _mask(mask_path(region.content, index), f"style.regions.{number}.content")
        for number, region in enumerate(job.style.regions)
    ]


def mask_path(path: Path, index: int) -> Path:
    """The mask of a frame: `%06d` in the name stands for its index."""
    name = _INDEX.sub(lambda found: f"{index:0{found[1] or 1}d}", path.name)
    return path.with_name(name)


def _read(path: Path, key: str) -> Still:
    try:
        return read_still(path)
    except SourceError as error:
        raise SourceError(f"{key}: {error}") from error


def _mask(path: Path, key: str) -> Mask:
    """White where it counts; where the picture is clear, nothing does."""
    still = _read(path, key)
    grey = still.pixels.mean(2)
    if still.alpha is not None:
        grey = grey * (still.alpha / 255)
    return np.asarray(grey.round(), np.uint8)
