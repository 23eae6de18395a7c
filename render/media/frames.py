"""What every input has in common: frames with indices, sizes and names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import repeat
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from render.errors import SourceError
from render.pixels import Pixels

_T = TypeVar("_T")


@dataclass(frozen=True)
class Frame:
    """One picture of a source, at the size at which it is rendered.

    Attributes:
        index: 0-based index in the source.
        pixels: H×W×3, sRGB, 0 to 255.
        alpha: H×W, 0 (clear) to 255 (solid); `None` if the picture is solid.
        digest: of the file that it was read from, if that holds it alone; see `Source.digest`.
    """

    index: int
    pixels: Pixels
    alpha: npt.NDArray[np.uint8] | None = None
    digest: str | None = None


@dataclass(frozen=True)
class Fingerprint:
    """What tells an input from another, without reading a million files.

    Attributes:
        content: hexadecimal text that changes with the bytes of one file, or with the names and sizes
            of many.
        dates: of many files, hexadecimal text that changes when one may have changed all the same;
            `None`: `content` knows it all.
    """

    content: str
    dates: str | None = None


class Source(Protocol):
    """An opened input: an ordered set of frames, of which the job selects some."""

    @property
    def frames(self) -> range:
        """The selected indices, 0-based in the source."""

    @property
    def rate(self) -> Fraction | None:
        """Frames per second of the source; `None` for pictures that are no sequence in time."""

    def size(self, frame: int) -> tuple[int, int]:
        """Width and height of a frame as `read` yields it: upright, square pixels, scaled."""

    def name(self, frame: int) -> str:
        """What messages call a frame, such as `clip.mp4 frame 12`."""

    def read(self, frames: range) -> Iterator[Frame]:
        """The frames in order. Closing the iterator ends whatever decodes them.

        Raises:
            FrameError: a frame cannot be had; reading may go on behind it with a new call.
        """

    def fingerprint(self) -> Fingerprint:
        """What tells this input from another one, or from itself after a change."""

    def digest(self, frame: int) -> str | None:
        """Hash of a frame's own file; `None` if it has none.

        Raises:
            FrameError: it cannot be read.
        """


class FrameError(SourceError):
    """One frame of a source cannot be had; `frame` is its index."""

    def __init__(self, message: str, frame: int) -> None:
        self.frame = frame
        super().__init__(message)

    def __reduce__(self) -> tuple[type[FrameError], tuple[str, int]]:
        return (type(self), (str(self), self.frame))


def going_on(read: Callable[[range], Iterator[_T]], frames: range) -> Iterator[_T | None]:
    """What `read` gives for each of the frames, in order; `None` for those that cannot be had."""
    while frames:
        given = 0
        try:
            for one in read(frames):
                given += 1
                yield one
            return
        except FrameError:
            yield None
        frames = frames[given + 1 :]


def unbroken(read: Callable[[range], Iterator[Pixels]], frames: range) -> Iterator[Pixels]:
    """A picture for each of the frames: for one that cannot be had that of its nearest neighbour before.

    Or behind, if it has none before. Nothing at all, if none can be had.
    """
    missing, last = 0, None
    for pixels in going_on(read, frames):
        if pixels is not None:
            yield from repeat(pixels, missing)
            missing, last = 0, pixels
        if last is None:
            missing += 1
        else:
            yield last


def rendered_size(
    width: float, height: float, long_side: int | None, tallest: int | None = None
) -> tuple[int, int]:
    """Width and height scaled to fit `long_side` and `tallest`; never enlarged, at least 1."""
    scale = 1.0
    if long_side is not None:
        scale = min(scale, long_side / max(width, height))
    if tallest is not None:
        scale = min(scale, tallest / height)
    return max(1, round(width * scale)), max(1, round(height * scale))
