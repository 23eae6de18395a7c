"""When the frames of a video stand, exactly, and whether they stand at a constant rate."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
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
_RESTART = 1
"""Seconds that the order of decoding never goes back by within one recording."""
_BROADCAST = ("mpegts", "mpeg")
_LONGEST_GAP = 10
"""Seconds; in what was broadcast a longer gap means another recording, as it does to ffmpeg."""
_SHORTENED = Fraction(5, 10_000_000)
_FEW = 4
_HOUR, _MINUTE = 3600, 60
_SHORTEST = Fraction(1, 1000)
"""Seconds; a last frame that is shown no longer has a tick of some clock in the place of a time."""
_CLEARLY_LONGER = Fraction(3, 2)


@dataclass(frozen=True)
class Times:
    """When the frames of a stream stand.

    Attributes:
        frames: timestamps of all frames that decode.
        keys: those at which decoding may start; empty if only the file's start is.
        cut_off: whether the file's header promises more frames, behind these.
        last: ticks that the last of them is shown; 0 if the file does not say.
    """

    frames: Ticks
    keys: Ticks
    cut_off: bool
    last: int = 0


def timestamps(track: Track, stream: VideoStream) -> Times:
    """Timestamps of all frames that decode, and of the key frames.

    They are read from the packets, which is quick, and compared with what the decoder says of the
    first frames. Where the two disagree (AVI has no timestamps of its own), the whole file is decoded
    for them, and there are no key frames: reading then starts at the file's start. A frame that
    should come but does not is no disagreement: it is missed when it is read.

    Args:
        track: the stream to read.
        stream: the same stream, opened; says how many frames its header promises.

    Raises:
        SourceError: nothing decodes, or the file is several recordings joined end to end.
    """
    said = _read_packets(track)
    head = scan(track, _CHECKED)
    if not len(head):
        raise SourceError(f"{track.path}: no frame of the video can be decoded")
    known = np.array([tick for tick in said.times if tick is not None], dtype=np.int64)
    times = np.unique(known)
    doubtful = len(times) < len(said.times)
    cut_off = said.promised_more(track, stream, len(times))
    if cut_off and said.clock is not None:
        # Behind the last time of decoding, frames may be missing between those that are there.
        times = times[times <= said.clock]
    # A recording may begin with pictures that stand before its first key frame and lack their
    # references: they never come out.
    times = times[times >= min([int(head[0]), *said.keys[:1]])]
    # Packets in the order of decoding whose times only ever grow, though the codec reorders: made up.
    reorders = stream.codec_context.has_b_frames and bool((np.diff(known) > 0).all())
    if reorders and not np.array_equal(times[: len(head)], head):
        doubtful = True
    if doubtful or not np.isin(head, times).all():
        found = scan(track)
        if len(found) < len(said.times):
            log.warning("%s: %d of %d frames decode", track.path.name, len(found), len(said.times))
        return Times(found, times[:0], cut_off)
    last = 0 if cut_off else said.last_shown(int(times[-1]), stream)
    return Times(times, np.unique(np.array(said.keys, dtype=np.int64)), cut_off, last)


@dataclass
class _Packets:
    """What the packets of a stream say, in the order of decoding.

    Attributes:
        times: timestamp of each that gives a frame; `None` where it has none.
        keys: timestamps of the key frames.
        count: packets, with those that give no frame.
        places: of AVI, which leaves places empty where a frame is shown on, how many there are.
        end: when the last frame ends.
        last: the latest timestamp, and the ticks that its packet says it lasts.
        clock: when the last whole packet is to be decoded.
    """

    times: list[int | None] = field(default_factory=list)
    keys: list[int] = field(default_factory=list)
    count: int = 0
    places: int = 0
    end: int = 0
    last: tuple[int, int] = (0, 0)
    clock: int | None = None

    def promised_more(self, track: Track, stream: VideoStream, frames: int) -> bool:
        """Whether the file's header promises more than there is."""
        lost = max(self.count, self.places) < stream.frames
        promised = _duration(stream.metadata.get("DURATION", ""))
        if promised is not None and frames:
            # Matroska says when each stream ends; some writers count one frame more or less.
            lost |= self.end * track.time_base * (frames + 2) / frames < promised
        return lost

    def last_shown(self, last: int, stream: VideoStream) -> int:
        """Ticks that the frame at `last`, the last one, is shown; 0 if the file does not say."""
        time, shown = self.last
        if time != self.times[-1] and stream.container.format.name.startswith("mov"):
            # It stores how long decoding waits, which for reordered frames is another frame's time.
            shown = (stream.start_time or 0) + (stream.duration or 0) - last
        return max(shown, 0) if time == last else 0


def _read_packets(track: Track) -> _Packets:
    said = _Packets()
    with av.open(str(track.path.absolute()), options=dict(GUARD)) as container:
        longest = _LONGEST_GAP if container.format.name in _BROADCAST else None
        for packet in container.demux(container.streams[track.stream]):
            said.count += packet.size > 0
            if packet.size == 0 or packet.is_discard:
                continue
            if packet.dts is not None:
                before = packet.dts if said.clock is None else said.clock
                step = (packet.dts - before) * track.time_base
                if step < -_RESTART or (longest is not None and step > longest):
                    raise SourceError(
                        f"{track.path}: at about frame {len(said.times)} its clock starts anew, as in "
                        "recordings joined end to end; `ffmpeg -i FILE -c copy NEW.mkv` gives them "
                        "one clock"
                    )
                if not packet.is_corrupt:
                    said.clock = packet.dts
                    said.places = packet.dts + 1 if container.format.name == "avi" else 0
            said.times.append(packet.pts)
            said.end = max(said.end, (packet.pts or 0) + (packet.duration or 0))
            if packet.pts is not None and packet.pts >= said.last[0]:
                said.last = packet.pts, packet.duration or 0
            if packet.is_keyframe and packet.pts is not None:
                said.keys.append(packet.pts)
    return said


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
        # Where a frame lasts a few whole ticks, as in AVI, nothing was rounded.
        whole_ticks = step.denominator == 1 and step < _FEW
        if np.abs(off).max() <= (0 if whole_ticks else step.denominator):
            return rate, True
    return mean, False


def last_frame(last: int, tick: Fraction, rate: Fraction, constant: bool) -> Fraction:
    """Seconds that the last frame is shown.

    At a constant rate it is `1 / rate` unless the file holds it clearly longer: many end on a frame that
    is a little off, or cut short.

    Args:
        last: what the file says, in ticks; 0 if nothing.
        tick: seconds of one.
        rate: frames per second.
        constant: whether the frames before keep to it.
    """
    said, usual = last * tick, 1 / rate
    return said if said > (_CLEARLY_LONGER * usual if constant else _SHORTEST) else usual


def _ntsc(rate: Fraction) -> Fraction:
    """The n·1000/1001 that a rate was before a container shortened its fraction."""
    exact = Fraction(round(rate * 1001 / 1000) * 1000, 1001)
    return exact if abs(exact / rate - 1) < _SHORTENED else rate


def _duration(text: str) -> float | None:
    """Seconds of a tag such as `00:00:02.083000000`."""
    try:
        hours, minutes, seconds = text.split(":")
        return int(hours) * _HOUR + int(minutes) * _MINUTE + float(seconds)
    except ValueError:
        return None
