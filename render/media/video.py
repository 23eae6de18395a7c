"""A video file as a source of frames."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from render.errors import SourceError
from render.media.colour import to_srgb
from render.media.copies import local_copy
from render.media.damage import damaged
from render.media.decode import Filters, decode
from render.media.frames import Fingerprint, Frame, FrameError, rendered_size, unbroken
from render.media.probe import Probe, probe
from render.media.turn import swaps
from render.pixels import Pixels
from render.spec.media import Output, VideoInput
from render.spec.ranges import select_frames
from render.spec.url import AnyPath

log = logging.getLogger(__name__)

_KEYS = 2
"""Key frames before a complaint that are enough to find what it is about."""


@dataclass(frozen=True)
class VideoSource:
    """The chosen frames of one video stream.

    Attributes:
        given: the file that the job names.
        probe: facts about it, or its copy on this machine's disk.
        frames: the selected indices.
        rendered: width and height of the frames that `read` yields.
        deinterlace: whether each pair of fields becomes one whole picture.
        notes: what a person should know about this input, one sentence each.
    """

    given: AnyPath
    probe: Probe
    frames: range
    rendered: tuple[int, int]
    deinterlace: bool = False
    notes: tuple[str, ...] = ()

    @property
    def path(self) -> Path:
        """The file."""
        return self.probe.track.path

    @property
    def rate(self) -> Fraction:
        """Frames per second of the file; the mean where the rate varies."""
        return self.probe.rate

    def size(self, frame: int) -> tuple[int, int]:
        """Width and height of every frame as rendered."""
        return self.rendered

    @property
    def count(self) -> int:
        """Number of frames in the file, selected or not."""
        return len(self.probe.pts)

    def name(self, frame: int) -> str:
        """Such as `clip.mp4 frame 12`."""
        return f"{self.path.name} frame {frame}"

    def time(self, frame: int) -> Fraction:
        """Seconds from the first frame of the file to this one."""
        if self.probe.constant:
            return frame / self.probe.rate
        return int(self.probe.pts[frame] - self.probe.pts[0]) * self.probe.track.time_base

    def fingerprint(self) -> Fingerprint:
        """Of the file's bytes: a copy elsewhere or a touched date changes nothing."""
        with self.path.open("rb") as file:
            return Fingerprint(hashlib.file_digest(file, "sha256").hexdigest())

    def digest(self, frame: int) -> None:
        """A frame has no file of its own."""

    def read(self, frames: range) -> Iterator[Frame]:
        """The frames in order, decoded from a key frame before the first of them.

        Closing the iterator ends the decoder. Any number of readers may be open at once.

        Raises:
            FrameError: the decoder leaves a frame out; a new call may go on behind it.
        """
        with closing(self._decode(frames, self.rendered, "lanczos")) as decoded:
            for index, pixels in decoded:
                yield Frame(index, pixels)

    def thumbnails(self, height: int = 90) -> Iterator[Pixels]:
        """One for each selected frame, of `height` pixels or less, in one pass; see `unbroken`."""
        size = rendered_size(self.probe.width, self.probe.height, None, height)

        def read(frames: range) -> Iterator[Pixels]:
            with closing(self._decode(frames, size, "bilinear")) as decoded:
                for _, pixels in decoded:
                    yield pixels

        return unbroken(read, self.frames)

    def _decode(
        self, frames: range, size: tuple[int, int], kernel: str
    ) -> Generator[tuple[int, Pixels], None, None]:
        turn = self.probe.turn
        stored = size[::-1] if swaps(turn) else size
        steps = [to_srgb(self.probe.colour, stored, kernel), turn, "format=rgb24"]
        filters = Filters(
            ",".join(filter(None, steps)), "bwdif=mode=send_frame" if self.deinterlace else ""
        )
        wanted = iter(frames)
        index = next(wanted, None)
        if index is None:
            return
        facts = self.probe
        first = int(facts.pts[index])
        complaints = _Complaints(self, first)
        with closing(decode(facts.track, facts.keys, first, filters, size, complaints)) as decoded:
            for tick, pixels in decoded:
                if tick < facts.pts[index]:
                    continue
                if tick > facts.pts[index]:
                    break
                yield index, pixels
                index = next(wanted, None)
                if index is None:
                    return
        raise FrameError(
            f"{self.name(index)}: the decoder gives no such picture; the file is damaged there"
            f" ({complaints.last})",
            index,
        )


