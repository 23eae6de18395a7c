"""A drawing hatched in ink over a coloured wash: cottages and an old oak by a pond."""

from __future__ import annotations

import numpy as np
from PIL import Image

from render.sample.canvas import Canvas
from render.sample.land import hills, skyline, water
from render.sample.mill import house
from render.sample.noise import (
    Field,
    Picture,
    blur,
    colour,
    fractal,
    mix,
    sample,
    smoothstep,
    to_picture,
)
from render.sample.plants import GOLDS, GREENS, foliage, poplar, reeds, tree
from render.sample.sky import morning_sky

_SCALE = 2
_LINES = (
    (38, 0.74, 4.6),
    (-50, 0.46, 4.8),
    (4, 0.25, 4.2),
    (82, 0.10, 4.2),
)
"""Each set of lines: degrees, tone below which it is drawn, distance between lines in pixels."""


def hatching(width: int = 640, height: int = 480, seed: int = 11) -> Picture:
    """The drawing: H×W×3. The darker the tone, the more sets of lines cross, and the thicker."""
    rng = np.random.default_rng(seed)
    scene = _scene(width / height, height, rng)
    tone = scene @ np.array([0.299, 0.587, 0.114], np.float32)
    # Tone by rank: every degree of darkness takes up as much of the page as any other.
    tone = blur(tone, 1.25)
    tone = np.searchsorted(np.sort(tone[::2, ::2], axis=None), tone) / np.float32(tone.size / 4)
    page = _wash(scene, np.asarray(tone, np.float32), rng)
    # Ink has sharp edges: it is drawn on a finer grid than the wash.
    ink = np.maximum(
        _hatch(_finer(tone), rng),
        _contours(np.dstack([_finer(c) for c in np.moveaxis(scene, -1, 0)]), rng),
    )
    shape = (page.shape[0], page.shape[1])
    ink = ink.reshape(shape[0], _SCALE, shape[1], _SCALE).mean(axis=(1, 3))
    strength = 0.80 + 0.12 * fractal(shape, (60, 80), rng, 3)
    return to_picture(mix(page, colour("#22170f"), np.clip(ink * strength, 0, 1)))


def _finer(field: Field) -> Field:
    """A field on a grid `_SCALE` times as fine."""
    size = (field.shape[1] * _SCALE, field.shape[0] * _SCALE)
    image = Image.fromarray(np.ascontiguousarray(field, np.float32))
    return np.asarray(image.resize(size, Image.Resampling.BICUBIC))


def _scene(ratio: float, height: int, rng: np.random.Generator) -> Field:
    """What is drawn, in colours."""
    density = height
    shore = 0.70
    sheet = Canvas((0, 0), ratio, 1, density)
    land = Canvas((0, 0), ratio, shore, density)
    land.paste(morning_sky(land, shore * 0.95, rng))
    fields = ((0, "#5f7a3a"), (0.4, "#a8ad58"), (0.7, "#d8bf72"), (1, "#9c7a44"))
    land.paste(hills(land, skyline(land, 0.44, 0.04, 2, rng), shore, fields, rng))
    for x in np.linspace(0.02, ratio, 13).tolist():
        poplar(
            land,
            (x + float(rng.normal(0, 0.02)), 0.52),
            float(rng.uniform(0.07, 0.14)),
            GREENS,
            rng,
            160,
        )
    land.paste(hills(land, skyline(land, 0.56, 0.015, 2, rng), shore, fields, rng))
    house(land, (0.86, 0.60), 0.16, "#eadcc0", "#a85a3c", True)
    for x, size in ((1.16, 0.22), (1.27, 0.16), (0.66, 0.17)):
        tree(land, (x, 0.62), size, GREENS, rng, 700)
    house(land, (0.58, 0.685), 0.25, "#f0e4cc", "#b4553a")
    house(land, (0.98, 0.68), 0.20, "#e6d2a8", "#8c4a3a")
    sheet.image.paste(land.image, (0, 0))
    pond = Canvas((0, shore), ratio, 1 - shore, density)
    above = land.picture()[..., :3] / np.float32(255)
    pond.paste(water(pond, above, shore, rng))
    sheet.image.paste(pond.image, (0, round(shore * density)))
    sheet.paste(sheet.picture())
    sheet.polygon(((0, 0.80), (0.2, 0.78), (0.42, 0.86), (0.5, 1), (0, 1)), "#6f7a3c")
    trunk = ((0.12, 0.92), (0.165, 0.70), (0.14, 0.45), (0.24, 0.45), (0.235, 0.7), (0.30, 0.92))
    sheet.polygon(trunk, "#4a3524")
    for end, thick in (((0.02, 0.28), 0.045), ((0.2, 0.2), 0.05), ((0.42, 0.30), 0.04)):
        sheet.line(((0.19, 0.52), end), thick, "#4a3524")
    for x, y, r in (
        (0.0, 0.22, 0.17),
        (0.16, 0.10, 0.2),
        (0.36, 0.2, 0.16),
        (0.08, 0.36, 0.13),
        (0.45, 0.33, 0.1),
        (0.27, 0.3, 0.13),
    ):
        foliage(sheet, (x, y), r, 0.8 * r, GOLDS, rng, 700, light=(0.5, -0.8))
    reeds(sheet, 0.0, 0.52, 1.0, 0.16, rng)
    reeds(sheet, 0.9, ratio, 1.02, 0.2, rng)
    return np.asarray(sheet.picture()[..., :3] / np.float32(255), np.float32)


