"""Colour statistics, and moving a picture from its own to others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from render.style.roots import square_root

_LEAST_VARIANCE = 1e-5
"""Added to every colour variance (0 to 1 scale): a flat picture has no directions of its own."""


_LUMA = (0.2126, 0.7152, 0.0722)
"""Rec. 709 luma of gamma-coded RGB."""
_LEVELS = 33
"""Quantiles of luma that stand for the distribution of light and dark."""
_STEEPEST = 3.0
"""Tones are spread no further apart than this: more would show grain and the steps of 8 bits."""


@dataclass(frozen=True)
class Palette:
    """What the colours of B pictures are like, in float64.

    Attributes:
        mean: B×3.
        covariance: B×3×3.
        tones: B×33, quantiles of the luma, from the darkest to the lightest.
    """

    mean: Tensor
    covariance: Tensor
    tones: Tensor


def palette(pixels: Tensor, area: Tensor | None = None) -> Palette:
    """The palettes of B×3×H×W pictures, each pixel counting as `area` (B×1×H×W) says."""
    flat = pixels.flatten(2).double()
    if area is None:
        weight = torch.full_like(flat[:, :1], 1 / flat.shape[2])
    else:
        weight = area.flatten(2).double().expand(flat.shape[0], -1, -1)
        weight = weight / weight.sum(2, keepdim=True).clamp_min(1e-12)
    mean = (weight * flat).sum(2)
    centred = flat - mean[..., None]
    return Palette(mean, (weight * centred) @ centred.mT, _tones(flat, weight[:, 0]))


def blend_palettes(palettes: Sequence[Palette], shares: Sequence[float]) -> Palette:
    """The palette of a mixture; `shares` sum to 1.

    First and second moments are averaged, and so are the quantiles of the tones, which gives the
    distribution between those of the pictures (their Wasserstein barycentre).
    """
    pairs = list(zip(palettes, shares, strict=True))
    mean = torch.stack([share * one.mean for one, share in pairs]).sum(0)
    second = torch.stack([share * (one.covariance + _outer(one.mean)) for one, share in pairs]).sum(
        0
    )
    tones = torch.stack([share * one.tones for one, share in pairs]).sum(0)
    return Palette(mean, second - _outer(mean), tones)


def match_tones(pixels: Tensor, target: Palette, area: Tensor | None = None) -> Tensor:
    """B×3×H×W pictures, their luma moved to the distribution of `target`, clamped to 0 to 1.

    A monotone curve through the quantiles, around the median, no steeper than `_STEEPEST`. Mean and
    covariance alone are at the mercy of a few bright windows: they dim all the rest to make room.
    """
    own = palette(pixels, area).tones
    own = own + 1e-6 * torch.arange(_LEVELS, device=own.device)  # no two alike
    steps = torch.minimum(target.tones.diff(dim=1), _STEEPEST * own.diff(dim=1)).cumsum(1)
    curve = torch.cat((torch.zeros_like(steps[:, :1]), steps), 1)
    middle = _LEVELS // 2
    curve = curve - curve[:, middle, None] + target.tones[:, middle, None]
    luma = _luma(pixels.flatten(2).double())
    right = torch.searchsorted(own, luma).clamp(1, _LEVELS - 1)
    left_x, right_x = own.gather(1, right - 1), own.gather(1, right)
    left_y, right_y = curve.gather(1, right - 1), curve.gather(1, right)
    place = ((luma - left_x) / (right_x - left_x)).clamp(0, 1)
    change = left_y + place * (right_y - left_y) - luma
    moved = pixels.flatten(2).double() + change[:, None]
    return moved.clamp(0, 1).to(pixels.dtype).view_as(pixels)


def match_palette(pixels: Tensor, target: Palette, area: Tensor | None = None) -> Tensor:
    """B×3×H×W pictures moved to the mean and covariance of `target`, then clamped to 0 to 1.

    The linear map is the optimal transport between the two Gaussians, Σ^-½(Σ^½ T Σ^½)^½ Σ^-½
    (Pitié & Kokaram 2007): of all maps with that result, it changes the colours least. With an `area`
    (B×1×H×W) the colours inside it are measured; all are moved.
    """
    own = palette(pixels, area)
    eye = _LEAST_VARIANCE * torch.eye(3, dtype=torch.float64, device=pixels.device)
    half = square_root(own.covariance + eye)
    inverse = torch.linalg.inv(half)
    matrix: Tensor = inverse @ square_root(half @ (target.covariance + eye) @ half) @ inverse
    moved: Tensor = (
        matrix @ (pixels.flatten(2).double() - own.mean[..., None]) + target.mean[..., None]
    )
    batch = max(pixels.shape[0], moved.shape[0])
    return moved.clamp(0, 1).to(pixels.dtype).view(batch, *pixels.shape[1:])


def _luma(flat: Tensor) -> Tensor:
    """B×N from B×3×N."""
    weights = torch.tensor(_LUMA, dtype=flat.dtype, device=flat.device)
    return torch.einsum("c, bcn -> bn", weights, flat).contiguous()


def _tones(flat: Tensor, weight: Tensor) -> Tensor:
    """Quantiles (B×33) of the luma of B×3×N colours, each counting as `weight` (B×N, sum 1) says."""
    luma, order = _luma(flat).sort(1)
    weight = weight.gather(1, order)
    below = weight.cumsum(1) - weight / 2
    levels = torch.linspace(0, 1, _LEVELS, dtype=flat.dtype, device=flat.device)
    index = torch.searchsorted(below, levels.expand(flat.shape[0], -1).contiguous())
    return luma.gather(1, index.clamp(max=luma.shape[1] - 1))


def _outer(mean: Tensor) -> Tensor:
    return mean[:, :, None] * mean[:, None, :]
