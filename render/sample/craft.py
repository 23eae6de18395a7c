"""A sailing boat, a balloon and a gull: each on a sheet of its own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from render.sample.canvas import Canvas, Point
from render.sample.noise import (
    colour,
    fractal,
    mix,
    ramp,
    smoothstep,
    to_picture,
)

Stops = Sequence[tuple[float, str]]


def bezier(first: Point, control: Point, last: Point, steps: int = 16) -> list[Point]:
    """Points of a quadratic Bézier curve, both ends included."""
    return [
        (
            (1 - s) ** 2 * first[0] + 2 * s * (1 - s) * control[0] + s**2 * last[0],
            (1 - s) ** 2 * first[1] + 2 * s * (1 - s) * control[1] + s**2 * last[1],
        )
        for s in np.linspace(0, 1, steps).tolist()
    ]


def _cloth(
    sheet: Canvas, outline: list[Point], stops: Stops, bands: float, rng: np.random.Generator
) -> None:
    """Fill `outline` with sailcloth: seams, `bands` of them in a unit, and a bulge of light."""
    mask = _same(sheet)
    mask.polygon(outline, "#ffffff")
    inside = mask.picture()[..., 3] > 0
    x, y = sheet.grid()
    xs, ys = zip(*outline, strict=True)
    across = (x - min(xs)) / (max(xs) - min(xs))
    down = (y - min(ys)) / (max(ys) - min(ys))
    bulge = 0.25 + 0.75 * np.sin(np.pi * np.clip(across * 0.85 + 0.1 * down, 0, 1))
    seams = np.abs(((y - 0.15 * x) * bands) % 1 - 0.5)
    folds = 0.05 * fractal(sheet.shape, (6, 6), rng, 5, 0.6)
    tone = bulge * 0.85 + folds - 0.22 * smoothstep(0.10, 0.02, seams)
    sheet.paste(to_picture(ramp(tone, stops), inside.astype(np.float32)))


def _same(sheet: Canvas) -> Canvas:
    """An empty sheet like `sheet`."""
    rows, columns = sheet.shape
    return Canvas(sheet.corner, columns / sheet.density, rows / sheet.density, sheet.density)


def boat(
    density: float, height: float, sails: Stops, hull: Stops, rng: np.random.Generator
) -> Canvas:
    """A sailing boat with its broken reflection; the middle of its waterline is the origin.

    `height` is that of the mast; the boat sails to the left.
    """
    h = height
    sheet = Canvas((-0.45 * h, -1.05 * h), 0.9 * h, 1.75 * h, density)
    mast_x = 0.02 * h
    main = [
        *bezier((mast_x + 0.015 * h, -0.99 * h), (0.25 * h, -0.6 * h), (0.38 * h, -0.19 * h)),
        *bezier((0.38 * h, -0.19 * h), (0.2 * h, -0.12 * h), (mast_x + 0.015 * h, -0.17 * h)),
    ]
    jib = [
        *bezier((mast_x - 0.01 * h, -0.93 * h), (-0.06 * h, -0.5 * h), (-0.02 * h, -0.15 * h)),
        *bezier((-0.02 * h, -0.15 * h), (-0.2 * h, -0.1 * h), (-0.39 * h, -0.13 * h)),
        *bezier((-0.39 * h, -0.13 * h), (-0.26 * h, -0.5 * h), (mast_x - 0.01 * h, -0.93 * h)),
    ]
    _cloth(sheet, main, sails, 9 / h, rng)
    _cloth(sheet, jib, sails, 9 / h, rng)
    sheet.line(((mast_x, 0), (mast_x, -1.03 * h)), 0.018 * h, "#3a2413")
    sheet.line(((mast_x, -0.165 * h), (0.4 * h, -0.18 * h)), 0.014 * h, "#4a2e18")
    sheet.line(((mast_x, -1.0 * h), (-0.41 * h, -0.12 * h)), 0.003 * h, "#2a1c12")
    deck = bezier((-0.42 * h, -0.12 * h), (0.0, -0.05 * h), (0.4 * h, -0.11 * h))
    keel = bezier((0.36 * h, 0.0), (0.0, 0.035 * h), (-0.32 * h, 0.0))
    sheet.polygon([*deck, *keel], hull[1][1])
    lower = bezier((-0.37 * h, -0.055 * h), (0.0, 0.0), (0.38 * h, -0.05 * h))
    sheet.polygon([*lower, *keel], hull[0][1])
    sheet.line(deck, 0.014 * h, hull[2][1])
    for s in (-0.22, -0.1, 0.12, 0.24):
        sheet.ellipse((s * h, -0.052 * h), 0.013 * h, 0.013 * h, "#1a1410")
    for at, coat in ((0.2, "#b8372a"), (-0.16, "#2f4f7a")):
        sheet.polygon(
            (
                (at * h - 0.025 * h, -0.07 * h),
                (at * h - 0.018 * h, -0.15 * h),
                (at * h + 0.018 * h, -0.15 * h),
                (at * h + 0.025 * h, -0.07 * h),
            ),
            coat,
        )
        sheet.ellipse((at * h, -0.17 * h), 0.018 * h, 0.021 * h, "#d9a47c")
    sheet.grain(rng, 0.05 * h, 0.06)
    _reflect(sheet, 0.6 * h, rng)
    return sheet


def _reflect(sheet: Canvas, reach: float, rng: np.random.Generator) -> None:
    """Mirror what stands above y = 0 below it, as ripples would: shifted sideways and broken."""
    pixels = sheet.picture()
    rows, columns = sheet.shape
    water = round(-sheet.corner[1] * sheet.density)
    _, y = sheet.grid()
    ripple = fractal((rows, columns), (42, 5), rng, 3)
    shift = ripple * (0.012 + 0.05 * np.maximum(y, 0)) * sheet.density
    row, column = np.mgrid[0:rows, 0:columns]
    source_row = np.clip(2 * water - row - 1, 0, rows - 1)
    source_column = np.clip(column + shift, 0, columns - 1).astype(np.intp)
    mirrored = pixels[source_row, source_column]
    keep = (ripple > -0.9 + 2.0 * y / reach) & (y > 0) & (mirrored[..., 3] > 127)
    mirrored[..., :3] = (0.62 * mirrored[..., :3] + 0.2 * np.array([50, 90, 120])).astype(np.uint8)
    mirrored[..., 3] = np.where(keep, 255, 0)
    under = _same(sheet)
    under.paste(mirrored)
    under.image.alpha_composite(sheet.image)
    sheet.paste(under.picture())


def balloon(
    density: float, height: float, cloth: Sequence[str], rng: np.random.Generator
) -> Canvas:
    """A hot-air balloon, `height` from crown to basket; the middle of its envelope is the origin.

    `cloth` names the colours of the gores, in turn.
    """
    r = 0.36 * height
    sheet = Canvas((-1.05 * r, -1.05 * r), 2.1 * r, 2.85 * r, density)
    x, y = sheet.grid()
    # The envelope: a circle above, drawn in to the mouth below.
    t = np.clip(y / (1.42 * r), 0, 1)
    half = np.where(y < 0, np.sqrt(np.maximum(0, r**2 - y**2)), r * (1 - 0.86 * t**1.55))
    inside = (np.abs(x) < half) & (y < 1.32 * r)
    side = np.clip(x / np.maximum(half, 1e-6), -1, 1)
    longitude = np.arcsin(side)
    gore = np.floor(longitude / (np.pi / 8) + 0.5).astype(np.intp)
    colours = np.stack([colour(name) for name in cloth])[gore % len(cloth)]
    band = smoothstep(0.02, 0.0, np.abs(y / r + 0.05 - 0.09 * np.cos(8 * longitude)) - 0.1)
    colours = mix(colours, colour("#f6ecd0"), band * (gore % 2 == 0))
    light = 0.62 + 0.42 * np.cos(longitude - 0.6) - 0.3 * np.clip(y / r, -0.8, 1.3)
    seam = np.abs((longitude / (np.pi / 8) + 0.5) % 1 - 0.5)
    light = (
        light
        * (1 - 0.28 * smoothstep(0.42, 0.5, seam))
        * (1 + 0.03 * fractal(sheet.shape, (9, 9), rng))
    )
    sheen = 0.35 * np.exp(-(((side - 0.38) / 0.22) ** 2) - ((y / r + 0.45) / 0.3) ** 2)
    sheet.paste(
        to_picture(colours * light[..., None] + sheen[..., None], inside.astype(np.float32))
    )
    top, bottom = 1.5 * r, 1.74 * r
    for s in (-1, -0.35, 0.35, 1):
        sheet.line(((0.16 * r * s, 1.3 * r), (0.13 * r * s, top)), 0.008 * r, "#3a2c20")
    sheet.polygon(
        ((-0.15 * r, top), (0.15 * r, top), (0.12 * r, bottom), (-0.12 * r, bottom)), "#7a4a22"
    )
    for row in np.linspace(top, bottom, 5).tolist():
        sheet.line(((-0.14 * r, row), (0.14 * r, row)), 0.01 * r, "#c08a4a")
    sheet.line(((-0.16 * r, top), (0.16 * r, top)), 0.035 * r, "#4a2a12")
    return sheet


def gull(density: float, span: float, rng: np.random.Generator) -> Canvas:
    """A gull gliding to the left, `span` across its wings; the middle of its body is the origin."""
    s = span / 2
    sheet = Canvas((-1.1 * s, -0.75 * s), 2.2 * s, 1.2 * s, density)
    far = [
        *bezier((-0.05 * s, -0.05 * s), (-0.3 * s, -0.62 * s), (-1.0 * s, -0.55 * s)),
        *bezier((-1.0 * s, -0.55 * s), (-0.45 * s, -0.36 * s), (0.2 * s, 0.02 * s)),
    ]
    near = [
        *bezier((-0.15 * s, 0.0), (0.2 * s, -0.66 * s), (1.02 * s, -0.62 * s)),
        *bezier((1.02 * s, -0.62 * s), (0.6 * s, -0.3 * s), (0.28 * s, 0.06 * s)),
    ]
    sheet.polygon(far, "#9aa3ad")
    sheet.polygon(
        ((-1.0 * s, -0.55 * s), (-0.78 * s, -0.575 * s), (-0.7 * s, -0.47 * s)), "#22252b"
    )
    sheet.polygon(
        ((0.25 * s, -0.03 * s), (0.62 * s, 0.0), (0.58 * s, 0.12 * s), (0.25 * s, 0.12 * s)),
        "#eceae4",
    )
    sheet.ellipse((0.0, 0.03 * s), 0.42 * s, 0.13 * s, "#f6f3ea")
    sheet.ellipse((0.02 * s, 0.08 * s), 0.36 * s, 0.08 * s, "#c9cdd2")
    sheet.ellipse((-0.38 * s, -0.02 * s), 0.12 * s, 0.1 * s, "#fbf8f0")
    sheet.polygon(((-0.48 * s, -0.04 * s), (-0.64 * s, 0.02 * s), (-0.47 * s, 0.04 * s)), "#e8a21c")
    sheet.ellipse((-0.42 * s, -0.04 * s), 0.02 * s, 0.02 * s, "#15151a")
    sheet.polygon(near, "#c3c9d0")
    inner = [(0.82 * x + 0.02 * s, 0.86 * y - 0.02 * s) for x, y in near]
    sheet.polygon(inner, "#e9e9e6")
    sheet.polygon(((1.02 * s, -0.62 * s), (0.72 * s, -0.615 * s), (0.66 * s, -0.38 * s)), "#1c1f25")
    sheet.grain(rng, 0.1 * s, 0.04)
    return sheet
