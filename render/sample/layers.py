"""Flat layers moved by affine maps: how frames are drawn, and what is exactly true of them.

A scene is a stack of layers, farthest first. Each layer has a picture with a coverage and, for every
moment of its shot, an affine map from its own plane to the view. The uppermost layer that covers a
point decides what is seen there and how it moves, so flow and occlusion follow in closed form.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from render.sample.canvas import Canvas, Point
from render.sample.noise import Field, Picture

Affine = npt.NDArray[np.float64]
"""3×3 matrix that maps homogeneous columns (x, y, 1)."""
Motion = Callable[[float], Affine]
"""Phase of the shot (0 at its first frame, 1 at its last) -> map from the layer to the view."""

SUPERSAMPLING = 3
"""Samples of a pixel across and down; their mean is the pixel."""


def shift(x: float, y: float) -> Affine:
    """Translation by (x, y)."""
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]], np.float64)


def scale(factor: float, centre: Point = (0, 0)) -> Affine:
    """Enlargement by `factor` about `centre`."""
    x, y = centre
    return np.array(
        [[factor, 0, x - factor * x], [0, factor, y - factor * y], [0, 0, 1]], np.float64
    )


def turn(degrees: float) -> Affine:
    """Rotation about the origin, clockwise as seen (y points down)."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]], np.float64)


@dataclass(frozen=True)
class Layer:
    """A picture in a plane of its own.

    Attributes:
        name: what it shows.
        picture: H×W×4, straight alpha.
        corner: position of the picture's upper left corner in the layer's plane.
        density: texels in a unit of the plane.
        motion: map from the plane to the view, by phase.
    """

    name: str
    picture: Picture
    corner: Point
    density: float
    motion: Motion

    @classmethod
    def of(cls, name: str, sheet: Canvas, motion: Motion) -> Layer:
        """What has been drawn on `sheet`, moved by `motion`."""
        return cls(name, sheet.picture(), sheet.corner, sheet.density, motion)

    def texels(self) -> Affine:
        """Map from the plane to texels (0, 0 is the picture's upper left corner)."""
        return scale(self.density) @ shift(-self.corner[0], -self.corner[1])

    def covers(self, x: Field, y: Field) -> npt.NDArray[np.bool_]:
        """Whether the layer covers points of its plane."""
        matrix = self.texels()
        column = np.floor(matrix[0, 0] * x + matrix[0, 2]).astype(np.int64)
        row = np.floor(matrix[1, 1] * y + matrix[1, 2]).astype(np.int64)
        height, width = self.picture.shape[:2]
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        alpha = self.picture[row.clip(0, height - 1), column.clip(0, width - 1), 3]
        return np.asarray(inside & (alpha > 127), np.bool_)


def draw(layers: Sequence[Layer], view: Affine, width: int, height: int, phase: float) -> Picture:
    """The frame at `phase`: H×W×3, smoothed by supersampling; `view` maps the view to pixels."""
    sheet = Image.new("RGBA", (width * SUPERSAMPLING, height * SUPERSAMPLING), "black")
    for layer in layers:
        placed = scale(SUPERSAMPLING) @ view @ layer.motion(phase) @ np.linalg.inv(layer.texels())
        rows, columns = layer.picture.shape[:2]
        corners = placed @ np.array([[0, columns, 0, columns], [0, 0, rows, rows], [1, 1, 1, 1]])
        left, top = np.floor(corners[:2].min(1)).astype(int).clip(0)
        right, bottom = np.ceil(corners[:2].max(1)).astype(int).clip(None, sheet.size)
        if right <= left or bottom <= top:
            continue
        back = np.linalg.inv(placed) @ shift(left, top)
        warped = Image.fromarray(layer.picture).transform(
            (int(right - left), int(bottom - top)),
            Image.Transform.AFFINE,
            tuple(back[:2].ravel().tolist()),
            Image.Resampling.BILINEAR,
        )
        sheet.alpha_composite(warped, (int(left), int(top)))
    # The blur widens the mean to a lens's soft spot: fine detail would shimmer otherwise.
    soft = sheet.convert("RGB").filter(ImageFilter.BoxBlur(SUPERSAMPLING // 2))
    return np.array(soft.reduce(SUPERSAMPLING))


def owners(
    layers: Sequence[Layer], view: Affine, phase: float, points: Field
) -> npt.NDArray[np.int64]:
    """Index of the layer seen at `points` (…×2, in pixels of the frame), -1 where there is none."""
    seen = np.full(points.shape[:-1], -1, np.int64)
    for index, layer in enumerate(layers):
        plane = apply(np.linalg.inv(view @ layer.motion(phase)), points)
        seen[layer.covers(plane[..., 0], plane[..., 1])] = index
    return seen


def follow(
    layers: Sequence[Layer],
    view: Affine,
    phases: tuple[float, float],
    points: Field,
    seen: npt.NDArray[np.int64],
) -> npt.NDArray[np.float64]:
    """Where the surface points seen at `points` at the first of `phases` are at the second.

    `seen` names the layer of each point, as `owners` gives it.
    """
    moved = np.array(points, np.float64)
    for index, layer in enumerate(layers):
        mine = seen == index
        step = view @ layer.motion(phases[1]) @ np.linalg.inv(view @ layer.motion(phases[0]))
        moved[mine] = apply(step, points[mine])
    return moved


def apply(matrix: Field, points: Field) -> npt.NDArray[np.float64]:
    """An affine map of points (…×2)."""
    return np.asarray(points @ matrix[:2, :2].T + matrix[:2, 2], np.float64)
