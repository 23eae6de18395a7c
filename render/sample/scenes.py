"""The two scenes of the sample clip: which layers there are and how they and the camera move.

Scene units: the view is 1 high and `ASPECT` wide, y points down.
"""

from __future__ import annotations

import numpy as np

from render.sample.canvas import Canvas
from render.sample.craft import balloon, boat, gull
from render.sample.land import flower_field, hills, mountains, skyline, water
from render.sample.layers import SUPERSAMPLING, Affine, Layer, Motion, scale, shift, turn
from render.sample.mill import house, mill_sails, windmill
from render.sample.plants import DUSK, GREENS, foliage, poplar, reeds, tree
from render.sample.sky import evening_sky, morning_sky

ASPECT = 16 / 9
_PAN = 0.26
_ZOOM = 0.16
_HUB = (0.72, 0.40)
_SHORE = 0.57


def _panned(depth: float, path: Motion | None = None) -> Motion:
    """A layer at `depth` (0 far away, 1 near) under a camera that pans to the right."""

    def motion(phase: float) -> Affine:
        camera = shift(-_PAN * depth * phase, 0.02 * depth * phase)
        return camera if path is None else camera @ path(phase)

    return motion


def _approached(depth: float, path: Motion | None = None) -> Motion:
    """A layer at `depth` under a camera that comes nearer to the mill's hub, with a slight drift."""

    def motion(phase: float) -> Affine:
        camera = shift(-0.05 * depth * phase, 0) @ scale(1 + _ZOOM * depth * phase, _HUB)
        return camera if path is None else camera @ path(phase)

    return motion


def lake(density: float, seed: int) -> tuple[Layer, ...]:
    """Evening on a lake: a white and a red boat pass each other, reeds and leaves in front.

    `density` is the number of pixels in a scene unit of the frames to be drawn.
    """
    rng = np.random.default_rng([seed, 1])
    density *= SUPERSAMPLING
    left, wide = -0.03, ASPECT + _PAN * 0.5 + 0.06
    sky = Canvas((left, -0.03), wide, _SHORE + 0.06, density)
    sky.paste(evening_sky(sky, _SHORE, (0.52, 0.27), rng))
    range_ = Canvas((left, 0.1), wide, _SHORE - 0.08, density)
    range_.paste(mountains(range_, _SHORE + 0.01, 0.22, rng))
    land = Canvas((left, 0.3), wide, _SHORE - 0.3, density)
    _shore(land, rng)
    behind = sky.image.copy()
    for sheet in (range_, land):
        behind.alpha_composite(sheet.image, (0, round((sheet.corner[1] + 0.03) * density)))
    behind = behind.crop((0, 0, behind.width, round((_SHORE + 0.03) * density)))
    lake_ = Canvas((left, _SHORE - 0.004), wide, 1.05 - _SHORE, density)
    colours = np.asarray(behind)[..., :3] / np.float32(255)
    lake_.paste(water(lake_, colours, _SHORE - 0.004, rng))

    cream = ((0, "#94806a"), (0.5, "#dccba8"), (1, "#fff6e0"))
    russet = ((0, "#4f1512"), (0.5, "#a83220"), (1, "#e8703f"))
    small = boat(density, 0.36, russet, ((0, "#20150e"), (0.5, "#5a3a22"), (1, "#d9b27a")), rng)
    large = boat(density, 0.56, cream, ((0, "#7b231c"), (0.5, "#27465c"), (1, "#efe2c4")), rng)
    bird = gull(density, 0.3, rng)
    bank = Canvas((-0.1, 0.62), ASPECT + _PAN * 1.5 + 0.2, 0.42, density)
    reeds(bank, 0.95, ASPECT + 0.5, 1.03, 0.3, rng)
    bough = Canvas((-0.3, -0.25), 1.3, 0.75, density)
    _bough(bough, rng)
    return (
        Layer.of("sky", sky, _panned(0.06)),
        Layer.of("mountains", range_, _panned(0.15)),
        Layer.of("shore", land, _panned(0.35)),
        Layer.of("water", lake_, _panned(0.35)),
        Layer.of("red boat", small, _panned(0.4, lambda p: shift(0.78 + 0.20 * p, 0.665))),
        Layer.of("white boat", large, _panned(0.6, lambda p: shift(1.16 - 0.12 * p, 0.80))),
        Layer.of(
            "gull",
            bird,
            _panned(0.2, lambda p: shift(0.95 - 0.30 * p, 0.28 - 0.06 * p) @ turn(5 - 9 * p)),
        ),
        Layer.of("reeds", bank, _panned(1.5)),
        Layer.of("bough", bough, _panned(1.0)),
    )


