"""The pictures that a job names beside its input: styles, masks, a start."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

import numpy as np

from render import storage
from render.assembly import Extras, Mask, Pixels
from render.errors import SourceError
from render.media.stills import Still, read_still
from render.spec.job import Job
from render.spec.url import AnyPath

_INDEX = re.compile(r"%0?(\d*)d")


@dataclass(frozen=True)
class Materials:
    """What a `Painter` is made of, beside the job.

    Attributes:
        styles: the pictures of `job.style.images`, H×W×3 each.
        extras: the others.
        weights: digest of the model's weights; `None` if they come from no file.
    """

    styles: list[Pixels]
    extras: Extras
    weights: str | None = None

    def fingerprint(self) -> str:
        """Hexadecimal text that changes when one of the pictures does."""
        digest = hashlib.sha256()
        extras = (*self.extras.alphas, *self.extras.parts, self.extras.start)
        for picture in (*self.styles, *extras):
            if picture is not None:
                digest.update(f"{picture.shape}".encode())
                digest.update(picture.tobytes())
            digest.update(b";")
        digest.update(f"{self.weights}".encode())
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
    begun = _read(start, "optimize.start").pixels if isinstance(start, AnyPath) else None
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


def masks_fingerprint(job: Job, frames: range) -> str:
    """Hexadecimal text that changes when a mask of a frame does: by sizes and dates of the files."""
    digest = hashlib.sha256()
    for region in job.style.regions:
        paths = dict.fromkeys(mask_path(region.content, index) for index in frames)
        for path in paths:
            facts = storage.facts(path)
            about = "is missing" if facts is None else f"{facts.size} {facts.stamp}"
            digest.update(f"{path.name} {about};".encode())
    return digest.hexdigest()


def mask_path(path: AnyPath, index: int) -> AnyPath:
    """The mask of a frame: `%06d` in the name stands for its index."""
    name = _INDEX.sub(lambda found: f"{index:0{found[1] or 1}d}", path.name)
    return path.with_name(name)


def _read(path: AnyPath, key: str) -> Still:
    try:
        return read_still(path)
    except SourceError as error:
        raise SourceError(f"{key}: {error}") from error


def _mask(path: AnyPath, key: str) -> Mask:
    """White where it counts; where the picture is clear, nothing does."""
    still = _read(path, key)
    grey = still.pixels.mean(2)
    if still.alpha is not None:
        grey = grey * (still.alpha / 255)
    return np.asarray(grey.round(), np.uint8)
