"""A folder of numbered frames as a source that plays like a video."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import PurePosixPath

from render.errors import SourceError
from render.media.frames import Fingerprint, Frame, FrameError, unbroken
from render.media.images import ImageSource, open_images
from render.media.stills import Still, resize_still, still_size
from render.pixels import Pixels
from render.spec.media import ImagesInput, Output, VideoInput, parse_rate
from render.spec.ranges import select_frames


@dataclass(frozen=True)
class SequenceSource:
    """Pictures of one size, shown at a rate.

    Attributes:
        pictures: the frames' files, in natural order.
        frames: the selected indices.
        rate: frames per second.
        rendered: width and height of the frames that `read` yields.
        full: width and height of the pictures themselves.
    """

    pictures: ImageSource
    frames: range
    rate: Fraction
    rendered: tuple[int, int]
    full: tuple[int, int]

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know about this input, one sentence each."""
        gaps = [
            f"{before} is followed by {after}"
            for before, after in pairwise(picture.name for picture in self.pictures.pictures)
            if _number(after) - _number(before) > 1
        ]
        if not gaps:
            return ()
        more = f", and {len(gaps) - 1} more such gaps" if len(gaps) > 1 else ""
        return (f"numbers are missing: {gaps[0]}{more}; the frames are shown without a pause",)

    def size(self, frame: int) -> tuple[int, int]:
        """Width and height of every frame as rendered."""
        return self.rendered

    @property
    def count(self) -> int:
        """Number of frames in the folder, selected or not."""
        return len(self.pictures.pictures)

    def name(self, frame: int) -> str:
        """The file's name."""
        return self.pictures.name(frame)

    def read(self, frames: range) -> Iterator[Frame]:
        """The frames in order, without alpha: a video has none."""
        for index in frames:
            yield Frame(index, self._still(index).pixels, digest=self.digest(index))

    def thumbnails(self, height: int = 90) -> Iterator[Pixels]:
        """One for each selected frame, of `height` pixels or less; see `unbroken`."""

        def read(frames: range) -> Iterator[Pixels]:
            return (resize_still(self._still(index), None, height).pixels for index in frames)

        return unbroken(read, self.frames)

    def _still(self, index: int) -> Still:
        still = self.pictures.still(index)
        size = (still.pixels.shape[1], still.pixels.shape[0])
        if size != self.rendered:
            raise FrameError(
                f"{self.name(index)}: its size is {size[0]}×{size[1]}, that of the first "
                f"frame {self.rendered[0]}×{self.rendered[1]}; all must be alike",
                index,
            )
        return still

    def fingerprint(self) -> Fingerprint:
        """As that of pictures which are no sequence."""
        return self.pictures.fingerprint()

    def digest(self, frame: int) -> str | None:
        """Hash of a frame's file; errors as `ImageSource.digest`."""
        return self.pictures.digest(frame)


def _number(name: str) -> int:
    """The last number in a file's name; 0 if there is none."""
    found = re.findall(r"[0-9]+", PurePosixPath(name).stem)
    return int(found[-1]) if found else 0


def open_sequence(spec: VideoInput, output: Output | None = None) -> SequenceSource:
    """Open a folder of numbered frames.

    Raises:
        SourceError: no frames there, an unreadable first frame, or frames that do not exist.
    """
    folder = ImagesInput(kind="images", path=spec.path)
    pictures = open_images(folder, output)
    try:
        frames = select_frames(spec.frames, len(pictures.pictures))
    except IndexError as error:
        raise SourceError(f"{spec.path}: {error}") from error
    return SequenceSource(
        pictures,
        frames,
        parse_rate(spec.rate),
        pictures.size(frames[0]),
        still_size(pictures.path(frames[0])),
    )
