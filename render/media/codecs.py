"""Video codecs that can be written: ffmpeg's options, and the files that hold them."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

from render.errors import OutputError
from render.media.ffmpeg import executable
from render.spec.media import Output
from render.spec.url import AnyPath

_TO_709 = (
    "zscale=matrix=709:range=limited,format={pixels},"
    "setparams=color_primaries=bt709:color_trc=bt709"
)
_MUXERS = {
    ".mp4": "mp4",
    ".m4v": "mp4",
    ".mov": "mov",
    ".mkv": "matroska",
    ".webm": "webm",
    ".gif": "gif",
    ".webp": "webp",
}
LONGEST_FRAME = {"gif": Fraction(2**16 - 1, 100), "webp": Fraction(2**24 - 1, 1000)}
"""Seconds that these containers show a frame at most."""
SHORTEST_FRAME = {"gif": Fraction(1, 100)}
"""Seconds that they show one at least; frames have their places in multiples of it."""


@dataclass(frozen=True)
class Codec:
    """One codec.

    Attributes:
        encoder: ffmpeg's encoder and its options.
        muxers: ffmpeg's containers that hold it.
        filters: from `rgb24` to what the encoder takes.
        crf: constant rate factor that is meant by none; `None` if the codec has no such thing, and no
            bitrate either.
        crf_limit: the largest constant rate factor.
        even: whether width and height must be even.
        hardware: encoders on graphics cards that stand in for it, best first.
    """

    encoder: tuple[str, ...]
    muxers: tuple[str, ...]
    filters: str
    crf: int | None = None
    crf_limit: int = 63
    even: bool = True
    hardware: tuple[str, ...] = ()


_CODECS = {
    "h264": Codec(
        ("libx264", "-preset", "veryfast", "-profile:v", "high"),
        ("mp4", "mov", "matroska"),
        _TO_709.format(pixels="yuv420p"),
        crf=18,
        crf_limit=51,
        hardware=("h264_nvenc", "h264_videotoolbox", "h264_qsv", "h264_amf"),
    ),
    "h265": Codec(
        ("libx265", "-preset", "fast", "-tag:v", "hvc1", "-x265-params", "log-level=error"),
        ("mp4", "mov", "matroska"),
        _TO_709.format(pixels="yuv420p"),
        crf=20,
        crf_limit=51,
        hardware=("hevc_nvenc", "hevc_videotoolbox", "hevc_qsv", "hevc_amf"),
    ),
    "av1": Codec(
        ("libsvtav1", "-preset", "8"),
        ("mp4", "matroska", "webm"),
        _TO_709.format(pixels="yuv420p10le"),
        crf=24,
        hardware=("av1_nvenc", "av1_qsv", "av1_amf"),
    ),
    "vp9": Codec(
        ("libvpx-vp9", "-row-mt", "1", "-deadline", "good", "-cpu-used", "4"),
        ("webm", "matroska", "mp4"),
        _TO_709.format(pixels="yuv420p"),
        crf=24,
    ),
    "prores": Codec(
        ("prores_ks", "-profile:v", "hq", "-vendor", "apl0"),
        ("mov", "matroska"),
        _TO_709.format(pixels="yuv422p10le"),
    ),
    "ffv1": Codec(
        ("ffv1", "-level", "3", "-g", "1", "-slicecrc", "1"),
        ("matroska",),
        "format=gbrp",
        even=False,
    ),
    "gif": Codec(
        ("gif",),
        ("gif",),
        "split[a][b];[a]palettegen=stats_mode=diff[p];[b][p]paletteuse=dither=sierra2_4a",
        even=False,
    ),
    "webp": Codec(
        ("libwebp_anim", "-loop", "0", "-quality", "90"),
        ("webp",),
        "format=bgra",
        even=False,
    ),
}


def muxer(path: AnyPath) -> str:
    """Ffmpeg's container for a file name.

    Raises:
        OutputError: the extension is none of a video.
    """
    found = _MUXERS.get(path.suffix.lower())
    if found is None:
        raise OutputError(
            f"output.path: {path}; the name of a video ends in one of {', '.join(_MUXERS)}"
        )
    return found


def codec_for(output: Output, path: AnyPath) -> Codec:
    """The codec of a job's output.

    Raises:
        OutputError: the file cannot hold it, or the quality is on another codec's scale.
    """
    codec = _CODECS[output.codec]
    if muxer(path) not in codec.muxers:
        fitting = [end for end, name in _MUXERS.items() if name in codec.muxers]
        others = [name for name, other in _CODECS.items() if muxer(path) in other.muxers]
        raise OutputError(
            f"output.path: {path}; {path.suffix} does not hold {output.codec}; "
            f"name it {' or '.join(fitting)}, or set output.codec to {' or '.join(others)}"
        )
    if codec.crf is None:
        refuse_quality(output, path)
    if output.crf is not None:
        if output.bitrate is not None:
            raise OutputError(f"{path}: output.crf or output.bitrate, not both")
        if output.crf > codec.crf_limit:
            raise OutputError(f"{path}: output.crf of {output.codec} is 0 to {codec.crf_limit}")
    return codec


def refuse_misfit(output: Output, path: AnyPath) -> None:
    """Refuse a codec, a quality and a file name of a video that do not go together; opens nothing.

    Raises:
        OutputError: the file cannot hold the codec, or the codec has no such quality.
    """
    if output.codec == "frames":
        refuse_quality(output, path)
    else:
        codec_for(output, path)


def refuse_quality(output: Output, path: AnyPath) -> None:
    """Refuse a factor or a bitrate for a codec that has neither, rather than forget it.

    Raises:
        OutputError: one of them is given.
    """
    for key, value in (("crf", output.crf), ("bitrate", output.bitrate)):
        if value is not None:
            raise OutputError(f"{path}: {output.codec} has no output.{key}; leave it out")


def encoder_options(output: Output, codec: Codec) -> tuple[list[str], tuple[str, ...]]:
    """Ffmpeg's options for encoder and quality, and notes for the person."""
    notes: tuple[str, ...] = ()
    quality = codec.crf if output.crf is None else output.crf
    if output.hardware:
        card = next((name for name in codec.hardware if _works(name)), None)
        if card is not None:
            scale = ["-b:v", output.bitrate] if output.bitrate else ["-q:v", str(quality)]
            if card.endswith("nvenc") and not output.bitrate:
                scale = ["-rc", "vbr", "-b:v", "0", "-cq", str(quality)]
            return ["-c:v", card, *scale], (f"encoded on the graphics card by {card}",)
        notes = (f"no graphics card here encodes {output.codec}; encoded on the CPU",)
    options = ["-c:v", *codec.encoder]
    if output.bitrate is not None:
        options += ["-b:v", output.bitrate]
    elif quality is not None:
        options += ["-crf", str(quality)]
        if codec.encoder[0] == "libvpx-vp9":
            options += ["-b:v", "0"]
    return options, notes


@cache
def _works(encoder: str) -> bool:
    """Whether an encoder that ffmpeg names really works on this machine: by trying."""
    trial = ["-v", "error", "-f", "lavfi", "-i", "color=s=256x256:d=0.2", "-pix_fmt", "yuv420p"]
    command = [executable(), "-nostdin", *trial, "-c:v", encoder, "-f", "null", "-"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
