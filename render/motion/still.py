"""Where nothing happens from one frame to the next."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

REACH = 8
"""A pixel stands still if none changes within this many pixels: strokes beside a change may give."""


def standing_still(
    frame: npt.NDArray[np.uint8], before: npt.NDArray[np.uint8]
) -> npt.NDArray[np.bool_]:
    """True (H×W) where two H×W×3 frames are equal, each pixel with its surroundings.

    Equal to the last level: with any tolerance a slow fade, all small steps, would never be seen. A
    camera's noise is never equal, but drawings, screens, repeated frames and what a video's encoder
    skipped are.
    """
    equal = np.all(frame == before, axis=2).astype(np.uint8)
    window = np.ones((2 * REACH + 1, 2 * REACH + 1), np.uint8)
    # Beyond the frame nothing changes: OpenCV's border for an erosion is the largest value.
    return np.asarray(cv2.erode(equal, window), dtype=np.bool_)
