"""Animated WebP: when its frames are shown, and its end, which ffmpeg's encoder makes up."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from render.errors import OutputError
from render.media.timeline import Timeline

_CLOCK = 1000  # ticks a second
_CUT_OFF = 2  # ticks that the encoder loses, where it cuts off fractions of a time and of the mean
_HEAD = 12  # bytes of a RIFF file before its first chunk
_NAMED = 8  # bytes of a chunk's name and length
_LASTS = slice(12, 15)  # where in a chunk ANMF it stands how long the frame is shown


def end_webp(path: Path, timeline: Timeline) -> None:
    """Have the last frame of a file shown until the timeline ends.

    ffmpeg's encoder shows it for the mean of those before, whatever it is told. A picture that is alone
    in its file lasts no time.

    Args:
        path: the file, changed in place.
        timeline: what it should hold.
    """
    due = round((timeline.ticks[-1] * timeline.tick + timeline.last) * _CLOCK)
    with path.open("r+b") as file:
        size = path.stat().st_size
        place, last, time, lasts = _HEAD, None, 0, 0
        while place + _NAMED <= size:
            file.seek(place)
            chunk = file.read(_NAMED + _LASTS.stop)
            body = chunk[_NAMED:]
            if chunk.startswith(b"ANMF"):
                time += lasts
                lasts = int.from_bytes(body[_LASTS], "little")
                last = place + _NAMED + _LASTS.start
            length = int.from_bytes(chunk[4:_NAMED], "little")
            place += _NAMED + length + length % 2
        if last is not None:
            file.seek(last)
            file.write((due - time).to_bytes(_LASTS.stop - _LASTS.start, "little"))


def read_back_webp(temporary: Path, path: Path, timeline: Timeline) -> None:
    """Compare a finished file with what it should hold.

    Its encoder makes one longer frame of frames that look alike, so it may have fewer.

    Args:
        temporary: the file.
        path: the name that it will have.
        timeline: what it should hold.

    Raises:
        OutputError: a frame, or the end, is not where it belongs in time.
    """
    due = {round(ticks * timeline.tick * _CLOCK) for ticks in timeline.ticks}
    end = round((timeline.ticks[-1] * timeline.tick + timeline.last) * _CLOCK)
    time, late = 0, False
    with Image.open(temporary) as image:
        count = getattr(image, "n_frames", 1)
        for index in range(count):
            image.seek(index)
            image.load()
            late |= due.isdisjoint(range(time - 1, time + 2))
            time += image.info.get("duration", 0)
    if late or (len(due) > 1 and abs(time - end) > _CUT_OFF):
        raise OutputError(
            f"{path}: read back, its frames are not where they belong in time, or some are missing"
        )
