"""Skies: an evening with a low sun, and a bright morning with heaped clouds."""

from __future__ import annotations

import numpy as np

from render.sample.canvas import Canvas, Point
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

_EVENING = (
    (0.0, "#2c4a7c"),
    (0.35, "#5f83aa"),
    (0.62, "#b9b7a8"),
    (0.82, "#f3bf7d"),
    (1.0, "#ee8f56"),
)
_MORNING = ((0.0, "#1f5fa8"), (0.5, "#5b9bd0"), (0.85, "#b5d6e6"), (1.0, "#dfe9e2"))
_CLOUD = ((0.0, "#6f86a6"), (0.3, "#a3b3c8"), (0.6, "#ece6dc"), (0.9, "#fffcf0"))


def _warped_noise(size: int, rng: np.random.Generator) -> Field:
    """Tiling noise bent by itself, which curls it like vapour."""
    base = fractal((size, size), (5, 5), rng, octaves=7, gain=0.55)
    bend_x = fractal((size, size), (3, 3), rng, octaves=3)
    bend_y = fractal((size, size), (3, 3), rng, octaves=3)
    rows, columns = np.mgrid[0:size, 0:size]
    return sample(base, columns + 0.05 * size * bend_x, rows + 0.05 * size * bend_y)


def evening_sky(sheet: Canvas, horizon: float, sun: Point, rng: np.random.Generator) -> Picture:
    """A sky at sunset: rows of clouds in perspective, lit from the sun at `sun`."""
    x, y = sheet.grid()
    height = np.clip(y / horizon, 0, 1)
    sky = ramp(np.broadcast_to(height, sheet.shape), _EVENING)
    distance = np.hypot(x - sun[0], y - sun[1])
    noise = _warped_noise(512, rng)
    # A flat layer of clouds seen from below: the nearer to the horizon, the further and flatter.
    far = 1 / (horizon + 0.10 - np.minimum(y, horizon))
    u, v = (x - sun[0]) * far * 62, -far * 100
    here = sample(noise, u, v)
    towards_sun = sample(noise, u - 9 * np.sign(u) * np.minimum(np.abs(x - sun[0]) * 3, 1), v - 8)
    cover = smoothstep(-0.55, 0.9, here)
    lit = smoothstep(-0.75, 0.75, here - towards_sun) * np.exp(-distance * 0.9) * 1.35
    shade = mix(
        ramp(np.broadcast_to(height, sheet.shape), ((0, "#4d5a80"), (1, "#a9707a"))),
        colour("#ffdf9e"),
        np.clip(lit, 0, 1),
    )
    edge = smoothstep(0.0, 0.25, cover) * (1 - smoothstep(0.25, 0.7, cover))
    shade = mix(shade, colour("#fff0c4"), 0.75 * edge * np.exp(-distance * 1.5))
    sky = mix(sky, shade, 0.92 * cover * smoothstep(-0.05, 0.12, horizon - y))
    glow = np.exp(-distance / 0.1) * 0.8 + np.exp(-distance / 0.4) * 0.22
    veil = np.clip(glow, 0, 1)[..., None] * np.array([0.95, 0.72, 0.42], np.float32)
    sky = 1 - (1 - np.clip(sky, 0, 1)) * (1 - veil)
    disc = smoothstep(0.052, 0.046, distance)
    return to_picture(mix(sky, colour("#fff6d2"), disc), 1)


