"""Where an optical flow can be trusted."""

from __future__ import annotations

import math

import cv2
import numpy as np

from render.errors import EngineError
from render.motion.flow import LARGEST_SIDE
from render.motion.warp import positions
from render.pixels import LUMA, BoolMap, FloatMap

SMOOTHING = 1 / 256
"""Standard deviation of the inward smoothing, as a share of the long side."""

UNLIKE = 0.15
"""Difference of pixels (0 to 1), averaged around each, above which two do not show the same."""

STEEP = 0.016
"""Squared slope of a flow at rest up to which it is fully trusted; in the paper it is not from 0.002 on.
Up to here DIS is right within a pixel in nine of ten places, as often as where nothing changes (on the
sample clip), beyond it in eight, and soon in four. So there it is trusted less and less, by the square:
enough to calm what would be painted anew in every frame, too little to hold on to what is wrong. Held by
all of its weight, the rims of what moves fray and leave a wake."""

RELIT = 1.07
"""Ratio of contrasts from frame to frame above which the light changes too fast to keep a painting."""
RELIT_FAR = 1.5
"""The same of frames further apart: at two thirds of the light paintings look as in full light."""
FAINT = 0.02
"""Contrast (0 to 1) that counts for little: noise, of which carrying a picture takes away a part."""


def reliability_mask(flow: FloatMap, reverse: FloatMap, *, boundaries: bool = False) -> FloatMap:
    """Reliability mask of a flow: 1 where it can be trusted, 0 where not, smoothed inward.

    The criteria are those of Ruder et al., "Artistic Style Transfer for Videos" (2016), after Sundaram
    et al. (2010): with f the flow and r the reverse flow sampled at the point that f leads to, a pixel
    is unreliable

    - at an occlusion: |f + r|² ≥ 0.01 (|f|² + |r|²) + 0.5,
    - outside the frame: f leads further than half a pixel beyond the centre of the last one,

    and the less reliable, the steeper the flow is at a motion boundary; see `boundary_trust`.

    In pictures larger than the size at which flow is measured, errors are larger by the same
    factor, and so is the 0.5. Smoothing only ever lowers the mask, so nothing unreliable gains.

    Args:
        flow: H×W×2, from the frame to the previous one, in pixels.
        reverse: H×W×2, from the previous frame to the frame.
        boundaries: whether motion boundaries are as reliable as the rest.

    Returns:
        H×W in 0 to 1.

    Raises:
        EngineError: the two flows are empty or differ in size.
    """
    if flow.shape != reverse.shape or flow.ndim != 3 or flow.shape[2] != 2 or not flow.size:
        raise EngineError(
            f"a reliability mask needs two flows of one size, not {flow.shape}, {reverse.shape}"
        )
    unreliable = occlusions(flow, reverse) | outside_frame(flow)
    trust = np.where(unreliable, 0, 1 if boundaries else boundary_trust(flow)).astype(np.float32)
    # The blur of the zeros is exactly zero, so that the mask is exactly 1 away from all doubt.
    spread = cv2.GaussianBlur(1 - trust, (0, 0), SMOOTHING * max(trust.shape))
    return np.asarray(np.minimum(trust, np.clip(1 - spread, 0, 1)), dtype=np.float32)


def occlusions(flow: FloatMap, reverse: FloatMap) -> BoolMap:
    """True (H×W) where going along `flow` and back along `reverse` does not lead home."""
    columns, rows = positions(flow)
    back: FloatMap = np.asarray(
        cv2.remap(reverse, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE),
        dtype=np.float32,
    )
    enlarged = max(1.0, max(flow.shape[:2]) / LARGEST_SIDE)
    tolerance = 0.01 * (_energy(flow) + _energy(back)) + 0.5 * enlarged**2
    return np.asarray(_energy(flow + back) >= tolerance)


def boundary_trust(flow: FloatMap) -> FloatMap:
    """How far (H×W, 0 to 1) a flow f = (u, v) can be trusted for how steeply it changes.

    (`STEEP` / s)², at most 1, with s = |∇u|² + |∇v|² - 0.01 |f|², by central differences. Ruder et al.
    trust it where s ≤ 0.002, and nowhere else.
    """
    padded = np.pad(flow, ((1, 1), (1, 1), (0, 0)), mode="edge")
    across: FloatMap = (padded[1:-1, 2:] - padded[1:-1, :-2]) / np.float32(2)
    down: FloatMap = (padded[2:, 1:-1] - padded[:-2, 1:-1]) / np.float32(2)
    steepness = _energy(across) + _energy(down) - np.float32(0.01) * _energy(flow)
    return np.asarray((STEEP / np.maximum(steepness, STEEP)) ** 2, dtype=np.float32)


def outside_frame(flow: FloatMap) -> BoolMap:
    """True (H×W) where the flow leads out of the frame."""
    height, width = flow.shape[:2]
    columns, rows = positions(flow)
    return np.asarray(
        (columns < -0.5) | (columns > width - 0.5) | (rows < -0.5) | (rows > height - 0.5)
    )


def unlike(picture: FloatMap, carried: FloatMap) -> BoolMap:
    """True (H×W) where a picture that was carried along a flow shows something else than it should.

    A flow finds a way from a frame in a flash to one without, there and back again, that means nothing.
    Where a flow is right the two differ by noise, and by what the light changes from frame to frame: on
    a hand-held clip 0.01% of what could be trusted went beyond `UNLIKE`, in a flash all.

    Args:
        picture: H×W×3, 0 to 1.
        carried: likewise.
    """
    difference = np.abs(picture - carried).mean(axis=2, dtype=np.float32)
    around = 2 * SMOOTHING * max(difference.shape)
    return np.asarray(cv2.GaussianBlur(difference, (0, 0), around) > UNLIKE)


def relit(picture: FloatMap, carried: FloatMap, mask: FloatMap, steps: int = 1) -> bool:
    """Whether the light has changed so much that a painting of the one is none of the other.

    As in the first or last twelve frames of a fade. What is painted from next to no content is an even
    pattern of the finest strokes. Held on to while the light comes up, it was there still in full
    light, except for a patch with a hard edge where the flow had been lost in the dark.

    Measured by the contrast of what can be trusted, which no motion changes: from frame to frame of a
    hand-held clip by 5% at most (half of them: 0.2%), in a fade of twelve frames by 9% in the last.

    Args:
        picture: H×W×3, 0 to 1.
        carried: likewise.
        mask: H×W, 0 to 1, where the two show the same.
        steps: from one frame to the other.
    """
    weight = mask.sum(dtype=np.float64)
    if weight == 0:
        return False

    def contrast(luma: FloatMap) -> float:
        mean = (luma * mask).sum(dtype=np.float64) / weight
        variance = float(((luma - mean) ** 2 * mask).sum(dtype=np.float64) / weight)
        return math.sqrt(variance + FAINT**2)

    now, before = contrast(picture @ LUMA), contrast(carried @ LUMA)
    return max(now, before) > min(RELIT**steps, RELIT_FAR) * min(now, before)


def _energy(flow: FloatMap) -> FloatMap:
    return np.asarray(flow[..., 0] ** 2 + flow[..., 1] ** 2, dtype=np.float32)
