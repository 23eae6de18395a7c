"""Random fields and colour ramps: what gives drawn things a surface.

All fields depend on the seed and on proportions, not on the number of pixels: the same call at twice
the size gives the same picture with more detail.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageColor

Field = npt.NDArray[np.floating]
"""H×W numbers, or H×W×3 colours from 0 to 1."""
Picture = npt.NDArray[np.uint8]
"""H×W×3 (RGB) or H×W×4 (RGBA, straight alpha)."""

_RIM = 2


def fractal(
    shape: tuple[int, int],
    cells: tuple[int, int],
    rng: np.random.Generator,
    octaves: int = 5,
    gain: float = 0.5,
) -> Field:
    """Fractal value noise that tiles: octaves of a random lattice, interpolated by bicubics.

    Args:
        shape: rows and columns of the result.
        cells: lattice cells of the coarsest octave down and across.
        rng: source of the lattices; one child of it is used, whatever the octaves.
        octaves: number of lattices, each twice as fine as the last.
        gain: amplitude of an octave over that of the last.

    Returns:
        H×W, mean about 0, standard deviation about 1.
    """
    (child,) = rng.spawn(1)
    total = np.zeros(shape, np.float32)
    power = 0.0
    for octave in range(octaves):
        rows, columns = cells[0] << octave, cells[1] << octave
        lattice = child.random((rows, columns), np.float32) - 0.5
        padded = Image.fromarray(np.pad(lattice, _RIM, mode="wrap"))
        box = (_RIM, _RIM, _RIM + columns, _RIM + rows)
        amplitude = gain**octave
        total += amplitude * np.asarray(
            padded.resize((shape[1], shape[0]), Image.Resampling.BICUBIC, box)
        )
        power += amplitude**2
    return total / np.float32(0.22 * np.sqrt(power))


def sample(field: Field, x: npt.ArrayLike, y: npt.ArrayLike) -> Field:
    """Bilinear value of a tiling field at positions in pixels (0 is the first pixel's centre)."""
    x, y = np.asarray(x, np.float32), np.asarray(y, np.float32)
    left, top = np.floor(x), np.floor(y)
    fx, fy = x - left, y - top
    if field.ndim == 3:
        fx, fy = fx[..., None], fy[..., None]
    height, width = field.shape[:2]
    x0, y0 = left.astype(np.int32) % width, top.astype(np.int32) % height
    x1, y1 = (x0 + 1) % width, (y0 + 1) % height
    upper = field[y0, x0] * (1 - fx) + field[y0, x1] * fx
    lower = field[y1, x0] * (1 - fx) + field[y1, x1] * fx
    return np.asarray(upper * (1 - fy) + lower * fy, np.float32)


def blur(field: Field, sigma: float) -> Field:
    """Gaussian blur of H×W by `sigma` pixels, mirrored at the borders."""
    reach = max(1, int(np.ceil(3 * sigma)))
    taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    taps = (taps / taps.sum()).astype(np.float32)
    for _ in range(2):
        padded = np.pad(field, ((reach, reach), (0, 0)), mode="symmetric")
        rows = field.shape[0]
        total = taps[0] * padded[:rows]
        for start, tap in enumerate(taps[1:], start=1):
            total += tap * padded[start : start + rows]
        field = np.ascontiguousarray(total.T)
    return np.asarray(field, np.float32)


def smoothstep(low: float, high: float, value: npt.ArrayLike) -> Field:
    """0 below `low`, 1 above `high`, a smooth cubic between."""
    t = np.clip((np.asarray(value, np.float32) - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def colour(name: str) -> Field:
    """A colour such as `#3b5f8f` as three numbers from 0 to 1."""
    return np.asarray(ImageColor.getrgb(name)[:3], np.float32) / np.float32(255)


def ramp(value: npt.ArrayLike, stops: Sequence[tuple[float, str]]) -> Field:
    """Colours (…×3, 0 to 1) of `value` on a gradient through `stops` of position and colour."""
    positions = [position for position, _ in stops]
    colours = np.stack([colour(name) for _, name in stops])
    flat = np.asarray(value, np.float32)
    return np.stack([np.interp(flat, positions, c) for c in colours.T], axis=-1).astype(np.float32)


def mix(first: Field, second: npt.ArrayLike, share: npt.ArrayLike) -> Field:
    """`first` where `share` is 0, `second` (H×W×3 or one colour) where it is 1, between them between.

    `share` is H×W or one number.
    """
    weight = np.asarray(share, np.float32)[..., None]
    return np.asarray(first * (1 - weight) + np.asarray(second, np.float32) * weight, np.float32)


def to_picture(colours: Field, alpha: npt.ArrayLike | None = None) -> Picture:
    """Colours from 0 to 1 (H×W×3) as 8-bit RGB; with `alpha` (H×W, or one number), as RGBA."""
    if alpha is not None:
        cover = np.broadcast_to(np.asarray(alpha, np.float32), colours.shape[:2])
        colours = np.dstack([colours, cover])
    return np.asarray(np.clip(colours * 255 + 0.5, 0, 255), np.uint8)
