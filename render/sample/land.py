"""Mountains, hills, water and a field of flowers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from render.sample.canvas import Canvas
from render.sample.noise import (
    Field,
    Picture,
    colour,
    fractal,
    mix,
    ramp,
    sample,
    smoothstep,
    to_picture,
)

Stops = Sequence[tuple[float, str]]

_LANE = 0.36
_TULIPS = (
    ("#7d0f1c", "#d92a2a", "#ff6a4a"),
    ("#b06a00", "#f6b51e", "#ffe36b"),
    ("#8e1c58", "#e0508f", "#ffa3c4"),
    ("#b8b29a", "#f2ecdc", "#ffffff"),
    ("#4c1a63", "#8640a4", "#c08ad6"),
    ("#a2330a", "#f07020", "#ffb057"),
)
"""Shadow, body and light of each kind of tulip."""


def skyline(
    sheet: Canvas,
    level: float,
    height: float,
    bumps: int,
    rng: np.random.Generator,
    gain: float = 0.5,
) -> Field:
    """The upper edge of a range of hills: scene y for every column, about `level` ± `height`."""
    line = fractal((8, sheet.shape[1]), (2, bumps), rng, octaves=7, gain=gain)[0]
    return np.asarray(level - height * line, np.float32)


def mountains(sheet: Canvas, foot: float, peak: float, rng: np.random.Generator) -> Picture:
    """A snowy range from `peak` (scene y of its top) to `foot`, lit low from the right."""
    _, y = sheet.grid()
    shape = sheet.shape
    centre = (peak + foot) / 2
    edge = skyline(sheet, centre - 0.1 * (foot - peak), 0.25 * (foot - peak), 3, rng)[None]
    # Ridges run down from the edge: noise folded at 0 and leaning, so that valleys branch.
    cells = (3, max(4, round(shape[1] / sheet.density * 4)))
    bend = fractal(shape, (3, 7), rng, 5)
    folds = 1 - np.abs(fractal(shape, cells, rng, 7, 0.52))
    rows, columns = np.mgrid[0 : shape[0], 0 : shape[1]]
    folds = sample(folds, columns + 0.03 * sheet.density * bend + 0.5 * rows, rows)
    edge = edge - 0.02 * fractal((8, shape[1]), (2, 40), rng, 5, 0.6)[:1]
    down = np.clip((y - edge) / (foot - edge), 0, 1)
    slope = np.gradient(folds, axis=1) * sheet.density
    light = smoothstep(-1.6, 1.6, slope / slope.std() + 0.5 * bend)
    rock = ramp(light, ((0, "#33395c"), (0.5, "#6b6680"), (1, "#d69a7e")))
    snow = ramp(light, ((0, "#6f7fae"), (0.5, "#b9b4cb"), (1, "#ffe3c0")))
    cover = smoothstep(0.04, -0.06, down - 0.34 - 0.1 * folds - 0.08 * bend)
    body = mix(rock, snow, cover)
    body = mix(body, colour("#b78a8c"), 0.62 * down**1.5)
    return to_picture(body, (y > edge).astype(np.float32))


def hills(
    sheet: Canvas, edge: Field, foot: float, stops: Stops, rng: np.random.Generator
) -> Picture:
    """Rolling ground below `edge`: fields as a patchwork, furrows, light from the upper right.

    `stops` colours the fields, by a number from 0 to 1 for each.
    """
    _, y = sheet.grid()
    shape = sheet.shape
    down = np.clip((y - edge) / max(foot - float(edge.min()), 1e-6), 0, 1)
    roll = fractal(shape, (2, 6), rng, 4)
    # Fields: regions nearest to random points, in coordinates squashed towards the horizon.
    points = rng.random((40, 2)) * (shape[1] / sheet.density, 0.9)
    tones = rng.random(40)
    angles = rng.uniform(-0.9, 0.9, 40)
    columns = (np.arange(shape[1], dtype=np.float32) + 0.5) / np.float32(sheet.density)
    u = columns + np.float32(0.03) * roll
    v = np.float32(0.9) * down ** np.float32(0.7) + np.float32(0.03) * roll
    nearest = np.full(shape, np.inf, np.float32)
    second = np.full(shape, np.inf, np.float32)
    owner = np.zeros(shape, np.intp)
    for index, (px, py) in enumerate(points.tolist()):
        distance = (u - px) ** 2 + (v - py) ** 2 * 0.2
        closer = distance < nearest
        np.minimum(second, np.maximum(distance, nearest), out=second)
        np.minimum(nearest, distance, out=nearest)
        owner[closer] = index
    furrow = np.sin((u * np.cos(angles[owner]) + v * np.sin(angles[owner])) * 260)
    body = ramp(tones[owner] + 0.03 * furrow, stops)
    hedge = smoothstep(0.012, 0.003, np.sqrt(second) - np.sqrt(nearest))
    body = mix(body, colour("#2b3a22"), 0.75 * hedge)
    tilt = np.gradient(roll, axis=1) * sheet.density / 40
    bright = 0.86 + 0.3 * np.clip(-tilt, -1, 1) + 0.09 * fractal(shape, (20, 60), rng, 4, 0.7)
    bright = bright * (0.75 + 0.35 * smoothstep(0, 0.12, down))
    return to_picture(body * bright[..., None], (y > edge).astype(np.float32))


def water(sheet: Canvas, mirrored: Field, shore: float, rng: np.random.Generator) -> Picture:
    """A lake from `shore` down, with waves that mirror what is above them.

    Args:
        sheet: the sheet; its upper edge is the shore.
        mirrored: H×W×3 colours above the shore, as wide as the sheet, top row highest, bottom row
            just above the shore.
        shore: scene y of the waterline.
        rng: source of the waves.
    """
    x, y = sheet.grid()
    depth = np.maximum(y - shore, 0.002)
    waves = fractal((512, 512), (10, 10), rng, octaves=6, gain=0.62)
    far = 1 / (depth + 0.05)
    u, v = x * 330 * far**0.55, 2600 * np.log(depth + 0.05)
    slope = sample(waves, u, v) + 0.5 * sample(waves, 2.3 * u + 91, 2.1 * v + 17)
    ripple = slope * (0.012 + 0.16 * depth)
    rows, columns = mirrored.shape[0] - 1, mirrored.shape[1] - 1
    seen = rows - (depth * 1.05 + np.maximum(ripple, -0.9 * depth)) * sheet.density
    across = np.arange(columns + 1) + slope * 0.012 * sheet.density
    body = sample(mirrored, across.clip(0, columns), seen.clip(0, rows))
    # Steep faces turned to the viewer show the water itself, more of it the nearer it is.
    own = ramp(depth / 0.45, ((0, "#6d6f80"), (0.4, "#2c5a72"), (1, "#123a55")))
    show = smoothstep(0.9, -1.4, slope) * (0.25 + 0.5 * smoothstep(0, 0.4, depth))
    return to_picture(mix(body, own, show), 1)


def flower_field(sheet: Canvas, horizon: float, vanishing: float, rng: np.random.Generator) -> None:
    """Draw rows of tulips on `sheet`, running from the viewer to the point x = `vanishing`."""
    x, y = sheet.grid()
    depth = np.maximum(y - horizon, 1e-3)
    shape = sheet.shape
    u = (x - vanishing) / depth
    soil = ramp(
        0.5 + 0.25 * fractal(shape, (30, 30), rng, 4),
        ((0, "#1f3319"), (0.6, "#4a7230"), (1, "#7fa545")),
    )
    soil *= (0.75 + 0.25 * np.cos(2 * np.pi * u / _LANE + np.pi))[..., None]
    tints = np.stack([colour(tint[1]) for tint in _TULIPS])
    lane = np.floor(u / _LANE)
    far = smoothstep(0.07, 0.02, depth) * (
        0.55 + 0.45 * smoothstep(0.5, 0.2, np.abs(u / _LANE - lane - 0.5))
    )
    soil = mix(soil, 0.8 * tints[(lane // 2).astype(np.intp) % len(tints)], 0.85 * far)
    soil = mix(soil, colour("#a9b49a"), 0.55 * smoothstep(0.05, 0.0, depth))
    sheet.paste(to_picture(soil, y >= horizon))
    bottom = float(y[-1, 0]) - horizon
    count = 22000
    d = np.sort(1 / rng.uniform(1 / bottom, 1 / 0.032, count))
    place = rng.uniform(float(x[0, 0]) - vanishing, float(x[0, -1]) - vanishing, count)
    lane = np.floor(place / d / _LANE)
    cx = vanishing + (lane + 0.5 + rng.normal(0, 0.2, count).clip(-0.42, 0.42)) * _LANE * d
    size = 0.03 * d * rng.uniform(0.7, 1.25, count)
    shade = rng.random((count, 2))
    for i in np.flatnonzero(size * sheet.density > 0.5).tolist():
        tint = _TULIPS[int(lane[i] // 2) % len(_TULIPS)]
        at, r = (float(cx[i]), horizon + float(d[i] - 0.05 * d[i] * shade[i, 1])), float(size[i])
        if r * sheet.density > 2:
            stem = (at[0] + 0.2 * r, at[1] + 4 * r)
            sheet.line((at, stem), 0.35 * r, ("#3d6b2a", "#6fa143")[int(shade[i, 0] > 0.5)])
        sheet.ellipse(at, r, 1.25 * r, tint[0])
        sheet.ellipse((at[0] - 0.12 * r, at[1] - 0.12 * r), 0.82 * r, 1.08 * r, tint[1])
        if shade[i, 0] > 0.3:
            sheet.ellipse((at[0] - 0.35 * r, at[1] - 0.35 * r), 0.35 * r, 0.6 * r, tint[2])
