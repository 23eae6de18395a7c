"""What a picture that follows no other is started from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from render.style.colour import Palette, match_palette

Start = Literal["content", "noise", "style"] | Tensor
"""The content itself; noise; noise in the styles' colours; or a picture, 1×3×H×W."""

_SPREAD = 0.15
"""Standard deviation of the noise: that of an ordinary picture, well inside the box."""


def seeded_noise(width: int, height: int, seeds: Sequence[int]) -> Tensor:
    """Noise around middle grey, B×3×H×W, 0 to 1: one sample for each seed, whatever the batch.

    Drawn on the CPU, so that every device starts from the same.
    """
    samples = []
    for seed in seeds:
        generator = torch.Generator().manual_seed(seed)
        samples.append(torch.randn(3, height, width, generator=generator))
    return (0.5 + _SPREAD * torch.stack(samples)).clamp(0, 1)


def style_noise(width: int, height: int, seeds: Sequence[int], styles: Palette) -> Tensor:
    """Noise with the mean and covariance of the styles' colours, as far as 0 to 1 holds them."""
    return match_palette(seeded_noise(width, height, seeds).to(styles.mean.device), styles)
