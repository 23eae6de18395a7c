"""Pictures into one video file, with exact timestamps, sound and subtitles of the source."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from render.errors import OutputError
from render.media.codecs import LONGEST_FRAME, Codec, codec_for, encoder_options, muxer
from render.media.ffmpeg import Process, running
from render.media.streams import Carried
from render.media.timeline import Timeline
from render.media.webp import end_webp, read_back_webp
from render.pixels import Pixels
from render.spec.media import Output

_PRIMING = Fraction(1, 2)
"""Seconds; coded sound begins before it is heard, and moves the pictures by less than this."""


def write_file(
    path: Path,
    frames: Iterable[Pixels],
    output: Output,
    timeline: Timeline,
    carried: Carried,
    enlarged: tuple[int, int] | None,
) -> tuple[int, tuple[str, ...]]:
    """Write a video file; it appears under its name only when it is complete and checked.

    Args:
        path: the file; an existing one is replaced.
        frames: H×W×3 pictures, all of one size, one for each place of the timeline.
        output: codec and quality.
        timeline: when they are shown.
        carried: what comes along from the source.
        enlarged: width and height to scale the finished frames to.

    Returns:
        The number of frames written, and notes for the person.

    Raises:
        OutputError: the file cannot be written, or is not what was asked for.
    """
    codec = codec_for(output, path)
    options, notes = encoder_options(output, codec)
    container = muxer(path)
    longest = LONGEST_FRAME.get(container, timeline.last)
    timeline = replace(timeline, last=min(timeline.last, longest))
    temporary = path.with_name(f"{begun(path)}.{secrets.token_hex(4)}.partial{path.suffix}")
    filters = codec.filters
    if enlarged is not None:
        width, height = (side + side % 2 if codec.even else side for side in enlarged)
        filters = f"zscale=w={width}:h={height}:f=lanczos,{filters}"
    arguments = [
        *("-probesize", "32", "-analyzeduration", "0", "-f", "nut"),
        *("-itsoffset", f"{round(timeline.offset * 1_000_000)}us", "-i", "pipe:0"),
        *carried.inputs,
        *("-map", "0:v", *carried.arguments, "-vf", filters, *options),
        *("-fps_mode", "passthrough", "-enc_time_base", "demux"),
        # Reordered frames would leave the length of such a file to its last packet's whim.
        *(("-bf", "0", *_hold(timeline, container)) if timeline.held else ()),
        *(("-movflags", "+faststart") if container in ("mp4", "mov") else ()),
        *("-f", container, f"file:{temporary.absolute()}"),
    ]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for left in path.parent.glob(f"{begun(path)}.*.partial{path.suffix}"):
            left.unlink()  # of a run that was killed
        with running(arguments, feed=True) as process:
            count = _feed(process, frames, codec, timeline, path)
        if container == "webp":
            if timeline.held:
                end_webp(temporary, timeline)
            read_back_webp(temporary, path, timeline)
        else:
            _read_back(temporary, path, timeline, carried)
        _sync(temporary)
        temporary.replace(path)
        _sync(path.parent)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error}") from error
    finally:
        with suppress(OSError):
            temporary.unlink()
    return count, notes


def begun(path: Path) -> str:
    """How names begin of what was not written to its end; short, where the file's own is long."""
    return f".{hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]}"


def _hold(timeline: Timeline, container: str) -> list[str]:
    """Options that say how long the last frame is shown, which the pipe to ffmpeg cannot."""
    if container == "webp":
        return []  # its frames come as one packet, see `end_webp`
    if container == "gif":
        # Players take a delay of none for a tenth of a second.
        return ["-final_delay", str(max(1, round(timeline.last * 100)))]
    last, seconds = len(timeline.ticks) - 1, timeline.last
    shown = f"{seconds.numerator}/{seconds.denominator}/TB"
    # ffmpeg gives the others one and the same guess, which may reach beyond the last.
    return ["-bsf:v", f"setts=duration='if(eq(N,{last}),{shown},NEXT_PTS-PTS)'"]


