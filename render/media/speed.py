"""How fast this machine decodes and encodes video."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from render.media.encode import write_video
from render.media.sequence import open_sequence
from render.media.stills import encode_png
from render.media.video import open_video
from render.pixels import Pixels
from render.spec.media import Codec, Output, VideoInput

_PAN = 6  # pixels that the picture moves with each frame


@dataclass(frozen=True)
class MediaSpeed:
    """Frames per second.

    Attributes:
        width, height: of the frames.
        codec: of the video.
        encode: from pixels to a finished, checked file.
        decode: from that file to pixels, the opening of it included.
        thumbnails: from that file to the small frames of the search for cuts.
    """

    width: int
    height: int
    codec: str
    encode: float
    decode: float
    thumbnails: float


def measure(
    width: int = 1920, height: int = 1080, frames: int = 90, codec: Codec = "h264"
) -> MediaSpeed:
    """Write and read a panned picture of painterly noise.

    Args:
        width: of the frames.
        height: of the frames.
        frames: their number.
        codec: one that goes into Matroska.
    """
    picture = _painting(width + _PAN * 16, height)
    pixels = [np.ascontiguousarray(picture[:, k * _PAN :][:, :width]) for k in range(16)]
    with TemporaryDirectory(prefix="render-speed-") as folder:
        still, path = Path(folder, "frames"), Path(folder, "clip.mkv")
        still.mkdir()
        (still / "0.png").write_bytes(encode_png(pixels[0]))
        source = open_sequence(VideoInput(kind="video", path=still))
        # Back and forth, so that no frame jumps.
        order = [abs(k % 30 - 15) for k in range(frames)]
        begin = time.perf_counter()
        write_video(
            path,
            (pixels[k] for k in order),
            output=Output(path=path, codec=codec),
            source=source,
            selected=range(frames),
        )
        written = time.perf_counter()
        clip = open_video(VideoInput(kind="video", path=path))
        count = sum(1 for _ in clip.read(clip.frames))
        read = time.perf_counter()
        small = sum(1 for _ in clip.thumbnails())
        end = time.perf_counter()
    return MediaSpeed(
        width,
        height,
        codec,
        encode=frames / (written - begin),
        decode=count / (read - written),
        thumbnails=small / (end - read),
    )


def _painting(width: int, height: int) -> Pixels:
    """Noise in which forms of all sizes are about equally strong, as in a painted picture."""
    generator = np.random.default_rng(0)
    picture = np.zeros((height, width, 3))
    for cells in (4, 16, 64, 256):
        coarse = generator.integers(0, 256, (cells, cells, 3), dtype=np.uint8)
        grown = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
        picture += np.asarray(grown, dtype=np.float64) / 4
    return picture.astype(np.uint8)
