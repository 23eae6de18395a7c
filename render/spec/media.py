"""The job's input and output."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from render.spec.base import AnyJobPath, Model
from render.spec.ranges import FrameRange

_RATE = "frames per second such as 25, 29.97 or 24000/1001"
_RATE_FORM = re.compile(r"[0-9]{1,9}(\.[0-9]{0,6})?|[0-9]{1,9} */ *[0-9]{1,9}", re.ASCII)
_SLOWEST, _FASTEST = Fraction(1, 3600), 1000


def _number_as_text(value: object) -> object:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _check_rate(text: str) -> str:
    if not _SLOWEST <= parse_rate(text) <= _FASTEST:
        raise PydanticCustomError("rate", "not a frame rate", {"allowed": _RATE})
    return text


def parse_rate(text: str) -> Fraction:
    """The exact rate that a text names; 23.976, 29.97 and 59.94 mean their NTSC fractions.

    What is not a rate gives 0; so do powers of ten and hundreds of digits, which would be worked out
    digit by digit.
    """
    text = text.strip()
    if not _RATE_FORM.fullmatch(text):
        return Fraction(0)
    try:
        rate = Fraction(text.replace(" ", ""))
    except ZeroDivisionError:
        return Fraction(0)
    for whole in (24, 30, 48, 60, 120):
        ntsc = Fraction(whole * 1000, 1001)
        if text in (f"{float(ntsc):.2f}", f"{float(ntsc):.3f}"):
            return ntsc
    return rate


Rate = Annotated[str, BeforeValidator(_number_as_text), AfterValidator(_check_rate)]
"""Text of an exact frame rate."""

Codec = Literal["h264", "h265", "av1", "vp9", "prores", "ffv1", "gif", "webp", "frames"]


class VideoInput(Model):
    """A video; its frames are rendered in order, each started from the last."""

    kind: Literal["video"]
    """A video file, or a folder of numbered frames."""
    path: AnyJobPath
    """The file, or the folder; on a disk or a URL: `s3://bucket/clip.mp4`."""
    frames: FrameRange | None = None
    """Frames to render, counted from 0, both ends included: `0-119`, `24-`, `0-119x2`; empty: all."""
    cuts: tuple[Annotated[int, Field(ge=1)], ...] | None = None
    """First frames of new shots; replaces the search for cuts. `[]` says that there are none."""
    stream: Annotated[int, Field(ge=0)] | None = None
    """Which video stream of the file, from 0; empty: the one marked as default."""
    deinterlace: bool = False
    """Make one whole picture of each interlaced pair of fields."""
    hdr: Literal["refuse", "tonemap"] = "refuse"
    """What to do with HDR (PQ or HLG) video: refuse it, or map its brightness to SDR."""
    rate: Rate = "25"
    """Frames per second of a folder of numbered frames: `25`, `29.97`, `24000/1001`."""


class ImagesInput(Model):
    """Pictures that have nothing to do with each other."""

    kind: Literal["images"]
    """A folder of pictures, one picture, or a text file that lists pictures."""
    path: AnyJobPath
    """The folder, the picture, or a .txt file with one path a line, relative to itself; on a disk or
    a URL: `s3://bucket/photos`."""
    pattern: str = "*"
    """Names in the folder to take, as a glob; `**/*` takes subfolders too."""


Input = Annotated[VideoInput | ImagesInput, Field(discriminator="kind")]


class Output(Model):
    """Where the result goes and in what form."""

    path: AnyJobPath
    """For a video: the file (.mp4, .mov, .mkv, .webm, .gif, .webp). For pictures: the folder. On a disk
    or a URL: `s3://bucket/out.mp4`."""
    size: Annotated[int, Field(ge=32, le=16384)] | None = None
    """Long side in pixels; pictures are never enlarged. Empty: the size of the source."""
    height: Annotated[int, Field(ge=2, le=16384)] | None = None
    """Height in pixels, instead of `size` or as a further limit."""
    enlarge: bool = False
    """Scale what is finished back up to the size of the source."""
    codec: Codec = "h264"
    """Codec of the video; `frames` writes numbered pictures into the folder `path`."""
    crf: Annotated[int, Field(ge=0, le=63)] | None = None
    """Constant rate factor: lower is better and larger. Empty: 18 for h264, and what looks alike
    for h265 (20), av1 (24) and vp9 (24). The other codecs have none."""
    bitrate: Annotated[str, Field(pattern=r"^[1-9][0-9]*[kM]$")] | None = None
    """Mean bits a second, such as `8M`, instead of a constant rate factor. Not for prores, ffv1, gif,
    webp and frames."""
    hardware: bool = False
    """Encode h264, h265 or av1 on the graphics card, where ffmpeg can; else as usual."""
    audio: Literal["copy", "none"] = "copy"
    """`copy` keeps the source's sound; what the file cannot hold is converted, and said."""
    format: Literal["same", "png", "jpeg", "webp", "tiff", "avif", "bmp"] = "same"
    """File format of pictures; `same` keeps the extension of each source picture, or is PNG for
    numbered frames. JPEG and BMP lay clear pictures on white."""
    quality: Annotated[int, Field(ge=1, le=100)] = 95
    """Quality of JPEG, WebP and AVIF pictures."""
    name: Annotated[str, Field(min_length=1)] = "{parent}/{stem}"
    """Name of each picture below `path`, without its extension: `{stem}` and `{parent}` are the
    source's name and its folder below the input folder, `{index:06}` its number."""
