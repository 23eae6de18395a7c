"""What is in a video file: streams, timestamps of every frame, shape and colour."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np
import numpy.typing as npt

from render.errors import SourceError
from render.media.colour import Colour, read_colour
from render.media.decode import Track
from render.media.ffmpeg import GUARD, check_media_file
from render.media.timestamps import frame_rate, last_frame, timestamps
from render.media.turn import swaps, upright

if TYPE_CHECKING:
    from collections.abc import Iterable

    from av.container import InputContainer
    from av.stream import Stream
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

_X264 = re.compile(rb"x264 - core ([0-9]+)")
_MENDED = 151
"""The version from which x264 writes 4:4:4 as it should; see `_seekable`."""


@dataclass(frozen=True)
class Probe:
    """Facts about the chosen video stream of a file.

    Attributes:
        track: the video stream.
        width, height: of the picture as people see it: upright and with square pixels.
        turn: ffmpeg's filters that turn a stored picture so.
        rate: frames per second, exact; the mean where `constant` is false.
        constant: whether frame i stands at `i / rate` behind the first, to one tick.
        pts: timestamp of each frame in ticks, ascending.
        last: seconds that the last frame is shown; `1 / rate` where the file says nothing clearly else.
        keys: timestamps at which decoding may start, ascending; empty if only the file's start is.
        cut_off: whether the file's header promises more frames, behind these.
        start: seconds at which the file as a whole starts, on the clock of `pts`.
        colour: how the stored numbers become sRGB.
        interlaced: whether the frames hold two fields each.
        demuxer: ffmpeg's name of the container.
        codec: ffmpeg's name of the video codec.
        audio, subtitles: ffmpeg's name of the codec of each stream of that kind.
        video_streams: how many video streams there are to choose from.
    """

    track: Track
    width: int
    height: int
    turn: str
    rate: Fraction
    constant: bool
    pts: npt.NDArray[np.int64]
    last: Fraction
    keys: npt.NDArray[np.int64]
    cut_off: bool
    start: Fraction
    colour: Colour
    interlaced: bool
    demuxer: str
    codec: str
    audio: tuple[str, ...]
    subtitles: tuple[str, ...]
    video_streams: int


def probe(path: Path, chosen: int | None = None) -> Probe:
    """Read the facts of a video; every packet is looked at, few are decoded.

    Args:
        path: a media file.
        chosen: which of the video streams, from 0; `None` takes the one marked as default.

    Raises:
        SourceError: not a video that can be read.
    """
    check_media_file(path)
    try:
        with av.open(str(path.absolute()), options=dict(GUARD)) as container:
            stream, count = _choose(container, path, chosen)
            first = _first_frame(container, stream, path)
            track = Track(path, stream.index, _tick(stream))
            times = timestamps(track, stream)
            pts, keys = times.frames, times.keys
            if not _seekable(track, stream, first):
                keys = keys[:0]
            guesses = [rate for rate in (stream.guessed_rate, stream.average_rate) if rate]
            rate, constant = frame_rate(pts, track.time_base, guesses)
            turn = upright(first)
            width, height = _size(stream, first, turn)
            return Probe(
                track=track,
                width=width,
                height=height,
                turn=turn,
                rate=rate,
                constant=constant,
                pts=pts,
                last=last_frame(times.last, track.time_base, rate, constant),
                keys=keys,
                cut_off=times.cut_off,
                start=Fraction(container.start_time or 0, av.time_base),
                colour=read_colour(first),
                interlaced=bool(first.interlaced_frame),
                demuxer=container.format.name,
                codec=stream.codec_context.name,
                audio=_codecs(container.streams.audio),
                subtitles=_codecs(container.streams.subtitles),
                video_streams=count,
            )
    except (av.error.FFmpegError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SourceError(f"{path}: not a video that can be read: {reason}") from error


def _tick(stream: VideoStream) -> Fraction:
    """Seconds of one tick of the stream's timestamps."""
    assert stream.time_base is not None, "demuxers set it"
    return stream.time_base


def _codecs(streams: Iterable[Stream]) -> tuple[str, ...]:
    return tuple(
        stream.codec_context.codec.canonical_name if stream.codec_context else "an unknown codec"
        for stream in streams
    )


def _choose(container: InputContainer, path: Path, chosen: int | None) -> tuple[VideoStream, int]:
    """The video stream to read, and how many there are; cover pictures do not count."""
    cover = av.stream.Disposition.attached_pic
    streams = [s for s in container.streams.video if not s.disposition & cover]
    if not streams:
        found = {"a cover picture" if s.type == "video" else s.type for s in container.streams}
        kinds = ", ".join(sorted(found)) or "nothing"
        raise SourceError(f"{path}: no video in it (there is: {kinds})")
    if chosen is None:
        default = av.stream.Disposition.default
        return next((s for s in streams if s.disposition & default), streams[0]), len(streams)
    if chosen >= len(streams):
        raise SourceError(
            f"{path}: video stream {chosen} asked for, but the video streams are "
            f"0-{len(streams) - 1}"
        )
    return streams[chosen], len(streams)


def _first_frame(container: InputContainer, stream: VideoStream, path: Path) -> VideoFrame:
    if stream.codec_context is None:
        raise SourceError(f"{path}: the video's codec is not known to ffmpeg")
    for frame in container.decode(stream):
        return frame
    raise SourceError(f"{path}: no frame of the video can be decoded; the file may be cut off")


def _seekable(track: Track, stream: VideoStream, frame: VideoFrame) -> bool:
    """Whether the decoder can start in the middle.

    Old x264 wrote 4:4:4 with a fault that decoders undo only if they saw the encoder's version,
    which stands in the very first packet.
    """
    if stream.codec_context.name != "h264" or not frame.format.name.startswith("yuv444"):
        return True
    with av.open(str(track.path.absolute()), options=dict(GUARD)) as container:
        first = next(container.demux(container.streams[track.stream]))
        said = _X264.search(bytes(first))
    return said is None or int(said[1]) >= _MENDED


def _size(stream: VideoStream, frame: VideoFrame, turn: str) -> tuple[int, int]:
    """Width and height with square pixels, upright."""
    width, height = Fraction(frame.width), Fraction(frame.height)
    aspect = stream.sample_aspect_ratio
    if aspect:
        width *= aspect
    if swaps(turn):
        width, height = height, width
    return max(1, round(width)), max(1, round(height))