def _heap(
    sheet: Canvas,
    base: Point,
    width: float,
    height: float,
    rng: np.random.Generator,
    depth: Field,
    light: Field,
) -> None:
    """Add one heaped cloud to a relief: `depth` is its surface, `light` its shading."""
    x, y = sheet.grid()
    count = 260
    along = np.clip(rng.normal(0, 0.36, count), -0.95, 0.95)
    dome = np.maximum(0.08, np.cos(along * 1.5) ** 1.3) * (
        0.75 + 0.25 * np.sin(9 * along + base[0] * 7)
    )
    level = rng.random(count) ** 1.15 * dome
    radius = height * (0.07 + 0.17 * rng.random(count) ** 2) * (1.15 - 0.6 * level)
    order = np.argsort(rng.random(count))
    for i in order:
        cx, cy = base[0] + along[i] * width / 2, base[1] - level[i] * height
        r = float(radius[i])
        columns = slice(*np.searchsorted(x[0], (cx - r, cx + r)))
        rows = slice(*np.searchsorted(y[:, 0], (cy - r, min(cy + r, base[1] + 0.03 * height))))
        dx, dy = (x[:, columns] - cx) / r, (y[rows] - cy) / r
        bulge = np.sqrt(np.maximum(0, 1 - dx**2 - dy**2))
        surface = np.where(bulge > 0, bulge * r + 0.25 * height * (1 - level[i]), -1)
        above = surface > depth[rows, columns]
        slope = -0.55 * dx - 0.6 * dy + 0.5 * bulge
        tone = 0.42 + 0.4 * slope + 0.75 * (level[i] - 0.4)
        depth[rows, columns] = np.where(above, surface, depth[rows, columns])
        light[rows, columns] = np.where(above, tone, light[rows, columns])


def morning_sky(sheet: Canvas, horizon: float, rng: np.random.Generator) -> Picture:
    """A blue sky with veils high up and heaped clouds lit from the upper left."""
    x, y = sheet.grid()
    sky = ramp(np.broadcast_to(np.clip(y / horizon, 0, 1), sheet.shape), _MORNING)
    noise = _warped_noise(512, rng)
    far = 1 / (horizon + 0.25 - np.minimum(y, horizon))
    veil = sample(noise, x * far * 90 + y * 60, -far * 190 + x * 40)
    sky = mix(
        sky, colour("#e9f1f4"), 0.6 * smoothstep(0.1, 1.8, veil) * smoothstep(1.0, 0.3, y / horizon)
    )
    right = sheet.corner[0] + sheet.shape[1] / sheet.density
    for row, (bottom, size) in enumerate(((0.93, 0.15), (0.80, 0.26), (0.58, 0.40))):
        depth = np.full(sheet.shape, -0.5, np.float32)
        light = np.zeros(sheet.shape, np.float32)
        start = sheet.corner[0] + float(rng.random()) * 0.3
        for centre in np.arange(start, right + size, 1.25 * size + 0.16 * row):
            width = size * float(rng.uniform(1.0, 1.6))
            base = (float(centre), horizon * bottom + float(rng.normal(0, 0.02)))
            _heap(sheet, base, width, size * float(rng.uniform(0.5, 0.85)), rng, depth, light)
        # The puffs' outlines and shading are ruffled by sampling them through noise.
        rows, columns = np.mgrid[0 : sheet.shape[0], 0 : sheet.shape[1]]
        reach = size * 0.035 * sheet.density
        cells = (max(2, round(12 * 0.3 / size)), max(2, round(21 * 0.3 / size)))
        shift_x = columns + reach * fractal(sheet.shape, cells, rng, 5, 0.7)
        shift_y = rows + reach * fractal(sheet.shape, cells, rng, 5, 0.7)
        cover = sample((depth > -0.5).astype(np.float32), shift_x, shift_y)
        tone = sample(light, shift_x, shift_y)
        tone = tone + 0.05 * fractal(sheet.shape, cells, rng, 5, 0.7)
        soft = np.maximum(blur(cover, 0.0035 * sheet.density), 1e-4)
        tone = blur(tone * cover, 0.0035 * sheet.density) / soft
        cover = np.clip(soft, 0, 1) ** 1.6
        haze = 0.45 - 0.2 * row
        body = mix(
            ramp(tone, _CLOUD),
            ramp(np.broadcast_to(y / horizon, sheet.shape), _MORNING),
            haze,
        )
        sky = mix(sky, body, cover)
    return to_picture(sky, 1)
