"""Where a style counts: areas of a picture, and what they mean to a layer's features.

An *area* is a B×1×H×W tensor from 0 to 1 over a picture's pixels. A *guide* is the root of an area at
the size of a layer's features, scaled so that its squares sum to 1: features times guide have Gram
matrices that are normalised by the area (Gatys et al. 2017, "Controlling Perceptual Factors").
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional


def guide(area: Tensor, height: int, width: int) -> Tensor:
    """The guide (B×1×height×width) of an area, each position being worth the mean of its pixels.

    An area that is empty gives a guide that is zero.
    """
    small = functional.interpolate(area, (height, width), mode="area")
    return (small / small.sum((2, 3), keepdim=True).clamp_min(1e-12)).sqrt()


def shares(areas: list[Tensor]) -> list[Tensor]:
    """The share (B each) of each area in all of them; zero where all are empty."""
    sizes = torch.stack([area.sum((1, 2, 3)) for area in areas])
    return list(sizes / sizes.sum(0).clamp_min(1e-12))


def without_overlap(areas: list[Tensor]) -> list[Tensor]:
    """The areas, scaled down where together they are more than 1."""
    total = torch.stack(areas).sum(0).clamp_min(1)
    return [area / total for area in areas]


def feather(area: Tensor, width: float) -> Tensor:
    """The area with edges softened over about `width` pixels, by a Gaussian blur."""
    sigma = width / 2
    reach = min(math.ceil(2.5 * sigma), min(area.shape[-2:]) - 1)
    if sigma < 0.3 or reach < 1:
        return area
    offsets = torch.arange(-reach, reach + 1, dtype=area.dtype, device=area.device)
    kernel = torch.exp(-0.5 * (offsets / sigma) ** 2)
    kernel = kernel / kernel.sum()
    padded = functional.pad(area, (reach,) * 4, "replicate")
    lines = functional.conv2d(padded, kernel.view(1, 1, 1, -1))
    return functional.conv2d(lines, kernel.view(1, 1, -1, 1)).clamp(0, 1)
