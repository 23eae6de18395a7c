"""Keeping the content's colours: what is done to pictures before painting and after.

Light and colour are told apart by Rec. 709 luma and the differences R − Y, G − Y, B − Y, of pixels as
they are coded. Those are the weights that belong to sRGB's primaries (those of the older YUV belong to
other ones and make blue too light); the split is linear, so that it is undone exactly; and coded values
are what the network sees and what the eye finds even. Each picture is B×3×H×W, 0 to 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from render.style.colour import LUMA, Palette, match_palette, palette

Mode = Literal["none", "luminance", "palette", "histogram"]


@dataclass(frozen=True)
class Keeping:
    """Which of the content's colours are kept, and how strongly (0 to 1)."""

    mode: Mode = "none"
    strength: float = 1.0

    @property
    def recolours_styles(self) -> bool:
        """Whether style targets depend on the content."""
        return self.mode in {"luminance", "palette"} and self.strength > 0

    def before(self, pixels: Tensor) -> Tensor:
        """A content or style picture as it is painted from: grey, to the degree of `strength`."""
        return desaturate(pixels, self.strength) if self.mode == "luminance" else pixels

    def style(self, pixels: Tensor, content: Palette, area: Tensor | None = None) -> Tensor:
        """A style picture moved to the palette of the content, both as `before` leaves them.

        What of it counts, which is where `area` (B×1×H×W) is, has that palette then.
        With grey pictures it is the matching of luminance that Gatys et al. 2016 ("Preserving
        Color") put before luminance-only transfer.
        """
        pixels = self.before(pixels)
        return torch.lerp(pixels, match_palette(pixels, content, area), self.strength)

    def start(self, pixels: Tensor, styles: Palette) -> Tensor:
        """A finished picture, such as the previous frame, as something to paint on from."""
        if self.mode == "histogram" and self.strength > 0:
            return torch.lerp(pixels, match_palette(pixels, styles), self.strength)
        return self.before(pixels)

    def after(self, painted: Tensor, content: Tensor, opaque: Tensor | None) -> Tensor:
        """The finished picture; `content` as it was before `before`."""
        if self.strength > 0 and self.mode == "luminance":
            return take_chroma(painted, content, self.strength)
        if self.strength > 0 and self.mode == "histogram":
            matched = match_histogram(painted, content, opaque)
            return torch.lerp(painted, matched, self.strength)
        return painted


def luma(pixels: Tensor) -> Tensor:
    """Y (B×1×H×W)."""
    weights = torch.tensor(LUMA, dtype=pixels.dtype, device=pixels.device)
    return (weights[:, None, None] * pixels).sum(1, keepdim=True)


def desaturate(pixels: Tensor, strength: float) -> Tensor:
    """The picture, grey to the degree of `strength`, with its luma."""
    return torch.lerp(pixels, luma(pixels).expand_as(pixels), strength)


def take_chroma(painted: Tensor, content: Tensor, strength: float) -> Tensor:
    """`painted` with the colour differences of `content`, to the degree of `strength`.

    Luma is kept exactly: where the colours do not fit beside it, they are weakened, not clipped.
    """
    y = luma(painted)
    chroma = torch.lerp(painted - y, content - luma(content), strength)
    # Largest factor for which y + factor·chroma lies within 0 to 1.
    room = torch.where(chroma > 0, 1 - y, y) / chroma.abs().clamp_min(1e-6)
    factor = room.amin(1, keepdim=True).clamp(0, 1)
    return (y + factor * chroma).clamp(0, 1)


def match_histogram(pixels: Tensor, reference: Tensor, area: Tensor | None = None) -> Tensor:
    """`pixels` with the histogram of `reference`, both counted inside `area` (B×1×H×W) alone.

    First the mean and covariance are matched, then each channel's values are replaced by those of the
    same rank: ranks alone would leave the channels as correlated as they were, which shows as hues
    that are in neither picture. Equal values stay equal.
    """
    matched = match_palette(pixels, palette(reference, area), area)
    out = matched.clone()
    for sample in range(pixels.shape[0]):
        inside = slice(None) if area is None else (area[sample, 0] > 0).flatten()
        for channel in range(pixels.shape[1]):
            values = matched[sample, channel].flatten()
            own = values[inside].sort().values
            wanted = reference[sample, channel].flatten()[inside].sort().values
            if len(own) > 0:
                out[sample, channel] = _same_rank(values, own, wanted).view_as(out[sample, channel])
    return out


def _same_rank(values: Tensor, own: Tensor, wanted: Tensor) -> Tensor:
    """`values` moved from their rank in the sorted `own` to the value there in `wanted`."""
    low = torch.searchsorted(own, values)
    high = torch.searchsorted(own, values, right=True)
    rank = ((low + high - 1) / 2).clamp(0, len(own) - 1)  # ties get the rank of their middle
    below = rank.floor().long()
    above = (below + 1).clamp(max=len(own) - 1)
    return torch.lerp(wanted[below], wanted[above], (rank - below).to(wanted.dtype))
