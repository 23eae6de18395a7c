"""Colour statistics, and moving a picture from its own to others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from render.style.pyramid import fit_size, resize
from render.style.roots import square_root

_LEAST_VARIANCE = 1e-5
"""Added to every colour variance (0 to 1 scale): a flat picture has no directions of its own."""


LUMA = (0.2126, 0.7152, 0.0722)
"""Rec. 709 luma of gamma-coded RGB."""
_LEVELS = 33
"""Quantiles of luma that stand for the distribution of light and dark, and places of the tints."""
_MEASURED = 1024
"""Long side at which larger pictures are measured."""
_STEEPEST = 3.0
"""Tones are spread no further apart than this: more would show grain and the steps of 8 bits."""


@dataclass(frozen=True)
class Palette:
    """What the colours of B pictures are like, in float64.

    Attributes:
        mean: B×3.
        covariance: B×3×3.
        tones: B×33, quantiles of the luma, from the darkest to the lightest.
        tints: B×3×33, the mean colour at each of those quantiles.
        variety: B×3×3, covariance of the colours around the tint of their luma.
    """

    mean: Tensor
    covariance: Tensor
    tones: Tensor
    tints: Tensor
    variety: Tensor


def palette(pixels: Tensor, area: Tensor | None = None) -> Palette:
    """The palettes of B×3×H×W pictures, each pixel counting as `area` (B×1×H×W) says.

    Measured on the CPU: cumulative sums on a GPU are not the same twice. There a large picture takes
    longer than to paint it on a GPU, and 200 bytes a pixel, hence at `_MEASURED` pixels a side at most.
    """
    height, width = pixels.shape[-2:]
    if max(height, width) > _MEASURED:
        size = fit_size(width, height, _MEASURED)
        pixels = resize(pixels, *size)
        area = None if area is None else resize(area, *size)
    flat = pixels.detach().flatten(2).cpu().double()
    if area is None:
        weight = torch.full_like(flat[:, :1], 1 / flat.shape[2])
    else:
        weight = area.flatten(2).cpu().double().expand(flat.shape[0], -1, -1)
        weight = weight / weight.sum(2, keepdim=True).clamp_min(1e-12)
    mean = (weight * flat).sum(2)
    centred = flat - mean[..., None]
    tones, tints = _tones_and_tints(flat, weight)
    around = _around(flat, tints)
    parts = (
        mean,
        (weight * centred) @ centred.mT,
        tones,
        tints,
        (weight * around) @ around.mT,
    )
    return Palette(*(part.to(pixels.device) for part in parts))


def filled(pixels: Tensor, opaque: Tensor) -> Tensor:
    """B×3×H×W pictures with the mean of what counts where `opaque` (B×1×H×W) is 0.

    A network's deep layers see far beyond what counts: on black, which most clear areas hide, their
    statistics would be those of an outline. (With the mean, those of relu4_1 are a hundredth of the
    content's own distance away from where the picture went on.)
    """
    weight = opaque.double()
    mean = (weight * pixels).sum((2, 3), keepdim=True) / weight.sum((2, 3), keepdim=True).clamp_min(
        1e-12
    )
    return torch.where(opaque > 0, pixels, mean.to(pixels.dtype))


def blend_palettes(palettes: Sequence[Palette], shares: Sequence[float]) -> Palette:
    """The palette of a mixture; `shares` sum to 1.

    First and second moments are averaged, and so are the quantiles of the tones, which gives the
    distribution between those of the pictures (their Wasserstein barycentre), and the tints there.
    """
    pairs = list(zip(palettes, shares, strict=True))
    mean = torch.stack([share * one.mean for one, share in pairs]).sum(0)
    second = torch.stack([share * (one.covariance + _outer(one.mean)) for one, share in pairs]).sum(
        0
    )
    tones = torch.stack([share * one.tones for one, share in pairs]).sum(0)
    tints = torch.stack([share * one.tints for one, share in pairs]).sum(0)
    variety = torch.stack([share * one.variety for one, share in pairs]).sum(0)
    return Palette(mean, second - _outer(mean), tones, tints, variety)


def match_tones(pixels: Tensor, target: Palette, area: Tensor | None = None) -> Tensor:
    """B×3×H×W pictures, their luma moved to the distribution of `target`, clamped to 0 to 1.

    A monotone curve through the quantiles, no steeper than `_STEEPEST`: midway between the highest such
    curve below the target's quantiles and the lowest above them, so that its worst miss is the least
    there can be; then moved to their mean. Where a picture has one tone for many of them, as line art
    has, that is the middle of what they should be. Mean and covariance alone are at the mercy of a few
    bright windows: they dim all the rest to make room.
    """
    own = palette(pixels, area).tones
    own = own + 1e-6 * torch.arange(_LEVELS, device=own.device)  # no two alike
    steepest = _STEEPEST * own
    below = (target.tones - steepest).cummin(1).values
    above = (target.tones - steepest).flip(1).cummax(1).values.flip(1)
    curve = steepest + (below + above) / 2
    curve = curve + (target.tones - curve).mean(1, keepdim=True)
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
    matrix = _transport(own.covariance, target.covariance)
    moved: Tensor = (
        matrix @ (pixels.flatten(2).double() - own.mean[..., None]) + target.mean[..., None]
    )
    batch = max(pixels.shape[0], moved.shape[0])
    return moved.clamp(0, 1).to(pixels.dtype).view(batch, *pixels.shape[1:])


def match_tints(pixels: Tensor, target: Palette, area: Tensor | None = None) -> Tensor:
    """B×3×H×W pictures with the colours that `target` has at each luma, clamped to 0 to 1.

    The luma stays, and so does what is darker or lighter than what. Colours that differ at equal luma go
    on differing, but no more than before and, by optimal transport, no more than in `target`.
    Matching covariances would blow the faint hues of a grey room up to those of a painting.
    """
    own = palette(pixels, area)
    flat = pixels.flatten(2).double()
    values, vectors = torch.linalg.eigh(_transport(own.variety, target.variety))
    weaken = vectors @ torch.diag_embed(values.clamp(max=1)) @ vectors.mT
    luma = _luma(flat)
    tint = _tint_at(luma, target.tints)
    tint = tint + (luma - _luma(tint))[:, None]
    moved: Tensor = tint + weaken @ _around(flat, own.tints)
    return moved.clamp(0, 1).to(pixels.dtype).view_as(pixels)


def repainted(
    pixels: Tensor, palettes: Sequence[Palette], regions: Sequence[Tensor], opaque: Tensor | None
) -> Tensor:
    """B×3×H×W pictures in the tones and tints of styles, clamped to 0 to 1.

    Args:
        pixels: 0 to 1.
        palettes: of the styles, one for each region; without regions one for all.
        regions: B×1×H×W, 0 to 1; what lies in none stays as it is.
        opaque: B×1×H×W, 0 where a picture is clear and does not count.
    """

    def moved(area: Tensor | None, styles: Palette) -> Tensor:
        return match_tints(match_tones(pixels, styles, area), styles, area)

    if not regions:
        return moved(opaque, palettes[0])
    whole = torch.ones_like(pixels[:, :1]) if opaque is None else opaque
    made = (1 - torch.stack(list(regions)).sum(0)).clamp_min(0) * pixels
    for area, styles in zip(regions, palettes, strict=True):
        made = made + area * moved(whole * area, styles)
    return made.clamp(0, 1)


def _transport(own: Tensor, target: Tensor) -> Tensor:
    """The optimal map (B×3×3, symmetric) between Gaussians with these covariances."""
    eye = _LEAST_VARIANCE * torch.eye(3, dtype=torch.float64, device=own.device)
    half = square_root(own + eye)
    inverse = torch.linalg.inv(half)
    matrix: Tensor = inverse @ square_root(half @ (target + eye) @ half) @ inverse
    return matrix


def _tint_at(luma: Tensor, tints: Tensor) -> Tensor:
    """The tint (B×3×N) at each of B×N lumas, of B×3×33; beyond the ends that of the end."""
    tints = tints.expand(luma.shape[0], -1, -1)
    places = _luma(tints) + 1e-6 * torch.arange(_LEVELS, device=luma.device)  # no two alike
    right = torch.searchsorted(places, luma).clamp(1, _LEVELS - 1)
    left_x, right_x = places.gather(1, right - 1), places.gather(1, right)
    place = ((luma - left_x) / (right_x - left_x)).clamp(0, 1)[:, None]
    index = right[:, None].expand(-1, 3, -1)
    return torch.lerp(tints.gather(2, index - 1), tints.gather(2, index), place)


def _around(flat: Tensor, tints: Tensor) -> Tensor:
    """How the hues of B×3×N colours differ from the tint of their luma, B×3×N without any luma."""
    difference = flat - _tint_at(_luma(flat), tints)
    return difference - _luma(difference)[:, None]


def _luma(flat: Tensor) -> Tensor:
    """B×N from B×3×N."""
    weights = torch.tensor(LUMA, dtype=flat.dtype, device=flat.device)
    return torch.einsum("c, bcn -> bn", weights, flat).contiguous()


def _tones_and_tints(flat: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Quantiles (B×33) of the luma of B×3×N colours and the mean colours (B×3×33) around them.

    Each colour counts as `weight` (B×1×N, sum 1) says.
    """
    luma, weight = _luma(flat), weight[:, 0]
    # What does not count comes last, whatever its luma, or it would be the darkest and the lightest.
    order = luma.masked_fill(weight == 0, math.inf).sort(1).indices
    luma, weight = luma.gather(1, order), weight.gather(1, order)
    last = ((weight > 0).sum(1, keepdim=True) - 1).clamp_min(0)
    below = weight.cumsum(1) - weight / 2
    levels = torch.linspace(0, 1, _LEVELS, dtype=flat.dtype, device=flat.device)
    levels = levels.expand(flat.shape[0], -1).contiguous()
    tones = luma.gather(1, torch.searchsorted(below, levels).minimum(last))
    # Means over the band between the neighbouring quantiles, by differences of running sums.
    step = 1 / (_LEVELS - 1)
    first = torch.searchsorted(below, levels - step).minimum(last)
    behind = torch.maximum(torch.searchsorted(below, levels + step), first + 1)
    colours = flat.gather(2, order[:, None].expand_as(flat))
    sums = functional.pad((weight[:, None] * colours).cumsum(2), (1, 0))
    shares = functional.pad(weight.cumsum(1), (1, 0))[:, None]
    band = _between(sums, first, behind) / _between(shares, first, behind).clamp_min(1e-12)
    return tones, band


def _between(sums: Tensor, first: Tensor, behind: Tensor) -> Tensor:
    """Differences of B×C×N running sums at B×33 places."""
    upper = sums.gather(2, behind[:, None].expand(-1, sums.shape[1], -1))
    return upper - sums.gather(2, first[:, None].expand(-1, sums.shape[1], -1))


def _outer(mean: Tensor) -> Tensor:
    return mean[:, :, None] * mean[:, None, :]
