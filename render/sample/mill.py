"""A windmill, its sails, and cottages."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from render.sample.canvas import Canvas, Point, ink
from render.sample.craft import bezier
from render.sample.noise import (
    colour,
    fractal,
    mix,
    ramp,
    smoothstep,
    to_picture,
)


def windmill(density: float, height: float, rng: np.random.Generator) -> Canvas:
    """A tower mill without its sails; the middle of its foot is the origin, the hub at -`height`."""
    h = height
    sheet = Canvas((-0.45 * h, -1.2 * h), 0.9 * h, 1.24 * h, density)
    x, y = sheet.grid()
    s = np.clip(-y / h, 0, 1.2)
    half = h * (0.30 - 0.155 * s**0.85)
    side = np.clip(x / half, -1, 1)
    light = 0.95 - 0.42 * side - 0.25 * smoothstep(0.2, 0.9, side)
    rough = fractal(sheet.shape, (30, 12), rng, 5, 0.7)
    reed = fractal(sheet.shape, (8, 70), rng, 3, 0.7)
    brick_row = np.floor(-y * 44 / h)
    joints = np.maximum(
        smoothstep(0.34, 0.5, np.abs((-y * 44 / h) % 1 - 0.5)),
        smoothstep(0.42, 0.5, np.abs((side * 11 + 0.5 * (brick_row % 2)) % 1 - 0.5)),
    )
    brick = mix(
        ramp(0.5 + 0.22 * rough, ((0, "#6e2f20"), (1, "#b5633f"))), colour("#cbb394"), 0.6 * joints
    )
    thatch = ramp(
        0.5 + 0.2 * reed + 0.1 * rough, ((0, "#3d3226"), (0.5, "#75603f"), (1, "#b89b66"))
    )
    body = np.where((s < 0.36)[..., None], brick, thatch) * light[..., None]
    inside = (np.abs(x) < half) & (y < 0) & (s < 1.0)
    sheet.paste(to_picture(body, inside.astype(np.float32)))
    for at, wide in ((0.0, 0.05), (0.52, 0.03), (0.74, 0.025)):
        base, tall = (-0.0 if at == 0 else -at * h), (0.16 if at == 0 else 0.075) * h
        sheet.polygon(
            (
                (-wide * h, base),
                (-wide * h, base - tall),
                (wide * h, base - tall),
                (wide * h, base),
            ),
            "#f1ead8",
        )
        w = 0.72 * wide * h
        sheet.polygon(
            (
                (-w, base - 0.01 * h),
                (-w, base - 0.9 * tall),
                (w, base - 0.9 * tall),
                (w, base - 0.01 * h),
            ),
            "#1f4a35" if at == 0 else "#27343d",
        )
    gallery = -0.36 * h
    sheet.polygon(
        (
            (-0.31 * h, gallery - 0.012 * h),
            (0.31 * h, gallery - 0.012 * h),
            (0.27 * h, gallery + 0.03 * h),
            (-0.27 * h, gallery + 0.03 * h),
        ),
        "#3b2a1c",
    )
    for post in np.linspace(-0.3, 0.3, 15).tolist():
        sheet.line(((post * h, gallery), (post * h, gallery - 0.065 * h)), 0.008 * h, "#f1ead8")
    sheet.line(
        ((-0.31 * h, gallery - 0.065 * h), (0.31 * h, gallery - 0.065 * h)), 0.01 * h, "#f1ead8"
    )
    cap = [
        *bezier((-0.19 * h, -0.98 * h), (-0.17 * h, -1.2 * h), (0.02 * h, -1.17 * h)),
        *bezier((0.02 * h, -1.17 * h), (0.2 * h, -1.14 * h), (0.19 * h, -0.98 * h)),
    ]
    sheet.polygon(cap, "#3f4d44")
    sheet.polygon([*cap[:16], (0.0, -0.98 * h)], "#5f7264")
    sheet.line(((-0.19 * h, -0.98 * h), (0.19 * h, -0.98 * h)), 0.02 * h, "#efe6cf")
    sheet.grain(rng, 0.06 * h, 0.05)
    return sheet


def mill_sails(density: float, radius: float, rng: np.random.Generator) -> Canvas:
    """Four sails about the origin, of lattice and cloth."""
    r = radius
    sheet = Canvas((-1.05 * r, -1.05 * r), 2.1 * r, 2.1 * r, density)

    def turned(points: Sequence[Point], quarter: int) -> list[Point]:
        for _ in range(quarter):
            points = [(-y, x) for x, y in points]
        return list(points)

    def box(x0: float, y0: float, x1: float, y1: float) -> list[Point]:
        return [(x0 * r, y0 * r), (x1 * r, y0 * r), (x1 * r, y1 * r), (x0 * r, y1 * r)]

    cloths = ("#f4ead2", "#c8452e", "#f4ead2", "#c8452e")
    for quarter, cloth in enumerate(cloths):
        sheet.polygon(turned(box(0.2, 0.0, 0.98, 0.24), quarter), "#5a3a20")
        for i in range(8):
            for j in range(2):
                x0, y0 = 0.215 + 0.095 * i, 0.02 + 0.108 * j
                sheet.polygon(turned(box(x0, y0, x0 + 0.08, y0 + 0.096), quarter), cloth)
        sheet.polygon(turned(box(0.2, -0.07, 0.98, 0.0), quarter), "#8a5a30")
        for i in range(8):
            x0 = 0.22 + 0.095 * i
            sheet.polygon(turned(box(x0, -0.058, x0 + 0.075, -0.02), quarter), "#e9c98c")
        sheet.polygon(turned(box(0.0, -0.022, 1.0, 0.022), quarter), "#33200f")
    sheet.ellipse((0, 0), 0.06 * r, 0.06 * r, "#2a1a0e")
    sheet.ellipse((-0.012 * r, -0.012 * r), 0.034 * r, 0.034 * r, "#b8863c")
    sheet.grain(rng, 0.09 * r, 0.11)
    return sheet


def house(
    sheet: Canvas, foot: Point, width: float, wall: str, roof: str, tower: bool = False
) -> None:
    """Draw a cottage whose lower left corner is `foot`; with `tower`, a church."""
    x, y = foot
    w = width
    top = y - 0.45 * w
    sheet.polygon(
        ((x, y), (x, top), (x + 0.3 * w, top - 0.3 * w), (x + 0.6 * w, top), (x + 0.6 * w, y)), wall
    )
    shade = _darker(wall, 0.68)
    sheet.polygon(
        ((x + 0.6 * w, y), (x + 0.6 * w, top), (x + 1.3 * w, top), (x + 1.3 * w, y)), shade
    )
    sheet.polygon(
        (
            (x + 0.27 * w, top - 0.34 * w),
            (x + 1.05 * w, top - 0.34 * w),
            (x + 1.36 * w, top + 0.02 * w),
            (x + 0.62 * w, top + 0.02 * w),
        ),
        roof,
    )
    for row in np.linspace(0.1, 0.9, 6).tolist():
        at = top - 0.34 * w + 0.36 * w * row
        sheet.line(
            ((x + (0.27 + 0.35 * row) * w, at), (x + (1.05 + 0.31 * row) * w, at)),
            0.012 * w,
            _darker(roof, 0.72),
        )
    sheet.line(
        (
            (x - 0.03 * w, top + 0.03 * w),
            (x + 0.28 * w, top - 0.34 * w),
            (x + 0.62 * w, top + 0.02 * w),
        ),
        0.04 * w,
        _darker(roof, 0.55),
    )
    for wx, wy in ((0.12, 0.1), (0.36, 0.1), (0.24, -0.1), (0.75, 0.12), (1.02, 0.12)):
        sheet.polygon(
            (
                (x + wx * w, top + wy * w),
                (x + (wx + 0.12) * w, top + wy * w),
                (x + (wx + 0.12) * w, top + (wy + 0.15) * w),
                (x + wx * w, top + (wy + 0.15) * w),
            ),
            "#ffd97a",
        )
    if tower:
        cx = x + 0.2 * w
        sheet.polygon(
            (
                (cx - 0.17 * w, y),
                (cx - 0.17 * w, y - 1.3 * w),
                (cx + 0.17 * w, y - 1.3 * w),
                (cx + 0.17 * w, y),
            ),
            wall,
        )
        sheet.polygon(
            (
                (cx + 0.04 * w, y),
                (cx + 0.04 * w, y - 1.3 * w),
                (cx + 0.17 * w, y - 1.3 * w),
                (cx + 0.17 * w, y),
            ),
            shade,
        )
        sheet.polygon(
            ((cx - 0.22 * w, y - 1.28 * w), (cx, y - 2.3 * w), (cx + 0.22 * w, y - 1.28 * w)), roof
        )
        sheet.polygon(
            ((cx, y - 2.3 * w), (cx + 0.22 * w, y - 1.28 * w), (cx + 0.04 * w, y - 1.28 * w)),
            _darker(roof, 0.7),
        )
        sheet.ellipse((cx - 0.04 * w, y - 1.05 * w), 0.07 * w, 0.07 * w, "#f6e7b8")


def _darker(name: str, share: float) -> tuple[int, int, int]:
    return ink(share * colour(name))
