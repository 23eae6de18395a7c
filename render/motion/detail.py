"""Keeping the detail of pictures that are carried from frame to frame: it would be lost, or grow.

Detail is the gradient energy of the luma: squared differences to the right and downward neighbour.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from render.motion.warp import positions
from render.pixels import LUMA, FloatMap

GAIN = 1.12
"""Most by which the gradient energy of a carried picture may differ from that of the picture it comes
from. A resampling costs detail, and a quadratic pull towards a picture that never fits exactly costs
more: over 24 frames a third of it. Painting over what is painted adds some, over 130 frames a third,
which shows as specks. With this gain a chain keeps the sharpness that it is to have."""
OVERSHOOT = 1.5
"""Times what is missing of the wanted energy, or is too much, that is made good at once, in logarithms:
painting takes away a part of what a carried picture is given. From 2 on errors would grow."""
STRONGEST = 1.0
"""Largest share of the unsharp mask that is added or taken away."""

_RADIUS = 1.0
_BLOCK = 8
"""Pixels each way over which detail of content and painting is compared: strokes lie beside edges."""
_FAR = 2.0
"""Of content with so many times more detail than that which was seen, or less, nothing is known; nor of
paintings, from others."""
_LITTLE = 1e-4
"""As good as no detail: what a camera's noise has, where typical content has 1e-2."""


@dataclass(frozen=True)
class Detail:
    """How much detail a painting has where its content has so much: `base + slope · content`.

    Seen in a frame that was painted by itself, it foretells what others would have if they were: the
    first of a chain, and on the way probes, which are painted for this alone. On a slow pan what
    paintings of 150 evaluations foretold for frames 8, 16, 24, 32 and 40 further on was wrong by 2.5,
    3.8, 5.3, 6.8 and 8.3% (root mean square; without the slope an eighth more), and over all frames by
    1.7% with one such probe in sixteen, by 3.0% with one in thirty-two.

    Attributes:
        base: where the content has none.
        slope: more of it for more in the content.
        content: mean of the content in which this was seen.
        share: of this, what the paintings of a chain have: a probe has other evaluations behind it, and
            an earlier stage too; `None`: this was seen in the chain itself.
    """

    base: float
    slope: float
    content: float
    share: float | None = None

    def expected(self, content: FloatMap) -> FloatMap | None:
        """Detail (H×W) of a painting of H×W×3 content, 0 to 1; `None` if too little is known for it.

        A fade from black is no measure for the scene.
        """
        there = energy_map(content)
        ratio = (float(there.mean(dtype=np.float64)) + _LITTLE) / (self.content + _LITTLE)
        if not 1 / _FAR <= ratio <= _FAR:
            return None
        share = 1.0 if self.share is None else self.share
        return np.float32(share * self.base) + np.float32(share * self.slope) * there

    @property
    def mean(self) -> float:
        """Mean over the frame in which it was seen."""
        return self.base + self.slope * self.content


def seen(content: FloatMap, painting: FloatMap) -> Detail:
    """What a frame shows of its painting's detail; least squares over blocks, nothing negative.

    Args:
        content: H×W×3, 0 to 1.
        painting: likewise.
    """
    of_content, of_painting = energy_map(content), energy_map(painting)
    means = [float(each.mean(dtype=np.float64)) for each in (of_content, of_painting)]
    size = [max(1, side // _BLOCK) for side in of_content.shape[::-1]]
    x, y = (
        cv2.resize(each, size, interpolation=cv2.INTER_AREA).astype(np.float64) - mean
        for each, mean in zip((of_content, of_painting), means, strict=True)
    )
    variance = float((x * x).mean()) + _LITTLE**2  # so that next to no detail explains nothing
    steepest = means[1] / means[0] if means[0] > 0 else 0.0
    slope = min(max(float((x * y).mean()) / variance, 0.0), steepest)
    return Detail(means[1] - slope * means[0], slope, means[0])


def known(before: Detail | None, line: Detail | None) -> Detail | None:
    """What a frame goes by; `None`: nothing yet.

    Args:
        before: what the frame before it knew.
        line: what another painting of the same content has shown, a probe or an earlier stage.
    """
    if line is None or before is None:
        return before
    return None if before.share is None else replace(line, share=before.share)


def anew(content: FloatMap, painting: FloatMap, line: Detail | None) -> Detail:
    """What is known where nothing was known of such content: what its painting shows.

    Args:
        content: H×W×3, 0 to 1.
        painting: likewise.
        line: see `known`.
    """
    own = seen(content, painting)
    if line is None or min(line.mean, own.mean) < _LITTLE:
        return own
    share = own.mean / line.mean
    return replace(line, share=share) if 1 / _FAR <= share <= _FAR else own


def keep_detail(
    warped: FloatMap,
    picture: FloatMap,
    flow: FloatMap,
    mask: FloatMap,
    wanted: FloatMap | None = None,
) -> FloatMap:
    """`warped` with its fine detail brought to the gradient energy that `picture` has there.

    One factor for the whole frame: the unsharp mask (Gaussian, 1 pixel) is added as often as brings
    the energy of the luma's gradient, where the flow can be trusted, to that of the picture, or by up
    to `GAIN` from there to what is wanted and, by `OVERSHOOT`, beyond. What is wanted follows the
    content alone, so that a still camera adds nothing up. The energy is quadratic in the factor, which
    is found in closed form.

    Args:
        warped: H×W×3, 0 to 1: `picture` carried along `flow`.
        picture: H×W×3, 0 to 1.
        flow: H×W×2, in pixels.
        mask: H×W, 0 to 1, where the flow can be trusted.
        wanted: H×W, energy to be had on average, see `Detail`; `None`: that of `picture`.

    Returns:
        H×W×3, 0 to 1.
    """
    columns, rows = positions(flow)
    carried = cv2.remap(
        energy_map(picture), columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    energy = own = float((carried * mask).sum(dtype=np.float64))
    if wanted is not None and own > 0:
        missing = (float((wanted * mask).sum(dtype=np.float64)) / own) ** OVERSHOOT
        energy = own * min(GAIN, max(1 / GAIN, missing))
    return with_energy(warped, mask, energy)


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


def energy_map(picture: FloatMap) -> FloatMap:
    """Squared gradient (H×W) of the luma, by differences to the right and downward neighbour."""
    luma = picture @ LUMA
    squares = np.zeros_like(luma)
    squares[:, :-1] += np.diff(luma, axis=1) ** 2
    squares[:-1] += np.diff(luma, axis=0) ** 2
    return squares
