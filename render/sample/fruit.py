"""A still life: fruit on a table, traced ray by ray, with soft shadows and reflected light."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from render.sample.noise import Field, Picture, fractal, mix, ramp, sample, smoothstep, to_picture

_SCALE = 2
_EYE = np.array([0.0, 1.75, -6.2], np.float32)
_TILT = -0.19
_FOCAL = 1.85
_LIGHT = np.array([-0.62, 0.66, -0.42], np.float32)
_FURTHEST = 1e6

Stops = tuple[tuple[float, str], ...]
_ORANGE: Stops = ((0, "#b34a06"), (0.5, "#ec8412"), (1, "#ffb13a"))
_APPLE: Stops = ((0, "#6e0d14"), (0.5, "#b81d1f"), (0.75, "#d9622a"), (1, "#e8c24a"))
_GREENGAGE: Stops = ((0, "#6f7a1e"), (0.5, "#a8ae35"), (1, "#e3d566"))
_GRAPE: Stops = ((0, "#1c1030"), (0.5, "#3f2360"), (1, "#7a5a96"))
_LEMON: Stops = ((0, "#c99a0a"), (0.5, "#f2cf25"), (1, "#fff07a"))


@dataclass(frozen=True)
class _Ball:
    x: float
    z: float
    radius: float
    skin: Stops
    lift: float = 0.0
    pores: float = 0.0

    @property
    def centre(self) -> Field:
        return np.array([self.x, self.radius + self.lift, self.z], np.float32)


_BALLS = (
    _Ball(-1.05, 0.25, 0.62, _ORANGE, pores=0.10),
    _Ball(0.15, 0.75, 0.66, _APPLE),
    _Ball(-0.42, 0.62, 0.52, _ORANGE, lift=0.92, pores=0.10),
    _Ball(1.42, 0.35, 0.60, _APPLE),
    _Ball(-2.1, 0.9, 0.58, _GREENGAGE),
    _Ball(2.35, 1.3, 0.62, _ORANGE, pores=0.10),
    _Ball(-0.25, -0.72, 0.42, _LEMON, pores=0.08),
    _Ball(-1.75, -0.55, 0.40, _GREENGAGE),
    *(
        _Ball(
            0.66 + 0.30 * column + 0.15 * (row % 2) + 0.13 * layer,
            -1.05 + 0.27 * row + 0.08 * layer,
            0.17,
            _GRAPE,
            lift=0.25 * layer,
        )
        for layer, rows, columns in ((0, 3, 4), (1, 2, 3), (2, 1, 2))
        for row in range(rows)
        for column in range(columns)
    ),
)


def fruit(width: int = 480, height: int = 360, seed: int = 4) -> Picture:
    """The photograph: H×W×3."""
    rng = np.random.default_rng(seed)
    shape = (height * _SCALE, width * _SCALE)
    rays = _rays(shape)
    near, owner = _nearest(rays)
    table = -_EYE[1] / np.minimum(rays[..., 1], -1e-6)
    ground = (table > 0) & (table < np.minimum(near, 13))
    distance = np.where(ground, table, near)
    distance = np.where(distance >= _FURTHEST, 0, distance).astype(np.float32)
    points = _EYE + rays * distance[..., None]

    grain = fractal((512, 512), (4, 40), rng, 6, 0.6)
    knots = fractal((512, 512), (6, 6), rng, 4)
    wood = sample(
        grain,
        points[..., 0] * 60 + 14 * sample(knots, points[..., 0] * 25, points[..., 2] * 50),
        points[..., 2] * 18,
    )
    board = np.abs((points[..., 2] * 0.8 + 0.2) % 1 - 0.5)
    colours = ramp(0.5 + 0.2 * wood, ((0, "#3d2010"), (0.5, "#8a5228"), (1, "#c98d4e")))
    colours *= (1 - 0.6 * smoothstep(0.485, 0.498, board))[..., None]
    normals = np.zeros((*shape, 3), np.float32)
    normals[..., 1] = 1
    for index, ball in enumerate(_BALLS):
        mine = (owner == index) & ~ground
        if mine.any():
            colours[mine], normals[mine] = _skin(ball, points[mine], rng)
    picture = _lit(points, normals, colours, rays, owner, ground)
    wall = _wall(shape, rng)
    picture = np.where((ground | (owner >= 0))[..., None], picture, wall)
    rows, columns = np.mgrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j]
    picture = picture * (1.02 - 0.22 * (rows**2 + columns**2))[..., None]
    picture += 0.012 * rng.standard_normal(shape, np.float32)[..., None]
    return np.array(Image.fromarray(to_picture(np.asarray(picture, np.float32))).reduce(_SCALE))


def _rays(shape: tuple[int, int]) -> Field:
    """Unit directions from the eye through every sample."""
    rows, columns = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32)
    x = (columns + 0.5 - shape[1] / 2) / shape[0]
    y = (shape[0] / 2 - rows - 0.5) / shape[0]
    c, s = np.cos(_TILT), np.sin(_TILT)
    rays = np.stack([x, c * y + s * _FOCAL, c * _FOCAL - s * y], -1)
    return np.asarray(rays / np.linalg.norm(rays, axis=-1, keepdims=True), np.float32)


def _nearest(rays: Field) -> tuple[Field, np.ndarray]:
    """Distance to the nearest ball along each ray, and which it is (-1: none)."""
    near = np.full(rays.shape[:2], _FURTHEST, np.float32)
    owner = np.full(rays.shape[:2], -1)
    for index, ball in enumerate(_BALLS):
        offset = _EYE - ball.centre
        half = rays @ offset
        inside = half**2 - offset @ offset + ball.radius**2
        distance = -half - np.sqrt(np.maximum(inside, 0))
        hit = (inside > 0) & (distance < near)
        near[hit], owner[hit] = distance[hit], index
    return near, owner


def _skin(ball: _Ball, points: Field, rng: np.random.Generator) -> tuple[Field, Field]:
    """Colours and normals at points on a ball."""
    normal = (points - ball.centre) / ball.radius
    around, up = np.arctan2(normal[:, 0], normal[:, 2]), np.arcsin(normal[:, 1].clip(-1, 1))
    patches = fractal((256, 256), (5, 8), rng, 4, 0.6)
    streaks = fractal((256, 256), (3, 40), rng, 3)
    u, v = around * 81.5, up * 81.5
    tone = 0.5 + 0.16 * sample(patches, u, v)
    if ball.skin is _APPLE:
        tone = tone - 0.12 + 0.12 * sample(streaks, u, v) + 0.3 * normal[:, 1] ** 3
    if ball.pores:
        pits = fractal((512, 512), (64, 64), rng, 2)
        for axis, (du, dv) in ((0, (2, 0)), (1, (0, 2))):
            slope = sample(pits, 2 * u + du, 2 * v + dv) - sample(pits, 2 * u - du, 2 * v - dv)
            normal[:, axis] += ball.pores * slope
        normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    colours = ramp(tone, ball.skin)
    if ball.skin is not _GRAPE:
        stalk = smoothstep(0.975, 0.995, normal[:, 1])
        colours = mix(colours, np.array([0.2, 0.14, 0.06]), stalk)
    return colours, np.asarray(normal, np.float32)


def _lit(
    points: Field,
    normals: Field,
    colours: Field,
    rays: Field,
    owner: np.ndarray,
    ground: np.ndarray,
) -> Field:
    """Light from the window, dimmed by shadows; sky and table light, dimmed by what is near."""
    light = _LIGHT / np.linalg.norm(_LIGHT)
    clear = np.ones(points.shape[:2], np.float32)
    ambient = np.ones(points.shape[:2], np.float32)
    for index, ball in enumerate(_BALLS):
        towards = ball.centre - points
        squared = np.einsum("hwc,hwc->hw", towards, towards)
        ahead = towards @ light
        other = (owner != index) | ground
        # How far the ray to the light passes the ball, over the width of the penumbra there.
        miss = np.sqrt(np.maximum(squared - ahead**2, 0)) - ball.radius
        shade = 1 - smoothstep(-0.09, 0.09, miss / np.maximum(ahead, 0.3))
        clear *= 1 - shade * ((ahead > 0) & other)
        facing = np.maximum(np.einsum("hwc,hwc->hw", normals, towards), 0)
        block = facing * ball.radius**2 / np.maximum(squared, ball.radius**2) ** 1.5
        ambient *= 1 - 0.75 * np.clip(block, 0, 1) * other
    toward_light = np.maximum(normals @ light, 0)
    half = light - rays
    half /= np.linalg.norm(half, axis=-1, keepdims=True)
    sheen = np.maximum(np.einsum("hwc,hwc->hw", normals, half), 0)
    gloss = np.where(ground, 0.06, 0.5) * sheen ** np.where(ground, 12, 55) * clear
    sun = 1.05 * (toward_light * clear)[..., None] * np.array([1.08, 1.0, 0.86], np.float32)
    sky = (
        0.50 * (ambient * (0.65 + 0.35 * normals[..., 1]))[..., None] * np.array([0.86, 0.95, 1.12])
    )
    bounce = 0.16 * np.maximum(-normals[..., 1], 0)[..., None] * np.array([1.0, 0.65, 0.4])
    return np.asarray(colours * (sun + sky + bounce) + gloss[..., None], np.float32)


def _wall(shape: tuple[int, int], rng: np.random.Generator) -> Field:
    """A plastered wall with the window's light slanting over it."""
    rows, columns = np.mgrid[0 : 1 : shape[0] * 1j, 0 : shape[1] / shape[0] : shape[1] * 1j]
    plaster = fractal(shape, (6, 8), rng, 7, 0.65)
    slant = columns * 0.9 - rows * 0.5
    pane = smoothstep(0.30, 0.34, slant) * smoothstep(1.02, 0.98, slant)
    bar = smoothstep(0.018, 0.03, np.abs(slant - 0.66)) * smoothstep(
        0.018, 0.03, np.abs(rows + 0.12 * columns - 0.24)
    )
    tone = 0.30 + 0.10 * plaster + 0.36 * pane * bar - 0.12 * columns
    return ramp(tone, ((0, "#232c33"), (0.4, "#5b6f70"), (0.7, "#b3ab86"), (1, "#e9d9a6")))
