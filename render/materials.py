"""The pictures that a job names beside its input: styles, masks, a start."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

import numpy as np

from render import storage
from render.assembly import Extras, Mask
from render.errors import SourceError
from render.media.stills import Still, read_still
from render.pixels import Pixels
from render.spec.job import Job
from render.spec.named import named_paths
from render.spec.url import AnyPath

_INDEX = re.compile(r"%0?(\d*)d")
_DIGITS = 16
"""Of what is kept of each mask: there may be one for every frame."""


@dataclass(frozen=True)
class Materials:
    """What a `Painter` is made of, beside the job.

    Attributes:
        styles: the pictures of `job.style.images`, H×W×3 each.
        extras: the others.
        weights: digests of the files of weights, by the key that names one.
    """

    styles: list[Pixels]
    extras: Extras
    weights: Mapping[str, str] = field(default_factory=dict)

    def fingerprints(self) -> dict[str, str]:
        """For each key of the job that names one, hexadecimal text that changes when it does."""
        extras = self.extras
        pictures: dict[str, Sequence[Pixels | Mask | None]] = {
            f"style.images.{number}.path": found
            for number, found in enumerate(zip_longest(self.styles, extras.alphas))
        }
        pictures |= {
            f"style.regions.{number}.style": (part,) for number, part in enumerate(extras.parts)
        }
        pictures["optimize.start"] = (extras.start,)
        found = {key: _fingerprint(*arrays) for key, arrays in pictures.items()}
        return {**found, **self.weights}


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


def mask_fingerprints(job: Job, frames: range) -> dict[str, str]:
    """For each region, hexadecimal text that changes when the mask of a frame does, by its bytes.

    It has a piece for each of the frames, see `mask_piece`; a mask that is missing has one too.

    Raises:
        SourceError: a mask is there, but cannot be read.
    """
    found = {}
    for number, region in enumerate(job.style.regions):
        masks = dict.fromkeys(mask_path(region.content, index) for index in frames)
        found[f"style.regions.{number}.content"] = "".join(map(_piece, masks))
    return found


def mask_piece(fingerprint: str, place: int) -> str:
    """What a region's fingerprint says of the mask of one frame.

    Args:
        fingerprint: one that `mask_fingerprints` gave.
        place: of the frame among those that it was made for.
    """
    if len(fingerprint) <= _DIGITS:  # one mask for all frames
        return fingerprint
    return fingerprint[place * _DIGITS : (place + 1) * _DIGITS]


def _piece(mask: AnyPath) -> str:
    if storage.facts(mask) is None:
        return "0" * _DIGITS
    return hashlib.sha256(storage.read(mask)).hexdigest()[:_DIGITS]


def mask_path(path: AnyPath, index: int) -> AnyPath:
    """The mask of a frame: `%06d` in the name stands for its index."""
    name = _INDEX.sub(lambda found: f"{index:0{found[1] or 1}d}", path.name)
    return path.with_name(name)


def named_files(job: Job, frames: range) -> Iterator[tuple[str, AnyPath]]:
    """Files that a job names beside its input, the masks of all its frames among them, by key."""
    for key, path in named_paths(job):
        if key.startswith("style.regions.") and _INDEX.search(path.name):
            yield from ((key, mask_path(path, index)) for index in frames)
        elif key != "input.path":
            yield key, path


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


def _fingerprint(*pictures: Pixels | Mask | None) -> str:
    digest = hashlib.sha256()
    for picture in pictures:
        if picture is not None:
            digest.update(f"{picture.shape}".encode())
            digest.update(picture.tobytes())
        digest.update(b";")
    return digest.hexdigest()
