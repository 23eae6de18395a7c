"""Keeping the detail of pictures that are carried from frame to frame: it would be lost, or grow."""

from __future__ import annotations

import cv2
import numpy as np

from render.motion.flow import FloatMap
from render.motion.warp import positions

GAIN = 1.07
"""Most by which the gradient energy of a carried picture may differ from that of the picture it comes
from. A resampling costs detail, and a quadratic pull towards a picture that never fits exactly costs
more: over 24 frames a third of it. Painting over what is painted adds some, over 130 frames a third,
which shows as specks. With this gain a chain keeps the sharpness of its first frame."""
STRONGEST = 1.0
"""Largest share of the unsharp mask that is added or taken away."""

LUMA = np.array([0.2126, 0.7152, 0.0722], dtype=np.float32)
"""Rec. 709 luma of gamma-coded RGB."""
_RADIUS = 1.0
_MOVING = 0.1
"""Pixels a frame from which on a side of the frame brings something into view."""
_NEAR = 31
"""Pixels, across, around one that came into view in which its detail is looked at."""


def keep_detail(
    warped: FloatMap,
    picture: FloatMap,
    flow: FloatMap,
    mask: FloatMap,
    level: float | None = None,
) -> FloatMap:
    """`warped` with its fine detail brought to the gradient energy that `picture` has there.

    One factor for the whole frame: the unsharp mask (Gaussian, 1 pixel) is added as often as brings
    the energy of the luma's gradient, where the flow can be trusted, to that of the picture, or by up
    to `GAIN` from there towards `level`. The level is fixed, so that a still camera adds nothing up.
    The energy is quadratic in the factor, which is found in closed form.

    Args:
        warped: H×W×3, 0 to 1: `picture` carried along `flow`.
        picture: H×W×3, 0 to 1.
        flow: H×W×2, in pixels.
        mask: H×W, 0 to 1, where the flow can be trusted.
        level: mean energy to be kept along a chain, as `detail` gives it; `None`: that of
            `picture`.

    Returns:
        H×W×3, 0 to 1.
    """
    columns, rows = positions(flow)
    carried = cv2.remap(
        energy_map(picture), columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    own = float((carried * mask).sum(dtype=np.float64))
    wanted = own
    if level is not None:
        wanted = min(GAIN * own, max(own / GAIN, level * float(mask.sum(dtype=np.float64))))
    return with_energy(warped, mask, wanted)


def with_energy(picture: FloatMap, mask: FloatMap, wanted: float) -> FloatMap:
    """`picture` with more or less of its unsharp mask, so that its gradient energy is `wanted`.

    Args:
        picture: H×W×3, 0 to 1.
        mask: H×W, 0 to 1, by which the energy of each pixel counts.
        wanted: sum over the pixels.

    Returns:
        H×W×3, 0 to 1; the picture itself where none of it brings that energy.
    """
    fine = np.asarray(picture - cv2.GaussianBlur(picture, (0, 0), _RADIUS), np.float32)

    def energy(factor: float) -> float:
        raised = picture + np.float32(factor) * fine
        return float((energy_map(raised) * mask).sum(dtype=np.float64))

    less, now, more = energy(-1), energy(0), energy(1)
    square, linear = (more + less) / 2 - now, (more - less) / 2
    root = linear * linear - 4 * square * (now - wanted)
    if square <= 0 or root < 0:
        return picture
    factor = max(-STRONGEST, min(STRONGEST, float((np.sqrt(root) - linear) / (2 * square))))
    return np.asarray(np.clip(picture + np.float32(factor) * fine, 0, 1), dtype=np.float32)


def detail(picture: FloatMap) -> float:
    """Mean gradient energy of the luma of an H×W×3 picture, 0 to 1."""
    return float(energy_map(picture).mean(dtype=np.float64))


def level_after(level: float, picture: FloatMap, flow: FloatMap) -> float:
    """The level of the frames after one that was kept at `level`: what came into view has its own.

    A still camera's level stays for ever; that of a pan is, once all has changed, that of what is seen
    then, which the first frame's need not suit.

    Args:
        level: see `keep_detail`.
        picture: H×W×3, 0 to 1, as it was painted.
        flow: H×W×2, to the frame that it was carried from.
    """
    # Over a whole side: sensor noise alone moves single pixels, out of the frame, too.
    inwards = (-flow[:, 0, 0], flow[:, -1, 0], -flow[0, :, 1], flow[-1, :, 1])
    if max(float(side.mean()) for side in inwards) < _MOVING:
        return level
    # Not `outside_frame`, to which half a pixel is nothing: a slow pan would bring nothing into view.
    columns, rows = positions(flow)
    height, width = columns.shape
    beyond = (columns < 0) | (columns > width - 1) | (rows < 0) | (rows > height - 1)
    near = cv2.dilate(beyond.astype(np.uint8), np.ones((_NEAR, _NEAR), np.uint8)) > 0
    # The last row and column have but one of the two differences.
    own = float(energy_map(picture)[:-1, :-1][near[:-1, :-1]].mean(dtype=np.float64))
    share = float(beyond.mean())
    return (1 - share) * level + share * own


def energy_map(picture: FloatMap) -> FloatMap:
    """Squared gradient (H×W) of the luma, by differences to the right and downward neighbour."""
    luma = picture @ LUMA
    squares = np.zeros_like(luma)
    squares[:, :-1] += np.diff(luma, axis=1) ** 2
    squares[:-1] += np.diff(luma, axis=0) ** 2
    return squares
