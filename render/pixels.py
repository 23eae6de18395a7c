"""Pictures as arrays: what modules hand to each other, and the numbers in them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
"""H×W×3, sRGB, 0 to 255."""
FloatMap = npt.NDArray[np.float32]
BoolMap = npt.NDArray[np.bool_]

LUMA = np.array([0.2126, 0.7152, 0.0722], dtype=np.float32)
"""Rec. 709 luma of gamma-coded RGB."""


def unit(picture: Pixels) -> FloatMap:
    """Pixels (of any shape) as numbers from 0 to 1."""
    return picture.astype(np.float32) / np.float32(255)
