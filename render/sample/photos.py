"""Stills that look like photographs: the clip's scenes from elsewhere, a still life, a cut-out."""

from __future__ import annotations

import numpy as np

from render.sample.craft import balloon
from render.sample.fruit import fruit
from render.sample.layers import SUPERSAMPLING, draw, scale, shift
from render.sample.noise import Picture
from render.sample.scenes import ASPECT, lake, tulips

_DENSITY = 240
"""Pixels in a scene unit: what the scenes are drawn for; the views below enlarge that a little."""


def photos(seed: int = 8) -> dict[str, Picture]:
    """The photographs by name, RGB; `balloon` is RGBA, cut out."""
    evening = lake(_DENSITY, seed)
    wide = draw(evening, scale(360), round(360 * ASPECT), 360, 0.15)
    morning = [layer for layer in tulips(_DENSITY, seed) if layer.name != "gull"]
    tall = draw(morning, scale(520) @ shift(-0.34, -0.02), 400, 500, 0.62)
    return {"lake": wide, "mill": tall, "fruit": fruit(), "balloon": _cut_out(seed)}


def _cut_out(seed: int) -> Picture:
    rng = np.random.default_rng([seed, 3])
    craft = balloon(300 * SUPERSAMPLING, 1.0, ("#1f6f78", "#f0e3c0", "#d9602c", "#f2b632"), rng)
    return np.array(craft.image.reduce(SUPERSAMPLING))
