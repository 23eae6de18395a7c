"""Trees, reeds and leaves, built of many dabs from dark to light."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from render.sample.canvas import Canvas, Point, ink
from render.sample.noise import ramp

Stops = Sequence[tuple[float, str]]

GREENS: Stops = ((0, "#16230f"), (0.4, "#35501f"), (0.75, "#6f8a34"), (1, "#b7bd5c"))
GOLDS: Stops = ((0, "#2a1608"), (0.4, "#7a3d12"), (0.75, "#cf7f22"), (1, "#ffce62"))
DUSK: Stops = ((0, "#0d140f"), (0.45, "#263620"), (0.8, "#66652c"), (1, "#d0a24c"))


def foliage(
    sheet: Canvas,
    centre: Point,
    rx: float,
    ry: float,
    stops: Stops,
    rng: np.random.Generator,
    leaves: int = 500,
    leaf: float | None = None,
    light: Point = (0.6, -0.8),
) -> None:
    """A rounded crown of `leaves` dabs, lit from `light`.

    `leaf` is a dab's size over the crown's; by default so that the dabs cover it all.
    """
    number = 9 + leaves // 150
    turn, out = rng.uniform(0, 2 * np.pi, number), 0.72 * np.sqrt(rng.random(number))
    clumps = np.stack([np.cos(turn) * out, np.sin(turn) * out], 1)
    which = rng.integers(0, number, leaves)
    angle, radius = rng.uniform(0, 2 * np.pi, leaves), np.sqrt(rng.random(leaves))
    local = np.stack([np.cos(angle), np.sin(angle)], 1) * radius[:, None]
    spread = 0.42 if number < 16 else 0.3
    spot = clumps[which] + spread * local
    tone = (
        0.42
        + 0.26 * (local @ np.asarray(light))
        + 0.20 * (clumps[which] @ np.asarray(light))
        + rng.normal(0, 0.1, leaves)
    )
    # Light dabs go last, so that the lit side of each clump lies on top of the clump's shadow.
    order = np.argsort(tone + rng.normal(0, 0.12, leaves))
    colours = ramp(tone, stops)
    if leaf is None:
        leaf = 2.2 / np.sqrt(leaves)
    size = leaf * rng.uniform(0.6, 1.4, (leaves, 2))
    for i in order:
        at = (centre[0] + float(spot[i, 0]) * rx, centre[1] + float(spot[i, 1]) * ry)
        sheet.ellipse(
            at, rx * float(size[i, 0]), min(rx, ry) * float(size[i, 1]) * 0.8, ink(colours[i])
        )


def tree(
    sheet: Canvas,
    foot: Point,
    height: float,
    stops: Stops,
    rng: np.random.Generator,
    leaves: int = 500,
) -> None:
    """A broad tree with its trunk at `foot`."""
    x, y = foot
    top = y - 0.55 * height
    for bough in (-0.16, -0.05, 0.07, 0.17):
        sheet.line(
            ((x, y), (x + 0.2 * bough * height, y - 0.35 * height), (x + bough * height, top)),
            0.035 * height,
            "#2c1d12",
        )
    sheet.polygon(
        (
            (x - 0.05 * height, y),
            (x - 0.025 * height, top),
            (x + 0.025 * height, top),
            (x + 0.05 * height, y),
        ),
        "#3a2718",
    )
    foliage(sheet, (x, y - 0.62 * height), 0.36 * height, 0.38 * height, stops, rng, leaves)


def poplar(
    sheet: Canvas,
    foot: Point,
    height: float,
    stops: Stops,
    rng: np.random.Generator,
    leaves: int = 350,
) -> None:
    """A slender tree like a flame."""
    x, y = foot
    sheet.line((foot, (x, y - 0.4 * height)), 0.03 * height, "#2c1d12")
    for share, width in ((0.25, 0.1), (0.42, 0.12), (0.6, 0.1), (0.78, 0.07)):
        foliage(
            sheet,
            (x, y - share * height),
            width * height,
            0.22 * height,
            stops,
            rng,
            leaves // 4,
            leaf=0.16,
        )


def reeds(
    sheet: Canvas, left: float, right: float, foot: float, height: float, rng: np.random.Generator
) -> None:
    """A stand of reeds between two scene x, with some bulrushes; blades bend to the right."""
    count = int((right - left) * 260)
    for _ in range(count):
        x = float(rng.uniform(left, right))
        tall = height * float(rng.uniform(0.35, 1.0)) * (0.55 + 0.45 * np.sin(7 * x + 1) ** 2)
        bend = float(rng.normal(0.12, 0.12)) * tall
        tone = float(rng.random())
        blade = ink(ramp(tone, ((0, "#141a0d"), (0.6, "#59592a"), (1, "#c99a4a"))))
        curve = [(x + bend * s**2, foot - tall * s) for s in (0.0, 0.3, 0.6, 0.85, 1.0)]
        width = 0.008 * float(rng.uniform(0.6, 1.3))
        side = [
            (px + width * (1 - s), py)
            for (px, py), s in zip(curve, (0.6, 0.5, 0.35, 0.15, 0), strict=True)
        ]
        sheet.polygon([*curve, *reversed(side)], blade)
        if rng.random() < 0.07:
            tip = curve[-1]
            sheet.line((curve[-2], tip), 0.004, blade)
            sheet.ellipse((tip[0], tip[1]), 0.007, 0.028, "#4a2813")
            sheet.ellipse((tip[0] + 0.002, tip[1]), 0.003, 0.024, "#8a5326")
