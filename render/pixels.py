"""Pictures in memory, in the one form that all rooms hand on."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
"""H×W×3, sRGB, 0 to 255."""
Mask = npt.NDArray[np.uint8]
"""H×W, 0 to 255: of an alpha channel 0 is clear and 255 solid."""
