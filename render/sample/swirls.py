"""A painting of swirling strokes: a night sky that whirls over hills, in thick paint."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from render.sample.noise import (
    Field,
    Picture,
    blur,
    colour,
    fractal,
    mix,
    ramp,
    sample,
    smoothstep,
    to_picture,
)

_SKY = (
    (0.0, "#0e1c4a"),
    (0.18, "#1b3f8c"),
    (0.36, "#2f6fb5"),
    (0.5, "#1c4f8e"),
    (0.64, "#5fa6c4"),
    (0.8, "#cfe0c8"),
    (0.9, "#2a5ca0"),
    (1.0, "#12275c"),
)
_HALO = ((0.0, "#fff6c0"), (0.3, "#f7d348"), (0.5, "#e79a22"), (0.75, "#a9b870"), (1.0, "#4f8fa8"))
_HILLS = ((0.0, "#10243a"), (0.35, "#1f5a58"), (0.6, "#3f7f4a"), (0.8, "#8c9c3c"), (1.0, "#1a3550"))
_WHEAT = (
    (0.0, "#7a4a16"),
    (0.3, "#d1901f"),
    (0.55, "#f3cf52"),
    (0.75, "#a86a1c"),
    (1.0, "#5f7a2a"),
)
_CYPRESS = ((0, "#0b1a14"), (0.5, "#1f4428"), (0.8, "#54682c"), (1, "#0f2520"))
_ORBS = (
    (1.06, 0.20, 0.105),
    (0.16, 0.14, 0.050),
    (0.40, 0.09, 0.032),
    (0.72, 0.09, 0.042),
    (0.09, 0.47, 0.036),
    (1.24, 0.48, 0.044),
)
"""Centre and radius of the moon and stars, in heights of the picture."""
_WHIRLS = ((0.58, 0.36, 0.185, 1), (0.80, 0.50, 0.08, -1), (0.30, 0.30, 0.105, -1))
"""Centre, radius and hand of the eddies."""
_CYPRESSES = ((0.20, 0.86, 0.36, 0.075), (0.30, 0.86, 0.56, 0.052))
"""Middle, foot, top and half width."""


def swirls(width: int = 640, height: int = 480, seed: int = 3) -> Picture:
    """The painting: H×W×3. Some seven thousand strokes, laid along a stream and its eddies."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) / height
    angle, design = _compose(x, y, rng)
    paint = _Paint(design, scale=2)
    for size, share in ((2.0, 0.9), (1.25, 1.0), (0.85, 0.6)):
        paint.strokes(angle, design, size, share, rng)
    return paint.finish(rng)


def _compose(x: Field, y: Field, rng: np.random.Generator) -> tuple[Field, Field]:
    """The directions that strokes follow (H×W, radians), and the colours that they take up."""
    shape = (x.shape[0], x.shape[1])
    ripple = fractal(shape, (3, 4), rng, 3)
    # Strokes follow the level lines of the stream, but in the eddies they run along spirals. A
    # direction and its opposite are the same stroke, so spirals hold the cosine and sine of twice
    # the angle; `free` is the share of the stream.
    stream: Field = y + 0.035 * np.sin(5.5 * x + 1.2 + 3 * y) + 0.012 * ripple
    design = ramp((stream * 5.2 + 0.10 * ripple) % 1, _SKY)
    spirals: Field = np.zeros((*shape, 2), np.float32)
    free: Field = np.ones(shape, np.float32)
    for cx, cy, radius, hand in _WHIRLS:
        distance = np.hypot(x - cx, y - cy) * (1 + 0.06 * ripple)
        around = np.arctan2(y - cy, x - cx)
        inside = smoothstep(1.45 * radius, 0.7 * radius, distance)
        arms = 1.35 * (distance / radius) ** 0.8 - hand * around / np.pi + 0.06 * ripple
        design = mix(design, ramp(arms % 1, _SKY), inside)
        lie = 2 * (around + np.pi / 2 - hand * 0.42)
        spirals += inside[..., None] * np.stack([np.cos(lie), np.sin(lie)], -1)
        free *= 1 - inside

    def cover(inside: Field, level: Field, tints: Field) -> None:
        """Paint something over all that is there, with level lines of its own."""
        nonlocal stream, design, spirals, free
        design = mix(design, tints, inside)
        stream = stream * (1 - inside) + level * inside
        spirals = spirals * (1 - inside)[..., None]
        free = free + (1 - free) * inside

    for cx, cy, radius in _ORBS:
        distance = np.hypot(x - cx, y - cy)
        bands = distance / (2.5 * radius) + 0.05 * np.sin(distance * 42 / radius)
        disc = smoothstep(2.55 * radius, 1.45 * radius, distance)
        cover(disc, 0.55 * distance, ramp(bands, _HALO))
    roll = y + 0.09 * np.sin(4.5 * x + 6 * y) + 0.015 * ripple
    ridge = 0.62 + 0.05 * np.sin(3.1 * x + 0.5) + 0.02 * np.sin(9 * x)
    hills = ramp((roll * 4 + 0.15 * ripple) % 1, _HILLS)
    cover(smoothstep(0, 0.02, y - ridge), roll, hills)
    sway = 0.55 * y + 0.35 * x + 0.05 * np.sin(9 * x - 4 * y)
    front = 0.80 - 0.07 * np.sin(2.3 * x + 2.2)
    wheat = ramp((sway * 5 + 0.2 * ripple) % 1, _WHEAT)
    cover(smoothstep(0, 0.02, y - front), sway, wheat)
    for cx, foot, top, wide in _CYPRESSES:
        s = np.clip((foot - y) / (foot - top), 0, 1)
        off = np.abs(x - cx - 0.02 * np.sin(9 * s + cx * 9))
        half = wide * (1 - s) ** 0.7 * (0.7 + 0.6 * s) + 1e-3
        flame = x + 0.012 * np.sin(24 * y + 20 * x)
        inside = smoothstep(1.0, 0.8, off / half) * (y < foot) * (y > top)
        cover(inside, flame, ramp((flame * 22) % 1, _CYPRESS))
    down, right = np.gradient(stream)
    lie = 2 * np.arctan2(-right, down)
    cosine, sine = free * np.cos(lie) + spirals[..., 0], free * np.sin(lie) + spirals[..., 1]
    return np.asarray(np.arctan2(sine, cosine) / 2, np.float32), design


