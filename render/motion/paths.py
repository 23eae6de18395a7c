"""The motion from one frame to another, near or far."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

from render.motion.flow import estimate_flow
from render.motion.reliability import outside_frame, reliability_mask
from render.motion.warp import positions
from render.pixels import FloatMap, Pixels

_ROUNDS = 2
"""Of a fixed-point iteration, which two bring to a hundredth of a pixel."""
_FARTHEST = 2.0
"""Pixels by which a flow is bent at most: farther from an inverse one of the two is wrong."""

FlowOf = Callable[[Pixels, Pixels], FloatMap]
"""Optical flow from one picture to another, as `estimate_flow` gives it."""


@dataclass(frozen=True)
class Motion:
    """Optical flow from a frame to another one (H×W×2) and where it can be trusted (H×W, 0 to 1)."""

    flow: FloatMap
    mask: FloatMap


class Motions:
    """Measures motion, and remembers the flows that were measured last.

    Args:
        kept: how many pairs of frames are remembered.
        flow: how a flow is measured.
    """

    def __init__(self, kept: int, flow: FlowOf = estimate_flow) -> None:
        self._kept = 2 * kept  # there and back
        self._measure = flow
        self._flows: OrderedDict[bytes, FloatMap] = OrderedDict()

    def along(self, frames: Sequence[Pixels], *, boundaries: bool = False) -> Motion:
        """The motion from the first of some frames to the last, step by step through all of them.

        Args:
            frames: H×W×3 each, at least two, each near the next.
            boundaries: whether the motion is trusted where it changes steeply too, though a pixel or two
                astray.
        """
        steps = [
            Motion(
                self._flow(a, b),
                reliability_mask(self._flow(a, b), self._flow(b, a), boundaries=boundaries),
            )
            for a, b in pairwise(frames)
        ]
        motion = steps[0]
        for onward in steps[1:]:
            motion = compose(motion, onward)
        return motion

    def towards(self, frames: Sequence[Pixels]) -> Motion:
        """The motion from the first of some frames to a later one, as it is seen from there.

        Flows there and back are measured each for itself, and miss each other by a tenth of a pixel or
        more. A picture that is carried along this motion and then back along the other, as the frames
        after it are, comes to lie where it was: on a hand-held clip that was most of what jumped at an
        anchor. Trusted at motion boundaries too: see `along`.
        """
        motion = self.along(frames, boundaries=True)
        return Motion(met(motion.flow, self.along(frames[::-1]).flow), motion.mask)

    def _flow(self, source: Pixels, target: Pixels) -> FloatMap:
        digest = hashlib.sha256(source.tobytes())
        digest.update(target.tobytes())
        key = digest.digest()
        found = self._flows.pop(key, None)
        if found is None:
            found = self._measure(source, target)
        self._flows[key] = found
        if len(self._flows) > self._kept:
            self._flows.popitem(last=False)
        return found


def met(flow: FloatMap, back: FloatMap) -> FloatMap:
    """A flow (H×W×2) bent to be the inverse of the one `back`, where it nearly is."""
    bent = flow
    for _ in range(_ROUNDS):
        columns, rows = positions(bent)
        there = cv2.remap(back, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        bent = -np.asarray(there, np.float32)
    far = np.abs(bent - flow).max(2, keepdims=True) > _FARTHEST
    return np.where(far, flow, bent)


def compose(motion: Motion, onward: Motion) -> Motion:
    """The motion from a to c, of that from a to b and that from b to c.

    A picture that is carried along it is resampled once, not once for each step. It can be trusted
    where both can.
    """
    columns, rows = positions(motion.flow)

    def carried(values: FloatMap) -> FloatMap:
        there = cv2.remap(values, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(there, np.float32)

    flow = motion.flow + carried(onward.flow)
    mask = motion.mask * carried(onward.mask)
    mask[outside_frame(flow)] = 0
    return Motion(flow, mask)
