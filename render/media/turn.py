"""How a video's pictures lie in the file: turned by quarters, or as in a mirror."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

_ACROSS = {
    (True, True): "transpose=cclock_flip",
    (True, False): "transpose=clock",
    (False, True): "transpose=cclock",
    (False, False): "transpose=clock_flip",
}
"""By whether the stored x becomes a growing y, and the stored y a growing x."""


def upright(frame: VideoFrame) -> str:
    """Ffmpeg's filters that turn a stored frame as its display matrix says; empty if it lies upright.

    ffmpeg could do it by itself, but before colours are converted, where it moves them by half a pixel,
    as it forgets on which side of a pixel they were taken; and before fields are made whole.

    The matrix maps stored (x, y) to (a·x + c·y, b·x + d·y). Angles that are no quarters are left alone.
    """
    beside: Any = frame.side_data  # of which its stub knows motion vectors alone
    if "DISPLAYMATRIX" not in beside:
        return ""
    a, b, _, c, d = np.frombuffer(beside["DISPLAYMATRIX"], np.int32)[:5].tolist()
    if not a and not d and b and c:
        return _ACROSS[b > 0, c > 0]
    if not b and not c and a and d:
        return ",".join(["hflip"] * (a < 0) + ["vflip"] * (d < 0))
    return ""


def swaps(turn: str) -> bool:
    """Whether filters of `upright` make width of height."""
    return turn.startswith("transpose")
