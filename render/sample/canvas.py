"""A transparent sheet on which things are drawn in scene units."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from render.sample.noise import Field, Picture, fractal

Point = tuple[float, float]
Colour = str | tuple[int, int, int]


def ink(colours: Field) -> tuple[int, int, int]:
    """One colour of three numbers from 0 to 1 as it is drawn with; beyond that, the nearest."""
    r, g, b = (int(min(max(255 * c, 0), 255)) for c in colours.tolist())
    return r, g, b


class Canvas:
    """A sheet of `width` by `height` scene units with its corner at `corner`, `density` texels each.

    Edges are not smoothed: scenes are drawn several times too large and averaged down.
    """

    def __init__(self, corner: Point, width: float, height: float, density: float) -> None:
        self.corner = corner
        self.density = density
        size = (max(2, round(width * density)), max(2, round(height * density)))
        self.image = Image.new("RGBA", size)
        self._draw = ImageDraw.Draw(self.image)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.image.height, self.image.width

    def grid(self) -> tuple[Field, Field]:
        """Scene x (1×W) and y (H×1) of the texels' centres."""
        rows, columns = self.shape
        x = (np.arange(columns, dtype=np.float32) + 0.5) / self.density + self.corner[0]
        y = (np.arange(rows, dtype=np.float32) + 0.5) / self.density + self.corner[1]
        return x[None, :], y[:, None]

    def _texels(self, points: Sequence[Point]) -> list[Point]:
        left, top = self.corner
        return [((x - left) * self.density, (y - top) * self.density) for x, y in points]

    def polygon(self, points: Sequence[Point], fill: Colour) -> None:
        """Fill the polygon through `points`."""
        self._draw.polygon(self._texels(points), fill)

    def line(self, points: Sequence[Point], width: float, fill: Colour) -> None:
        """Draw a line through `points`, `width` scene units wide, but never under one texel."""
        texels = max(1, round(width * self.density))
        self._draw.line(self._texels(points), fill, texels, joint="curve")

    def ellipse(self, centre: Point, rx: float, ry: float, fill: Colour) -> None:
        """Fill an ellipse with the half axes `rx` and `ry`."""
        (x, y), (a, b) = self._texels([centre])[0], (rx * self.density, ry * self.density)
        self._draw.ellipse((x - a, y - b, x + a, y + b), fill)

    def paste(self, picture: Picture) -> None:
        """Lay an RGBA picture of the sheet's own size over what is there."""
        self.image.alpha_composite(Image.fromarray(picture))
        self._draw = ImageDraw.Draw(self.image)

    def grain(self, rng: np.random.Generator, cell: float, amount: float) -> None:
        """Vary the brightness of all that is drawn by noise with cells of `cell` scene units."""
        rows, columns = self.shape
        cells = (
            max(1, round(rows / self.density / cell)),
            max(1, round(columns / self.density / cell)),
        )
        pixels = np.array(self.image)
        light = 1 + amount * fractal(self.shape, cells, rng, octaves=3, gain=0.7)
        pixels[..., :3] = np.clip(pixels[..., :3] * light[..., None], 0, 255)
        self.paste(pixels)

    def picture(self) -> Picture:
        """What has been drawn, RGBA."""
        return np.array(self.image)