def _shore(land: Canvas, rng: np.random.Generator) -> None:
    """The far shore: fields, a village with its church, trees down to the waterline."""
    fields = ((0, "#3c4a24"), (0.4, "#77702f"), (0.7, "#b08a3f"), (1, "#8a5a34"))
    back = skyline(land, 0.485, 0.02, 4, rng)
    land.paste(hills(land, back, _SHORE, fields, rng))
    for x, y, width, wall, roof, tower in (
        (0.98, 0.535, 0.055, "#e2d2b0", "#8e3a28", False),
        (1.10, 0.525, 0.075, "#efe3c8", "#7a3428", True),
        (1.23, 0.54, 0.06, "#d8bd94", "#a04a2c", False),
        (1.31, 0.53, 0.05, "#e9dcc0", "#6e3226", False),
        (0.30, 0.535, 0.06, "#e2d2b0", "#8e3a28", False),
    ):
        house(land, (x, y), width, wall, roof, tower)
    right = land.corner[0] + land.shape[1] / land.density
    for x in np.sort(rng.uniform(land.corner[0], right, 34)).tolist():
        foot = (x, 0.566 - float(rng.uniform(0, 0.03)))
        kind = poplar if rng.random() < 0.35 else tree
        kind(land, foot, float(rng.uniform(0.05, 0.11)), DUSK, rng, 220)


def _bough(sheet: Canvas, rng: np.random.Generator) -> None:
    """A leafy bough that hangs into the picture from the upper left."""
    for end, width in (((0.62, 0.10), 0.03), ((0.42, 0.24), 0.022), ((0.2, 0.3), 0.02)):
        sheet.line(((-0.3, -0.08), (0.1, -0.02), end), width, "#2a1a10")
    for x, y, r in (
        (-0.15, 0.0, 0.17),
        (0.02, 0.16, 0.14),
        (0.08, -0.06, 0.16),
        (0.22, 0.27, 0.10),
        (0.27, -0.02, 0.13),
        (0.40, 0.20, 0.09),
        (0.45, 0.02, 0.11),
        (0.62, 0.09, 0.085),
        (0.10, 0.33, 0.08),
    ):
        foliage(sheet, (x, y), r, 0.85 * r, DUSK, rng, 420, leaf=0.12, light=(0.7, 0.6))


def tulips(density: float, seed: int) -> tuple[Layer, ...]:
    """A morning among tulips: the sails of a mill turn, a balloon passes behind them.

    `density` is the number of pixels in a scene unit of the frames to be drawn.
    """
    rng = np.random.default_rng([seed, 2])
    density *= SUPERSAMPLING
    horizon = 0.66
    # Clouds have no fine detail: half the texels do.
    sky = Canvas((-0.1, -0.1), ASPECT + 0.2, horizon + 0.14, density / 2)
    sky.paste(morning_sky(sky, horizon, rng))
    far = Canvas((-0.1, 0.5), ASPECT + 0.2, 0.2, density)
    _plain(far, horizon, rng)
    field = Canvas((-0.06, horizon), ASPECT + 0.16, 1.04 - horizon, density)
    flower_field(field, horizon, 0.95, rng)
    tower = windmill(density, 0.5, rng)
    sails = mill_sails(density, 0.42, rng)
    craft = balloon(density, 0.5, ("#c8352b", "#f2b632", "#2c5f8a", "#f2e6c4"), rng)
    bird = gull(density, 0.34, rng)
    hub = shift(*_HUB)
    return (
        Layer.of("sky", sky, _approached(0.1)),
        Layer.of(
            "balloon", craft, _approached(0.2, lambda p: shift(1.30 - 0.26 * p, 0.30 - 0.02 * p))
        ),
        Layer.of("plain", far, _approached(0.5)),
        Layer.of("field", field, _approached(1.0)),
        Layer.of("mill", tower, _approached(1.0, lambda _: shift(_HUB[0], _HUB[1] + 0.47))),
        Layer.of("sails", sails, _approached(1.0, lambda p: hub @ turn(18 + 46 * p))),
        Layer.of(
            "gull",
            bird,
            _approached(1.2, lambda p: shift(0.55 - 0.3 * p, 0.72 - 0.16 * p) @ turn(8 - 10 * p)),
        ),
    )


def _plain(far: Canvas, horizon: float, rng: np.random.Generator) -> None:
    """The distance behind the field: meadows, rows of trees, a village."""
    meadows = ((0, "#6f8f4a"), (0.5, "#9cae62"), (1, "#c9bd78"))
    far.paste(
        hills(far, skyline(far, horizon - 0.035, 0.006, 4, rng), horizon + 0.04, meadows, rng)
    )
    for x, width, tower in (
        (1.42, 0.05, False),
        (1.52, 0.06, True),
        (1.64, 0.055, False),
        (0.2, 0.05, False),
    ):
        house(far, (x, horizon - 0.004), width, "#e8dcc2", "#9a4a34", tower)
    right = far.corner[0] + far.shape[1] / far.density
    for x in np.sort(rng.uniform(far.corner[0], right, 46)).tolist():
        kind = poplar if rng.random() < 0.3 else tree
        kind(
            far,
            (x, horizon + float(rng.uniform(0, 0.012))),
            float(rng.uniform(0.05, 0.10)),
            GREENS,
            rng,
            200,
        )
