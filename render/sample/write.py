"""Writes the sample material into a folder: the only module of the sample that touches files."""

from __future__ import annotations

import tempfile
import wave
from collections.abc import Callable
from pathlib import Path

import imageio_ffmpeg
import numpy as np
from PIL import Image

from render.errors import OutputError
from render.sample.clip import SampleClip
from render.sample.facets import facets
from render.sample.hatching import hatching
from render.sample.noise import Picture
from render.sample.photos import photos
from render.sample.sound import SAMPLE_RATE, tones
from render.sample.swirls import swirls

_PAINTINGS: dict[str, Callable[[], Picture]] = {
    "swirls": swirls,
    "facets": facets,
    "hatching": hatching,
}
_CRF = 23
_TAGS = "setparams=colorspace=bt709:color_primaries=bt709:color_trc=bt709:range=tv"
_JPEG_QUALITY = 80


def write_sample(folder: Path, clip: SampleClip | None = None) -> list[Path]:
    """Draw the sample clip, three style pictures and four photographs into `folder`.

    Args:
        folder: made if it is not there; files of the same names are replaced.
        clip: the clip, of even width and height; by default 320×180, 28 frames.

    Returns:
        The files: `clip.mp4`, `swirls.jpg`, `facets.jpg`, `hatching.jpg` and those in `photos/`.

    Raises:
        OutputError: the folder cannot be written, or the clip was not written whole.
    """
    clip = clip or SampleClip()
    written = [folder / "clip.mp4"]
    try:
        (folder / "photos").mkdir(parents=True, exist_ok=True)
        write_clip(clip, written[0])
        for name, paint in _PAINTINGS.items():
            written.append(_write_still(paint(), folder / name))
        for name, picture in photos().items():
            written.append(_write_still(picture, folder / "photos" / name))
    except OSError as error:
        raise OutputError(f"the sample cannot be written to {folder}: {error}") from error
    return written


def write_clip(clip: SampleClip, path: Path) -> None:
    """Write `clip` as H.264 (BT.709) with its sound as AAC.

    Raises:
        OutputError: width or height is odd, or the file does not hold every frame.
        OSError: `path` cannot be written.
    """
    if clip.width % 2 or clip.height % 2:
        raise OutputError(
            f"{path}: {clip.width}×{clip.height} pixels asked for; H.264 needs an even width and height"
        )
    path = path.absolute()
    path.touch()  # a path that cannot be written is an OSError here, but only text from ffmpeg
    sound = tones(clip.frames / clip.rate, clip.shots[1].start / clip.rate)
    with tempfile.TemporaryDirectory() as scratch:
        track = Path(scratch) / "sound.wav"
        with wave.open(str(track), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(SAMPLE_RATE)
            file.writeframes(sound.astype("<i2").tobytes())
        writer = imageio_ffmpeg.write_frames(
            str(path),
            (clip.width, clip.height),
            fps=float(clip.rate),
            quality=None,
            codec="libx264",
            macro_block_size=2,
            ffmpeg_log_level="error",
            # A later -r counts: the writer may round its own to two decimals.
            input_params=["-r", str(clip.rate)],
            output_params=[
                *("-vf", "scale=out_color_matrix=bt709:out_range=tv," + _TAGS),
                *("-crf", str(_CRF), "-preset", "slow"),
                # One thread and no version strings: the same bytes from the same encoder.
                *("-threads", "1", "-fflags", "+bitexact", "-flags:v", "+bitexact"),
                *("-flags:a", "+bitexact", "-b:a", "96k", "-movflags", "+faststart"),
            ],
            audio_path=str(track),
            audio_codec="aac",
        )
        writer.send(None)
        for t in range(clip.frames):
            writer.send(np.ascontiguousarray(clip.frame(t)))
        writer.close()
    # The writer does not look at ffmpeg's exit code.
    try:
        found, _ = imageio_ffmpeg.count_frames_and_secs(str(path))
    except RuntimeError:
        found = 0
    if found != clip.frames:
        raise OutputError(
            f"{path}: {found} of {clip.frames} frames were written; is the disk full?"
        )


def _write_still(picture: Picture, stem: Path) -> Path:
    """JPEG, or PNG where there is alpha; returns the file."""
    if picture.shape[2] == 4:
        path = stem.with_suffix(".png")
        Image.fromarray(picture).save(path, optimize=True)
    else:
        path = stem.with_suffix(".jpg")
        Image.fromarray(picture).save(path, quality=_JPEG_QUALITY, optimize=True, subsampling=0)
    return path
