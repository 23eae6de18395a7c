"""Clips for the tests of `render.media`, made by ffmpeg, whose frames say their own numbers."""

from __future__ import annotations

import subprocess
from pathlib import Path

import av
import numpy as np

from render.media.ffmpeg import executable

BITS = 8
FAST = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")


def ffmpeg(*arguments, feed=None):
    """Run ffmpeg; a failure fails the test with what it said."""
    done = subprocess.run(
        [executable(), "-v", "error", "-y", *map(str, arguments)],
        input=feed,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def numbered(index, width=64, height=48):
    """A picture whose eight columns spell its number in black and white."""
    columns = [230 if index >> bit & 1 else 20 for bit in range(BITS)]
    row = np.repeat(np.array(columns, np.uint8), -(-width // BITS))[:width]
    return np.ascontiguousarray(np.broadcast_to(row[None, :, None], (height, width, 3)))


def number_of(pixels):
    """The number that a picture of `numbered` spells, after any lossy coding and scaling."""
    height, width = pixels.shape[:2]
    middles = ((np.arange(BITS) + 0.5) * width / BITS).astype(int)
    levels = pixels[height // 2, middles].mean(axis=-1)
    return sum(1 << bit for bit in range(BITS) if levels[bit] > 128)


def psnr(one, other):
    """How alike two pictures are, in dB."""
    error = np.mean((one.astype(float) - other) ** 2)
    return 10 * np.log10(255**2 / max(error, 1e-9))


def numbered_clip(path: Path, count, *options, rate="25", size=(64, 48), before=(), sound=None):
    """A clip of numbered frames; `options` are ffmpeg's for the output, `before` for the input."""
    raw = b"".join(numbered(index, *size).tobytes() for index in range(count))
    given = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{size[0]}x{size[1]}", "-r", rate]
    sounds = [] if sound is None else ["-f", "lavfi", "-i", sound]
    ffmpeg(*given, *before, "-i", "-", *sounds, *(options or FAST), path, feed=raw)
    return path


def hurt_clip(path, number, *options):
    """A clip of 20 frames, of whose packet `number` little is left."""
    numbered_clip(path, 20, *options, size=(128, 96))
    with av.open(str(path)) as container:
        packet = [packet for packet in container.demux(video=0) if packet.size][number]
    data = bytearray(path.read_bytes())
    begin = packet.pos + packet.size // 4
    data[begin : packet.pos + packet.size] = b"\x5a" * (packet.pos + packet.size - begin)
    path.write_bytes(data)
    return path
