"""Frames out of ffmpeg, each with its own timestamp."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from render.errors import SourceError
from render.media.ffmpeg import Process, guarded_input, running
from render.pixels import Pixels

_MICRO = 1_000_000
_TINY = (2, 2)
Stamped = Generator[tuple[int, Pixels], None, None]
"""Timestamps and pixels."""
Complain = Callable[[int | None, str], None]
"""Told the timestamp of the frame that comes next (`None` at the end) and ffmpeg's words."""


@dataclass(frozen=True)
class Track:
    """One video stream of a file.

    Attributes:
        path: the file.
        stream: index of the stream in the file.
        time_base: seconds of one tick of its timestamps.
    """

    path: Path
    stream: int
    time_base: Fraction


@dataclass(frozen=True)
class Filters:
    """What happens to decoded frames.

    Attributes:
        one_by_one: filters of single frames as they are stored; they end in `rgb24` of the size that is
            wanted.
        among_neighbours: filters before them that look at the frames around each, and so must see
            those that are not wanted too; else pixels would depend on where reading starts.
    """

    one_by_one: str
    among_neighbours: str = ""


def decode(
    track: Track,
    keys: npt.NDArray[np.int64],
    first: int,
    filters: Filters,
    size: tuple[int, int],
    complain: Complain,
) -> Stamped:
    """Timestamp (ticks) and pixels of the frames from the one at `first` on.

    ffmpeg hands raw frames over in NUT, a container that keeps exact timestamps, so that each frame
    is known by its time and not by counting. It starts one key frame earlier than the last
    before `first`: behind an open group of pictures the frames nearest to a key frame still need
    the group before. Where the seek lands too late, or the decoder complains after it, the file is
    read from its start.

    Args:
        track: the stream.
        keys: timestamps at which decoding may start, ascending; may be empty.
        first: timestamp of the first frame that is wanted.
        filters: from decoded frames to pixels.
        size: width and height.
        complain: told what the decoder says about damage.

    Raises:
        SourceError: ffmpeg cannot decode the file at all.
    """
    before = keys[keys <= first]
    if len(before) > 2:
        try:
            yield from _run(track, int(before[-2]), first, filters, size, complain)
        except _SeekError:
            pass
        else:
            return
    yield from _run(track, None, first, filters, size, complain)


def scan(track: Track, limit: int | None = None) -> npt.NDArray[np.int64]:
    """Timestamps that the decoder gives to the first `limit` frames, or to all; ascending."""
    filters = Filters(f"scale={_TINY[0]}:{_TINY[1]},format=rgb24")
    with closing(_run(track, None, None, filters, _TINY, lambda _, __: None)) as frames:
        found = [tick for tick, _ in islice(frames, limit)]
    return np.unique(np.array(found, dtype=np.int64))


class _SeekError(Exception):
    """The first frame after a seek is not the one that was wanted, or may be damaged by it."""


def _run(
    track: Track,
    start: int | None,
    first: int | None,
    filters: Filters,
    size: tuple[int, int],
    complain: Complain,
) -> Stamped:
    """One run of ffmpeg, from the key frame at `start` or the file's start."""
    seek: list[str] = []
    if start is not None:
        micros = -(-start * track.time_base * _MICRO // 1)  # rounded up: not before the key frame
        seek = ["-noaccurate_seek", "-seek_timestamp", "1", "-ss", f"{micros}us"]
    steps = [filters.one_by_one]
    if first is not None:
        steps.insert(0, f"settb={track.time_base},select=gte(pts\\,{first})")
    if filters.among_neighbours:
        steps.insert(0, filters.among_neighbours)
    arguments = [
        *("-copyts", *guarded_input(track.path, "-noautorotate", *seek)),
        *("-map", f"0:{track.stream}", "-vf", ",".join(steps)),
        *("-fps_mode", "passthrough", "-enc_time_base", "demux"),
        *("-c:v", "rawvideo", "-f", "nut", "pipe:1"),
    ]
    with running(arguments, read=True) as process:
        frames = _frames(process, track, size)
        head = next(frames, None)
        if start is not None and (head is None or head[0] != first or process.complaints()):
            raise _SeekError
        heard = 0
        while head is not None:
            if process.said() > heard and (
                words := process.complaints()
            ):  # a line may be half there
                heard = process.said()
                complain(head[0], words[0])
            yield head
            head = next(frames, None)
        if process.said() > heard and (words := process.complaints()):
            complain(None, words[-1])


def _frames(process: Process, track: Track, size: tuple[int, int]) -> Stamped:
    """What comes out of the pipe."""
    width, height = size
    # The header says all; probing would hold back frames.
    quick = {"probesize": "32", "analyzeduration": "0"}
    try:
        pipe = av.open(f"pipe:{process.output_number}", format="nut", options=quick)
    except (av.error.FFmpegError, EOFError):
        if process.wait() == 0:
            return  # no frame from `first` on
        raise SourceError(f"{track.path}: ffmpeg cannot decode it: {process.reason()}") from None
    with pipe:
        for packet in pipe.demux(video=0):
            if packet.size != width * height * 3 or packet.pts is None:
                continue  # the end, or a frame that was cut off with its process
            tick = round(packet.pts * packet.time_base / track.time_base)
            yield tick, np.frombuffer(memoryview(packet), dtype=np.uint8).reshape(height, width, 3)