def _hatch(tone: Field, rng: np.random.Generator) -> Field:
    """Sets of nearly parallel lines, 1 where there is ink; they bend with the forms."""
    shape = (tone.shape[0], tone.shape[1])
    rows, columns = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32) / _SCALE
    form = blur(tone, 9)
    ink = np.zeros(shape, np.float32)
    for degrees, level, gap in _LINES:
        turn = np.radians(degrees)
        wobble = 0.8 * fractal(shape, (5, 7), rng, 3) + 0.2 * fractal(shape, (60, 80), rng, 2)
        across = rows * np.cos(turn) - columns * np.sin(turn) + wobble + 9 * form
        along = columns * np.cos(turn) + rows * np.sin(turn)
        line = np.floor(across / gap)
        off = np.abs(across / gap - line - 0.5)
        # Every line has its own pressure, and the pen is lifted here and there.
        hand = sample(fractal((256, 256), (16, 10), rng, 3), along * 0.5, line * 29.3)
        dark = level - tone + 0.06 * hand
        half = np.clip(0.07 + 0.34 * dark, 0, 0.24) * smoothstep(0.0, 0.05, dark)
        half *= smoothstep(-1.9, -1.0, hand)
        edge = 0.5 / (gap * _SCALE)
        ink = np.maximum(ink, smoothstep(edge, -edge, off - half) * (half > 0.01))
    return ink


def _contours(scene: Field, rng: np.random.Generator) -> Field:
    """Outlines where colours change at once, drawn by a slightly unsteady hand."""
    shape = (scene.shape[0], scene.shape[1])
    change = np.zeros(shape, np.float32)
    for channel in range(3):
        soft = blur(scene[..., channel], 1.6)
        down, right = np.gradient(soft)
        change = np.maximum(change, np.hypot(down, right))
    rows, columns = np.mgrid[0 : shape[0], 0 : shape[1]]
    reach = 1.2 * _SCALE
    change = sample(
        change,
        (columns + reach * fractal(shape, (10, 13), rng, 3)).clip(0, shape[1] - 1),
        (rows + reach * fractal(shape, (10, 13), rng, 3)).clip(0, shape[0] - 1),
    )
    pressure = 0.045 + 0.014 * fractal(shape, (20, 26), rng, 3)
    return smoothstep(0, 0.018, change - pressure) * np.float32(0.9)


def _wash(scene: Field, tone: Field, rng: np.random.Generator) -> Field:
    """Watercolour on paper: pale, in a few steps of tone with darker rims, grainy."""
    shape = (tone.shape[0], tone.shape[1])
    rows, columns = np.mgrid[0 : shape[0], 0 : shape[1]]
    bleed = 5
    x = columns + bleed * fractal(shape, (8, 10), rng, 5, 0.6)
    y = rows + bleed * fractal(shape, (8, 10), rng, 5, 0.6)
    soft = np.dstack([blur(scene[..., c], 2) for c in range(3)])
    tint = sample(soft, x.clip(0, shape[1] - 1), y.clip(0, shape[0] - 1))
    level = sample(blur(tone, 2.5), x.clip(0, shape[1] - 1), y.clip(0, shape[0] - 1))
    grey = tint.mean(-1, keepdims=True)
    tint = np.clip(grey + 1.45 * (tint - grey), 0, 1) ** 0.72
    steps = (level * 4.5) % 1
    rim = np.exp(-steps / 0.05) + 0.5 * np.exp(-(1 - steps) / 0.03)
    load = 0.78 - 0.34 * level + 0.07 * fractal(shape, (5, 7), rng, 5, 0.6)
    grain = fractal(shape, (shape[0] * 2 // 5, shape[1] * 2 // 5), rng, 2, 0.8)
    load = load + 0.09 * rim * (level < 0.93) + 0.045 * grain
    paper = colour("#f5ecd8") * (1 + 0.018 * grain[..., None])
    return mix(np.asarray(paper, np.float32), tint * 1.06, np.clip(load, 0, 1))
