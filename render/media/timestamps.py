"""When the frames of a video stand, exactly, and whether they stand at a constant rate."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

import av
import numpy as np
import numpy.typing as npt

from render.errors import SourceError
from render.media.decode import Track, scan
from render.media.ffmpeg import GUARD

if TYPE_CHECKING:
    from av.video.stream import VideoStream

log = logging.getLogger(__name__)

Ticks = npt.NDArray[np.int64]
"""Timestamps in units of a stream's time base, ascending."""
_CHECKED = 12
_SHORTENED = Fraction(5, 10_000_000)
_HOUR, _MINUTE = 3600, 60


def timestamps(track: Track, stream: VideoStream) -> tuple[Ticks, Ticks]:
    """Timestamps of all frames that decode, and of the key frames.

    They are read from the packets, which is quick, and compared with what the decoder says of the
    first frames. Where the two disagree (AVI has no timestamps of its own), the whole file is decoded
    for them, and there are no key frames: reading then starts at the file's start. A frame that
    should come but does not is no disagreement: it is missed when it is read.

    Args:
        track: the stream to read.
        stream: the same stream, opened; says how many frames its header promises.

    Raises:
        SourceError: nothing decodes, or the file ends before its header says.
    """
    said: list[int | None] = []
    keys: list[int] = []
    packets = end = 0
    with av.open(str(track.path.absolute()), options=dict(GUARD)) as container:
        for packet in container.demux(container.streams[track.stream]):
            packets += packet.size > 0
            if packet.size == 0 or packet.is_discard:
                continue
            said.append(packet.pts)
            end = max(end, (packet.pts or 0) + (packet.duration or 0))
            if packet.is_keyframe and packet.pts is not None:
                keys.append(packet.pts)
    head = scan(track, _CHECKED)
    if not len(head):
        raise SourceError(f"{track.path}: no frame of the video can be decoded")
    known = np.array([tick for tick in said if tick is not None], dtype=np.int64)
    times = np.unique(known)
    _check_whole(track, stream, packets, end, len(times))
    doubtful = len(times) < len(said)
    # A recording may begin with pictures that stand before its first key frame and lack their
    # references: they never come out.
    times = times[times >= min([int(head[0]), *keys[:1]])]
    # Packets in the order of decoding whose times only ever grow, though the codec reorders: made up.
    reorders = stream.codec_context.has_b_frames and bool((np.diff(known) > 0).all())
    if reorders and not np.array_equal(times[: len(head)], head):
        doubtful = True
    if doubtful or not np.isin(head, times).all():
        found = scan(track)
        if len(found) < len(said):
            log.warning("%s: %d of %d frames decode", track.path.name, len(found), len(said))
        return found, times[:0]
    return times, np.unique(np.array(keys, dtype=np.int64))


def frame_rate(pts: Ticks, tick: Fraction, guesses: Sequence[Fraction]) -> tuple[Fraction, bool]:
    """Frames per second, and whether every frame keeps to it within one tick.

    Args:
        pts: timestamps of the frames.
        tick: seconds of one of their units.
        guesses: rates that the container names; one of them is the true one where a coarse clock,
            such as Matroska's milliseconds, has rounded the timestamps.
    """
    span = int(pts[-1] - pts[0])
    if span == 0:
        return (guesses[0] if guesses else Fraction(25)), True
    mean = Fraction(len(pts) - 1) / (span * tick)
    whole = [mean] if (1 / (mean * tick)).denominator == 1 else []
    for rate in (*map(_ntsc, guesses), *guesses, *whole):
        step = 1 / (rate * tick)
        # Exact in integers: an hour of frames times a numerator stays far below 2⁶³.
        off = (pts - pts[0]) * step.denominator - np.arange(len(pts)) * step.numerator
        if np.abs(off).max() <= step.denominator:
            return rate, True
    return mean, False


def _ntsc(rate: Fraction) -> Fraction:
    """The n·1000/1001 that a rate was before a container shortened its fraction."""
    exact = Fraction(round(rate * 1001 / 1000) * 1000, 1001)
    return exact if abs(exact / rate - 1) < _SHORTENED else rate


def _check_whole(track: Track, stream: VideoStream, packets: int, end: int, count: int) -> None:
    """Refuse a file whose header promises more than there is."""
    lost = packets < stream.frames
    promised = _duration(stream.metadata.get("DURATION", ""))
    if promised is not None and count:
        # Matroska says when each stream ends; some writers count one frame more or less.
        lost |= end * track.time_base * (count + 2) / count < promised
    if lost:
        raise SourceError(
            f"{track.path}: cut off or damaged: its header promises more than the {packets} frames "
            "that can be found. Repair the file (`ffmpeg -i FILE -c copy NEW` makes do with these)"
        )


def _duration(text: str) -> float | None:
    """Seconds of a tag such as `00:00:02.083000000`."""
    try:
        hours, minutes, seconds = text.split(":")
        return int(hours) * _HOUR + int(minutes) * _MINUTE + float(seconds)
    except ValueError:
        return None