class _Paint:
    """Colour and thickness of the paint on a canvas `scale` times as fine as the design."""

    def __init__(self, design: Field, scale: int) -> None:
        self.scale = scale
        size = (design.shape[1] * scale, design.shape[0] * scale)
        ground = 0.5 * design + 0.5 * colour("#5a3d22") * 0.6
        self.tints = Image.fromarray(to_picture(ground)).resize(size)
        self.relief = Image.new("L", size, 60)
        self._brushes = ImageDraw.Draw(self.tints), ImageDraw.Draw(self.relief)

    def strokes(
        self, angle: Field, design: Field, size: float, share: float, rng: np.random.Generator
    ) -> None:
        """Cover `share` of the canvas with strokes `size` times the usual, in random order."""
        rows, columns = angle.shape
        count = int(share * rows * columns / (size**2 * 62))
        start = rng.random((count, 2)) * (columns, rows)
        length = size * rng.uniform(12, 30, count)
        path = _follow(angle, start, length, 7)
        middle = path[:, path.shape[1] // 2]
        base = sample(design, middle[:, 0], middle[:, 1])
        value = rng.normal(0, 0.055, (count, 1))
        tint = base * (1 + value) + rng.normal(0, 0.028, (count, 3))
        # Now and then a stroke straight from the tube: lighter, or the complement.
        odd = rng.random(count)
        tint[odd < 0.04] = 0.55 * tint[odd < 0.04] + 0.45 * colour("#f6eecb")
        tint[odd > 0.975] = 0.6 * tint[odd > 0.975] + 0.4 * colour("#d2873a")
        half = 2.5 * size * rng.uniform(0.75, 1.25, count)
        self._lay(path, tint, half, rng)

    def _lay(
        self, path: Field, tint: Field, half: Field, rng: np.random.Generator, bristles: int = 6
    ) -> None:
        """Draw strokes (N paths, colours, half widths), each as so many lines side by side."""
        count, points, _ = path.shape
        step = np.gradient(path, axis=1)
        normal = np.stack([-step[..., 1], step[..., 0]], -1)
        normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-6)
        across = np.linspace(-1, 1, bristles)
        lines = path[:, None] + (across[:, None] * half[:, None, None])[..., None] * normal[:, None]
        coordinates = (lines * self.scale).reshape(count, bristles, 2 * points).tolist()
        shade = rng.normal(1, 0.07, (count, bristles, 1))
        inks = np.clip(tint[:, None] * shade * 255, 0, 255).astype(int).tolist()
        thick = rng.integers(90, 160, (count, 1)) + rng.integers(-26, 27, (count, bristles))
        thick += np.where(np.abs(across) == 1, 24, 0)
        # The outer bristles touch down later and lift off earlier.
        trim = (np.abs(across) * 2.4 * rng.random((count, bristles))).astype(int).tolist()
        widths = np.maximum(2, self.scale * 2.7 * half / bristles + 0.5).astype(int).tolist()
        for i, levels in enumerate(thick.tolist()):
            for b in range(bristles):
                cut = 2 * trim[i][b]
                line = coordinates[i][b][cut : 2 * points - cut]
                self._brushes[0].line(line, tuple(inks[i][b]), widths[i])
                self._brushes[1].line(line, levels[b], widths[i])

    def finish(self, rng: np.random.Generator) -> Picture:
        """The painting under light from the upper left, at the design's size."""
        height = np.asarray(self.relief, np.float32) / 255
        weave = fractal(height.shape, (height.shape[0] // 5, height.shape[1] // 5), rng, 2)
        height = blur(height, 0.7) + 0.012 * weave
        down, right = np.gradient(height)
        slope = np.asarray(down + right, np.float32)
        light = 1 + 1.5 * slope.clip(-0.16, 0.16)
        gloss = 1.1 * (slope - 0.10).clip(0, 0.12)
        body = np.asarray(self.tints, np.float32) / 255
        lit = to_picture(body * light[..., None] + gloss[..., None])
        return np.array(Image.fromarray(lit).reduce(self.scale))


def _follow(angle: Field, start: np.ndarray, length: np.ndarray, points: int) -> Field:
    """Paths (N×`points`×2) along the directions `angle`, with the middle at `start`."""
    half = points // 2
    step = (length / (points - 1))[:, None]
    sides = []
    for sign in (-1.0, 1.0):
        at = start.copy()
        trail = []
        for _ in range(half):
            column = np.clip(at[:, 0], 0, angle.shape[1] - 1).astype(np.intp)
            row = np.clip(at[:, 1], 0, angle.shape[0] - 1).astype(np.intp)
            turn = angle[row, column]
            at = at + sign * step * np.stack([np.cos(turn), np.sin(turn)], 1)
            trail.append(at)
        sides.append(trail)
    return np.stack([*reversed(sides[0]), start, *sides[1]], axis=1).astype(np.float32)
