"""Coarse to fine: which sizes a picture is painted at, and how the evaluations are shared out."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

COARSEST = 112
"""Long side of the coarsest scale, at least; there the strokes and colours of the whole are found."""
FALL = 0.6
"""Evaluations of a scale over those at half the size: fine scales start near their goal."""


def scale_sizes(
    width: int, height: int, smallest_side: int, factor: float = 2.0, count: int | None = None
) -> list[tuple[int, int]]:
    """Sizes (width, height) from the coarsest scale to the picture's own, each `factor` times the last.

    Args:
        width: of the picture, in pixels.
        height: likewise.
        smallest_side: no scale but the last is shorter than this on its short side.
        factor: above 1; 2 or √2.
        count: scales at most; `None`: as long as the long side is not below `COARSEST`.
    """
    sizes = [(width, height)]
    while count is None or len(sizes) < count:
        divisor = factor ** len(sizes)
        if min(width, height) / divisor < smallest_side:
            break
        if count is None and max(width, height) / divisor < COARSEST:
            break
        sizes.insert(0, (round(width / divisor), round(height / divisor)))
    return sizes


def share_evaluations(
    evaluations: int, scales: int, factor: float = 2.0, shares: Sequence[int] | None = None
) -> list[int]:
    """Evaluations of each scale, coarsest first: at least 1 each, and else `evaluations` in all.

    Args:
        evaluations: of all scales together.
        scales: how many there are.
        factor: size of a scale over that of the one before; sets how fast the budgets fall.
        shares: the budgets relative to each other; if there are more than scales, the last ones.
    """
    if shares is None:
        weights: Sequence[float] = [FALL ** (level * math.log2(factor)) for level in range(scales)]
    else:
        weights = shares[-scales:]
    budgets = [max(1, int(evaluations * weight / sum(weights))) for weight in weights]
    budgets[0] += max(0, evaluations - sum(budgets))
    while sum(budgets) > max(evaluations, scales):
        largest = max(range(scales), key=lambda level: (budgets[level], level))
        budgets[largest] -= 1
    return budgets


def fit_size(width: int, height: int, long_side: float) -> tuple[int, int]:
    """The size whose long side is `long_side`, of the same shape, but never enlarged."""
    factor = min(1.0, long_side / max(width, height))
    return max(1, round(width * factor)), max(1, round(height * factor))


def resize(pixels: Tensor, width: int, height: int) -> Tensor:
    """B×C×H×W pixels or masks (0 to 1) at another size: bicubic, averaged over what it shrinks."""
    if pixels.shape[-2:] == (height, width):
        return pixels
    resized: Tensor = functional.interpolate(
        pixels, (height, width), mode="bicubic", antialias=True, align_corners=False
    )
    return resized.clamp(0, 1)


def to_tensor(pixels: object, device: torch.device) -> Tensor:
    """H×W×3 uint8 pixels (a numpy array) as a 1×3×H×W float32 tensor from 0 to 1."""
    tensor = torch.tensor(
        pixels, device=device
    )  # a copy: arrays out of files and Ray are read-only
    return tensor.permute(2, 0, 1)[None].float() / 255
