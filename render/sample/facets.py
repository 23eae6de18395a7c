"""A painting in flat facets: a town on a hillside, broken into planes like cut glass."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from render.sample.canvas import Canvas, Point, ink
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

_SCALE = 2
_LEANINGS = (8, 52, 83, 98, 128, 172)
"""Directions of the cuts in degrees, as if there were one vanishing grid for the whole picture."""

Polygon = list[Point]


def facets(width: int = 512, height: int = 640, seed: int = 5) -> Picture:
    """The painting: H×W×3. A few hundred planes, each shaded from one edge, with dark seams."""
    rng = np.random.default_rng(seed)
    town = _town(width, height, rng)
    planes = _cut(width / height, 330, rng)
    scale = height * _SCALE
    shape = town.shape[:2]
    board = Image.new("I", (shape[1], shape[0]))
    brush = ImageDraw.Draw(board)
    for index, plane in enumerate(planes):
        brush.polygon([(x * scale, y * scale) for x, y in plane], index)
    owner = np.asarray(board).astype(np.intp)

    # Each plane takes the mean of what it shows, a little cooler or warmer than its neighbours.
    size = np.maximum(np.bincount(owner.ravel(), minlength=len(planes)), 1)
    mean = np.stack(
        [np.bincount(owner.ravel(), town[..., c].ravel(), len(planes)) / size for c in range(3)], 1
    )
    warmth = rng.normal(0, 0.045, (len(planes), 1)) * np.array([1, 0.15, -1])
    mean = mean * rng.normal(1, 0.10, (len(planes), 1)) + warmth
    body = 0.66 * mean[owner].astype(np.float32) + 0.34 * town

    body *= (_shading(planes, owner, scale, rng) * _passages(shape, scale, rng))[..., None]
    body = _brushed(body, owner, len(planes), rng)
    seams = _seams(planes, shape, scale, rng)
    body = mix(body, colour("#1c1a22"), 0.8 * seams)
    return np.array(Image.fromarray(to_picture(body)).reduce(_SCALE))


def _town(width: int, height: int, rng: np.random.Generator) -> Field:
    """What the planes show: roofs and gables up a hillside, trees, a bridge of sky and sun."""
    ratio = width / height
    sheet = Canvas((0, 0), ratio, 1, height * _SCALE)
    _, y = sheet.grid()
    sky = ramp(
        np.broadcast_to(y, sheet.shape), ((0, "#3f6f96"), (0.22, "#9fb9bd"), (0.4, "#e6d3a4"))
    )
    sheet.paste(to_picture(sky, 1))
    for radius, tint in ((0.17, "#e9cf94"), (0.125, "#f2dfa6"), (0.085, "#e8863c")):
        sheet.ellipse((0.62 * ratio, 0.15), radius, radius, tint)
    for hill, tint in (
        (((0, 0.42), (0.22, 0.22), (0.46, 0.36), (0.46, 0.7), (0, 0.7)), "#47727a"),
        (((0.25, 0.5), (0.55, 0.24), (ratio, 0.36), (ratio, 0.8), (0.25, 0.8)), "#2f5a63"),
        (((0, 0.5), (0.3, 0.36), (ratio, 0.5), (ratio, 1), (0, 1)), "#5a6f48"),
    ):
        sheet.polygon(hill, tint)
    walls = ("#e3c48a", "#d6a763", "#efe0bd", "#c98a55", "#d9c9a8", "#b9794c")
    roofs = ("#a8432d", "#8a3a30", "#c4633a", "#6e4450", "#93503a")
    spots = [(float(rng.uniform(-0.06, ratio)), 0.42 + 0.62 * k / 46) for k in range(46)]
    for k, (left, foot) in enumerate(spots):
        if k % 4 == 1:
            r = 0.035 + 0.03 * foot
            for dx, dy, tint in (
                (0, 0, "#1f3f35"),
                (-0.3, -0.25, "#3f6b45"),
                (0.25, -0.5, "#7d8f4a"),
            ):
                sheet.ellipse((left + dx * r, foot - r + dy * r), r * (1 + dx), 1.3 * r, tint)
        _block(
            sheet,
            (left, foot),
            0.075 + 0.10 * foot * float(rng.uniform(0.7, 1.2)),
            walls[int(rng.integers(6))],
            roofs[int(rng.integers(5))],
        )
    tower = 0.30 * ratio
    sheet.polygon(
        ((tower, 0.62), (tower, 0.27), (tower + 0.055, 0.25), (tower + 0.055, 0.62)), "#efdcb0"
    )
    sheet.polygon(
        ((tower + 0.055, 0.62), (tower + 0.055, 0.25), (tower + 0.10, 0.28), (tower + 0.10, 0.62)),
        "#8c6a52",
    )
    sheet.polygon(((tower - 0.012, 0.28), (tower + 0.052, 0.08), (tower + 0.056, 0.26)), "#4f6f86")
    sheet.polygon(((tower + 0.056, 0.26), (tower + 0.052, 0.08), (tower + 0.112, 0.29)), "#27415c")
    return np.asarray(sheet.picture()[..., :3] / np.float32(255), np.float32)


def _block(sheet: Canvas, corner: Point, w: float, wall: str, roof: str) -> None:
    """A house seen from its edge: a lit gable, a wall in shadow, a roof, windows."""
    x, y = corner
    sheet.polygon(
        (
            (x, y),
            (x, y - 0.8 * w),
            (x + 0.3 * w, y - 1.2 * w),
            (x + 0.62 * w, y - 0.85 * w),
            (x + 0.62 * w, y + 0.06 * w),
        ),
        wall,
    )
    dark = ink(colour(wall) * np.array([0.50, 0.47, 0.55]))
    sheet.polygon(
        (
            (x + 0.62 * w, y + 0.06 * w),
            (x + 0.62 * w, y - 0.85 * w),
            (x + 1.25 * w, y - 0.72 * w),
            (x + 1.25 * w, y),
        ),
        dark,
    )
    sheet.polygon(
        (
            (x + 0.27 * w, y - 1.24 * w),
            (x + 0.98 * w, y - 1.12 * w),
            (x + 1.32 * w, y - 0.68 * w),
            (x + 0.64 * w, y - 0.80 * w),
        ),
        roof,
    )
    for wx, wy in ((0.14, 0.5), (0.38, 0.5), (0.26, 0.85)):
        sheet.polygon(
            (
                (x + wx * w, y - wy * w),
                (x + (wx + 0.1) * w, y - wy * w),
                (x + (wx + 0.1) * w, y - (wy + 0.17) * w),
                (x + wx * w, y - (wy + 0.17) * w),
            ),
            "#2c3a4a",
        )


def _cut(ratio: float, count: int, rng: np.random.Generator) -> list[Polygon]:
    """Cut the picture's rectangle `count` - 1 times, each time the plane that is largest.

    Planes count as larger near the middle, so that they come out smaller there.
    """
    planes: list[Polygon] = [[(0, 0), (ratio, 0), (ratio, 1), (0, 1)]]
    weights = [1.0]
    while len(planes) < count:
        index = int(np.argmax(weights))
        corners = np.asarray(planes[index])
        share = rng.dirichlet(np.full(len(corners), 3.0))
        through = share @ corners
        degrees = _LEANINGS[int(rng.integers(len(_LEANINGS)))] + rng.normal(0, 6)
        normal = np.array([-np.sin(np.radians(degrees)), np.cos(np.radians(degrees))])
        halves = _split(corners, (corners - through) @ normal)
        if min(len(half) for half in halves) < 3 or min(_area(h) for h in halves) < 2e-4:
            weights[index] *= 0.9
            continue
        planes[index : index + 1] = halves
        weights[index : index + 1] = [
            _area(half) * float(rng.uniform(0.6, 1.6)) * _interest(half, ratio) for half in halves
        ]
    return planes


def _split(corners: np.ndarray, side: np.ndarray) -> list[Polygon]:
    """The parts of a convex polygon where `side`, given at its corners, is below and above 0."""
    parts: list[Polygon] = [[], []]
    for i, here in enumerate(corners):
        j = (i + 1) % len(corners)
        point = (float(here[0]), float(here[1]))
        parts[int(side[i] > 0)].append(point)
        if (side[i] > 0) != (side[j] > 0):
            t = side[i] / (side[i] - side[j])
            x, y = here + t * (corners[j] - here)
            for part in parts:
                part.append((float(x), float(y)))
    return parts


def _area(plane: Polygon) -> float:
    x, y = np.asarray(plane).T
    return float(abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2)


def _interest(plane: Polygon, ratio: float) -> float:
    x, y = np.mean(plane, axis=0)
    return float(0.5 + 2.2 * np.exp(-(((x - 0.5 * ratio) / 0.3) ** 2) - ((y - 0.58) / 0.28) ** 2))


def _shading(
    planes: list[Polygon], owner: np.ndarray, scale: float, rng: np.random.Generator
) -> Field:
    """Light that falls off across each plane from one of its edges."""
    count = len(planes)
    turn = np.radians(rng.choice(_LEANINGS, count) + 180.0 * rng.integers(0, 2, count))
    across, down = np.cos(turn), np.sin(turn)
    reach = [np.asarray(p) @ (a, d) for p, a, d in zip(planes, across, down, strict=True)]
    low = np.array([r.min() for r in reach])
    span = np.array([r.max() - r.min() for r in reach])
    rows, columns = np.mgrid[0 : owner.shape[0], 0 : owner.shape[1]].astype(np.float32) / scale
    along = (columns * across[owner] + rows * down[owner] - low[owner]) / span[owner]
    depth = rng.uniform(0.15, 0.55, count)[owner]
    return np.asarray(1 + depth * (0.5 - np.clip(along, 0, 1) ** 0.8), np.float32)


def _passages(shape: tuple[int, ...], scale: float, rng: np.random.Generator) -> Field:
    """Long edges across many planes: bright on one side, fading away from it."""
    rows, columns = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32) / scale
    light = np.ones(shape[:2], np.float32)
    for _ in range(16):
        turn = np.radians(float(rng.choice(_LEANINGS)) + rng.normal(0, 4))
        x, y = rng.uniform(0.05, 0.75), rng.uniform(0.05, 0.95)
        off = (columns - x) * np.sin(turn) - (rows - y) * np.cos(turn)
        along = (columns - x) * np.cos(turn) + (rows - y) * np.sin(turn)
        reach = np.exp(-np.abs(off) / 0.09) * np.exp(-((along / 0.4) ** 2))
        light *= 1 + np.where(off > 0, 0.20, -0.16).astype(np.float32) * reach
    return light


def _brushed(body: Field, owner: np.ndarray, count: int, rng: np.random.Generator) -> Field:
    """Brush marks, in a direction of each plane's own, and the weave of the canvas."""
    shape = body.shape[:2]
    bristles = fractal((512, 512), (6, 128), rng, 3, 0.7)
    turn = rng.uniform(0, np.pi, count)[owner]
    rows, columns = np.mgrid[0 : shape[0], 0 : shape[1]]
    u = columns * np.cos(turn) + rows * np.sin(turn)
    v = rows * np.cos(turn) - columns * np.sin(turn)
    marks = sample(bristles, u + 37 * (owner % 13), v * 0.9)
    thick = 0.55 * marks + 0.25 * fractal((shape[0], shape[1]), (60, 50), rng, 3)
    relief = np.gradient(blur(thick, 0.8))
    weave = np.sin(columns * np.pi / 2.5) * np.sin(rows * np.pi / 2.5)
    light = 1 + 0.05 * marks + 0.22 * np.clip(relief[0] + relief[1], -0.4, 0.4) + 0.018 * weave
    hue = 0.03 * fractal((shape[0], shape[1]), (24, 20), rng, 4)
    return np.asarray(
        body * light[..., None] + hue[..., None] * np.array([1, 0.2, -0.8]), np.float32
    )


def _seams(
    planes: list[Polygon], shape: tuple[int, ...], scale: float, rng: np.random.Generator
) -> Field:
    """Dark lines along some of the planes' edges, as if dragged with a nearly dry brush."""
    board = Image.new("L", (shape[1], shape[0]))
    brush = ImageDraw.Draw(board)
    for plane in planes:
        for start, end in zip(plane, [*plane[1:], plane[0]], strict=True):
            if rng.random() < 0.55:
                points = [(start[0] * scale, start[1] * scale), (end[0] * scale, end[1] * scale)]
                brush.line(points, int(rng.integers(90, 256)), int(rng.integers(2, 7)))
    dry = fractal((shape[0], shape[1]), (70, 60), rng, 4, 0.7)
    line = blur(np.asarray(board, np.float32) / 255, 0.9)
    return np.asarray(line * smoothstep(-1.5, 0.2, dry), np.float32)