class _Complaints:
    """Hears the decoder complain, and tells of each damaged frame once.

    Attributes:
        last: what it said last.
    """

    def __init__(self, source: VideoSource, first: int) -> None:
        self.last = "it does not say how"
        self._source = source
        self._first = first
        self._told: set[int] = set()

    def __call__(self, tick: int | None, words: str) -> None:
        """Hear `words` before the frame at `tick`, or at the end."""
        self.last = words
        facts = self._source.probe
        at = int(facts.pts[-1]) if tick is None else tick
        before = facts.keys[facts.keys <= at][-_KEYS:]
        keys = tuple(int(key) for key in before) if len(before) == _KEYS else ()
        start = int(facts.pts[0])
        found = [one for one in damaged(facts.track, keys, at) if one >= start]
        if (
            not found
            and tick == self._first
            and any(one < start for one in damaged(facts.track, (), start))
        ):
            return  # of what a recording that begins between key frames lacks before its first frame
        near = "" if found else ", or one soon after it,"
        for one in set(found or [at]) - self._told:
            name = self._source.name(int(np.searchsorted(facts.pts, one)))
            log.warning("%s%s is damaged: %s", name, near, words)
            self._told.add(one)


def open_video(spec: VideoInput, output: Output | None = None) -> VideoSource:
    """Open a video file for the frames that a job selects.

    Args:
        spec: the job's input; from object storage it is copied to a disk.
        output: says how large the frames are rendered; `None`: as they are.

    Raises:
        SourceError: the file is missing, no video, HDR, or has not the frames asked for.
    """
    copy = local_copy(spec.path)
    try:
        facts = probe(copy, spec.stream)
    except SourceError as error:
        raise SourceError(str(error).replace(str(copy), str(spec.path))) from error
    if facts.colour.hdr and spec.hdr == "refuse":
        raise SourceError(
            f"{spec.path}: HDR video ({facts.colour.hdr}); set input.hdr to tonemap to have its "
            "brightness mapped to SDR"
        )
    frames = _select(spec, facts)
    notes = []
    if facts.cut_off:
        notes.append(f"cut off or damaged behind frame {len(facts.pts) - 1}")
    if facts.interlaced and not spec.deinterlace:
        notes.append("interlaced; input.deinterlace makes whole pictures of its fields")
    if facts.video_streams > 1:
        notes.append(f"{facts.video_streams} video streams; input.stream chooses another")
    if not facts.constant:
        notes.append("variable frame rate; every frame keeps its own time")
    if facts.colour.hdr:
        notes.append("HDR, mapped to SDR")
    size, height = (None, None) if output is None else (output.size, output.height)
    rendered = rendered_size(facts.width, facts.height, size, height)
    return VideoSource(spec.path, facts, frames, rendered, spec.deinterlace, tuple(notes))


def _select(spec: VideoInput, facts: Probe) -> range:
    """The frames that a job names; of a file that is cut off only those that are there for sure."""
    count = len(facts.pts)
    try:
        frames = select_frames(spec.frames, count)
    except IndexError as error:
        cut = " (it is cut off or damaged: its header promises more)" if facts.cut_off else ""
        raise SourceError(f"{spec.path}: {error}{cut}") from error
    if facts.cut_off and frames != select_frames(spec.frames, count + 1):
        raise SourceError(
            f"{spec.path}: cut off or damaged: its header promises more than the {count} frames that "
            f"can be found; input.frames: 0-{count - 1} renders these"
        )
    return frames
