"""Where nothing happens from one frame to the next."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from render.pixels import BoolMap, Pixels

REACH = 8
"""A pixel stands still if none changes within this many pixels: strokes beside a change may give."""

PLAIN = 2
"""Levels by which the colours beside a pixel may differ where a picture is plain."""
BESIDE = 0.25
"""Share of a plain area's edge, the frame's own edges with it, beside which changes make it doubtful."""
SHIFTED = 0.1
"""Share of that part of the edge which must lie elsewhere than before for the area to have moved. Those
of black bars beside a moving picture lie where they lay."""


def standing_still(frame: Pixels, before: Pixels) -> BoolMap:
    """True (H×W) where two H×W×3 frames are equal, each pixel with its surroundings.

    Equal to the last level: with any tolerance a slow fade, all small steps, would never be seen. A
    camera's noise is never equal, but drawings, screens, repeated frames and what a video's encoder
    skipped are. So is a blown-out sky, however the camera moves: see `_adrift`.
    """
    equal = np.all(frame == before, axis=2)
    equal &= ~_adrift(equal, _plain(frame), _plain(before))
    # Beyond the frame nothing changes: OpenCV's border for an erosion is the largest value.
    return _eroded(equal, REACH)


def _adrift(equal: BoolMap, plain: BoolMap, plain_before: BoolMap) -> BoolMap:
    """True (H×W) in areas of one colour that look the same only because there is nothing to see in them.

    Their edges tell: that of a sky moves with the camera. What passes in front of a wall moves a small
    part of the wall's edge, which for the most part is drawn on it or the edge of the frame.
    """
    count, areas = cv2.connectedComponents((equal & plain).astype(np.uint8), connectivity=4)
    inside = areas > 0
    padded = np.pad(inside, 1)  # the frame's edges are edges of an area
    edge = inside & ~_eroded(padded, 1)[1:-1, 1:-1]
    changing = edge & ~_eroded(equal, 2)
    shifting = changing & ~_eroded(plain == plain_before, 1)

    def lengths(part: BoolMap) -> npt.NDArray[np.int64]:
        return np.bincount(areas[part], minlength=count)

    doubtful = lengths(changing) > BESIDE * lengths(edge)
    moved = lengths(shifting) > SHIFTED * lengths(changing)
    return np.asarray((doubtful & moved)[areas])


def _plain(picture: Pixels) -> BoolMap:
    """True (H×W) where the eight pixels around one hardly differ from it."""
    around = np.ones((3, 3), np.uint8)
    span = cv2.dilate(picture, around) - cv2.erode(picture, around)
    return np.asarray((span <= PLAIN).all(axis=2))


def _eroded(truth: BoolMap, reach: int) -> BoolMap:
    """True where a map is true within `reach` pixels in both directions."""
    window = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    return np.asarray(cv2.erode(truth.astype(np.uint8), window), dtype=np.bool_)
