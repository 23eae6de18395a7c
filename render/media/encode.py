"""Frames into the video that a job asks for."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from fractions import Fraction
from itertools import pairwise
from math import ceil, floor
from pathlib import Path

from render.errors import OutputError
from render.media.codecs import SHORTEST_FRAME, muxer, refuse_misfit
from render.media.folder import frame_name, write_folder
from render.media.names import real
from render.media.sequence import SequenceSource
from render.media.streams import Carried, carry, try_sound
from render.media.timeline import Timeline, constant_timeline, source_timeline
from render.media.video import VideoSource
from render.media.writer import write_file
from render.pixels import Pixels
from render.spec.media import Output
from render.spec.url import AnyPath

log = logging.getLogger(__name__)


def check_output(
    path: AnyPath,
    output: Output,
    source: VideoSource | SequenceSource,
    named: Iterable[tuple[str, AnyPath]] = (),
) -> tuple[str, ...]:
    """Refuse what cannot be written before anything is rendered.

    Args:
        path: the file, or the folder of numbered frames.
        output: codec, quality and sound.
        source: the input.
        named: files that are read beside it, by their keys.

    Returns:
        What is not carried over as it is, one sentence each.

    Raises:
        OutputError: the file name, codec, quality and sound do not go together, the frames are too many
            a second for the file, an input would be overwritten, or what is there cannot be replaced.
    """
    given = source.given if isinstance(source, VideoSource) else source.pictures.root
    both = isinstance(path, Path) and isinstance(given, Path) and path.exists()
    if path == given or (both and Path(path).samefile(given)):
        raise OutputError(
            f"{path}: the result would overwrite the input; choose another output.path"
        )
    frames = output.codec == "frames"
    targets = (
        {real(path / frame_name(n, output)) for n in source.frames} if frames else {real(path)}
    )
    for key, read in named:
        if real(read) in targets:
            raise OutputError(
                f"{read}: the result would overwrite an input ({key}); choose another output.path"
            )
    if frames:
        if isinstance(path, Path) and path.exists() and not path.is_dir():
            raise OutputError(
                f"{path} is no folder, which codec: frames writes; choose another path"
            )
    elif isinstance(path, Path) and path.is_dir():
        raise OutputError(f"{path} is a folder, not a video; add the name of a file to output.path")
    refuse_misfit(output, path)
    if output.codec != "frames":
        _refuse_haste(path, source)
    carried = _carried(path, output, source, source.frames)
    if isinstance(source, VideoSource):
        try_sound(source.probe, carried, path)
    return carried.notes


def write_video(
    path: AnyPath,
    frames: Iterable[Pixels],
    *,
    output: Output,
    source: VideoSource | SequenceSource,
    selected: range,
) -> int:
    """Write a video of `frames` with the timing, sound, subtitles and chapters of the source.

    The file appears under its name only when it is complete, was read back, and holds every frame
    at its time.

    Args:
        path: the file, on a disk; an existing one is replaced. With `codec: frames` a folder, which
            may be in object storage.
        frames: one H×W×3 picture for each of `selected`, all of one size.
        output: codec, quality and sound.
        source: where timing and sound come from.
        selected: indices of the frames in the source.

    Returns:
        The number of frames written.

    Raises:
        OutputError: the file cannot be written, or is not what was asked for.
    """
    timeline = _timeline(source, selected)
    full = (
        (source.probe.width, source.probe.height)
        if isinstance(source, VideoSource)
        else source.full
    )
    enlarged = full if output.enlarge else None
    if output.codec == "frames":
        return write_folder(path, frames, output, selected, enlarged)
    if not isinstance(path, Path):
        raise OutputError(f"{path}: videos are written to a disk first")
    carried = _carried(path, output, source, selected)
    count, notes = write_file(path, frames, output, timeline, carried, enlarged)
    for note in notes:
        log.warning("%s: %s", path.name, note)
    return count


def _timeline(source: VideoSource | SequenceSource, selected: range) -> Timeline:
    if isinstance(source, VideoSource):
        return source_timeline(source.probe, selected)
    return constant_timeline(source.rate, selected)


def _refuse_haste(path: AnyPath, source: VideoSource | SequenceSource) -> None:
    """Refuse frames of which several would have one place in time.

    Raises:
        OutputError: the container has too coarse a clock for them.
    """
    shortest = SHORTEST_FRAME.get(muxer(path))
    if shortest is None:
        return
    frames, timeline = source.frames, _timeline(source, source.frames)
    places = [floor(ticks * timeline.tick / shortest + Fraction(1, 2)) for ticks in timeline.ticks]
    if len(set(places)) == len(places):
        return
    gap = min(after - before for before, after in pairwise(timeline.ticks)) * timeline.tick
    stride = frames.step * ceil(shortest / gap)
    raise OutputError(
        f"{path}: some of the frames are shown for {float(gap):g} s only; {path.suffix} shows none "
        f"shorter than {float(shortest):g} s. input.frames: {frames[0]}-{frames[-1]}x{stride} takes "
        "fewer, or name the output .mp4, .mkv or .webp"
    )


def _carried(
    path: AnyPath, output: Output, source: VideoSource | SequenceSource, selected: range
) -> Carried:
    if not isinstance(source, VideoSource):
        return Carried()
    container = "frames" if output.codec == "frames" else muxer(path)
    timeline = _timeline(source, selected)
    return carry(source.probe, timeline, container, sound=output.audio == "copy")