def _feed(
    process: Process, frames: Iterable[Pixels], codec: Codec, timeline: Timeline, path: Path
) -> int:
    """Send the frames with their times to ffmpeg; how many there were."""
    count = 0
    size: tuple[int, ...] = ()
    try:
        with av.open(f"pipe:{process.input_number}", "w", format="nut") as pipe:
            for pixels in frames:
                if count == len(timeline.ticks):
                    raise OutputError(f"{path}: more than the {count} frames that have a place")
                if not count:
                    size = pixels.shape
                    whole = _even(pixels) if codec.even else pixels
                    stream = pipe.add_stream("rawvideo", rate=timeline.rate)
                    stream.height, stream.width = whole.shape[:2]
                    stream.pix_fmt = "rgb24"
                    stream.time_base = stream.codec_context.time_base = timeline.tick
                elif pixels.shape != size:
                    raise OutputError(f"{path}: frame {count} is {pixels.shape}, not {size}")
                packet = av.Packet((_even(pixels) if codec.even else pixels).tobytes())
                packet.stream = stream
                packet.pts = packet.dts = timeline.ticks[count]
                packet.time_base = timeline.tick
                packet.is_keyframe = True
                pipe.mux(packet)
                count += 1
    except av.error.FFmpegError:
        process.finish()
        raise OutputError(f"{path}: ffmpeg stopped: {process.reason()}") from None
    if process.finish() != 0:
        raise OutputError(f"{path}: ffmpeg failed: {process.reason()}")
    if count != len(timeline.ticks):
        raise OutputError(f"{path}: {count} frames came where {len(timeline.ticks)} belong")
    return count


def _even(pixels: Pixels) -> Pixels:
    """Odd sides made even by repeating the last row or column: 4:2:0 colour needs pairs."""
    height, width = pixels.shape[:2]
    if height % 2 == 0 and width % 2 == 0:
        return pixels
    return np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")


def _read_back(temporary: Path, path: Path, timeline: Timeline, carried: Carried) -> None:
    """Compare the finished file with what it should hold."""
    with av.open(str(temporary)) as container:
        stream = container.streams.video[0]
        tick = stream.time_base or Fraction(1)
        frames = sorted(
            (packet.pts * tick, (packet.duration or 0) * tick)
            for packet in container.demux(stream)
            if packet.size and packet.pts is not None
        )
        times = [time for time, _ in frames]
        tracks = len(container.streams.audio)
        found = len(times)
        wrong = _misplaced(times, timeline, tick)
    if found != len(timeline.ticks) or tracks != carried.sounds:
        raise OutputError(
            f"{path}: read back, it holds {found} frames and {tracks} sound tracks; "
            f"there should be {len(timeline.ticks)} and {carried.sounds}"
        )
    if carried.inputs and abs(times[0] - timeline.offset) > _PRIMING:
        raise OutputError(
            f"{path}: read back, its first frame stands at {float(times[0]):g} s; it should stand at "
            f"{float(timeline.offset):g} s"
        )
    if wrong is not None:
        raise OutputError(f"{path}: read back, frame {wrong} is not where it belongs in time")
    shown = frames[-1][1]
    if timeline.held and shown and abs(shown - timeline.last) > max(tick, timeline.tick):
        raise OutputError(
            f"{path}: read back, the last frame is shown for {float(shown):g} s; "
            f"it should be {float(timeline.last):g} s"
        )


def _misplaced(times: Sequence[Fraction], timeline: Timeline, tick: Fraction) -> int | None:
    """Index of the first frame that stands more than a tick from its time."""
    for index, (time, ticks) in enumerate(zip(times, timeline.ticks, strict=False)):
        if abs(time - times[0] - ticks * timeline.tick) > tick:
            return index
    return None


def _sync(path: Path) -> None:
    """Have the disk hold a file, or the entries of a folder."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
