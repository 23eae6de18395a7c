"""Pictures without files: drawn by the workers, and thrown away there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from render.media.images import ImageSource, Opened
from render.media.manifest import make_manifest
from render.media.stills import Still
from render.spec.url import AnyPath
from render.storage import Entry

SIDE = 16
"""Pixels of a side of those that are only scheduled."""


@dataclass(frozen=True)
class Drawn:
    """A picture that is drawn where it is wanted."""

    index: int

    def read(self) -> Opened:
        """A plain picture of a colour of its own."""
        pixels = np.empty((SIDE, SIDE, 3), np.uint8)
        pixels[:] = self.index & 255, self.index >> 8 & 255, self.index >> 16 & 255
        return Opened(Still(pixels, None, b"", "bmp"), (SIDE, SIDE), f"{self.index:x}")


class Dropped:
    """Keeps nothing."""

    def keep(self, name: str, data: bytes) -> None:
        """Throw a finished file away."""


class Synthetic(ImageSource):
    """Pictures that are in a list, but in no files."""

    def original(self, frame: int, *, read: bool) -> Drawn:  # type: ignore[override]
        """What draws the picture."""
        return Drawn(frame)


def synthetic(folder: AnyPath, images: int) -> Synthetic:
    """So many pictures in a thousandth as many folders.

    Args:
        folder: that they are said to be in.
        images: how many.
    """
    names = (f"{n // 1000:06}/picture-{n}.bmp" for n in range(images))
    entries: Iterator[Entry] = (Entry(name, 0, "") for name in names)
    about = {"path": str(folder), "pattern": "*", "folder": True}
    manifest = make_manifest(entries, lambda _: (SIDE, SIDE), about)
    return Synthetic(folder, manifest, range(images), None)
