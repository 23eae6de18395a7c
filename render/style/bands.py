"""Bands of spatial frequency, over which the curvature of an objective differs most.

Losses on features of a convolutional network curve by one to two orders of magnitude less along fine
detail than along broad areas. A first guess of the inverse curvature that has one number for each
band, instead of a single one, saves the optimiser a tenth to a third of its evaluations.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from render.style.kernels import kernels_work

PER_OCTAVE = 1.5
"""Bands in an octave."""
_LEAST = 2.0
"""Periods over the shorter side of a picture, of the lower edge of its lowest band but one."""
_HIGHEST = 0.5
"""Cycles a pixel from which on all is one band: beyond it lie diagonals alone."""


class Bands:
    """Splits pictures of one size into bands; the first is the finest, whatever the size.

    Args:
        height: in pixels.
        width: likewise.
        device: where the pictures are.
    """

    def __init__(self, height: int, width: int, device: torch.device) -> None:
        self._size = height, width
        # On the CPU, so that no device is waited for.
        down, across = torch.fft.fftfreq(height)[:, None], torch.fft.rfftfreq(width)[None]
        frequency = (down.square() + across.square()).sqrt()
        lowest = min(_HIGHEST, _LEAST / min(height, width))
        octaves = torch.log2(_HIGHEST / frequency.clamp_min(lowest))
        index = (octaves * PER_OCTAVE).clamp_min(0).ceil().long()
        self._index = index.int().to(device)
        # Of real and imaginary parts, which lie side by side.
        parts = index.flatten().repeat_interleave(2)
        self._order = parts.argsort(stable=True).to(device)
        self._sizes = torch.bincount(parts).tolist()

    @property
    def count(self) -> int:
        """Bands that there are, at least 1."""
        return len(self._sizes)

    def energy(self, pictures: Tensor) -> Tensor:
        """Energy of each band (…×B×`count`) of pictures, …×B×N, N = channels · height · width."""
        power = torch.view_as_real(self._spectrum(pictures)).square().sum(-4).flatten(-3)
        parts = torch.split(power[..., self._order], self._sizes, -1)
        return torch.stack([part.sum(-1) for part in parts], -1)

    def weigh(self, pictures: Tensor, weights: Tensor) -> Tensor:
        """Pictures (…×B×N) with each band multiplied by its weight (B×`count`): symmetric, linear."""
        return self._back(self._weighed(self._spectrum(pictures), weights), pictures)

    def weigh_each(self, pictures: Tensor, weights: Sequence[Tensor]) -> list[Tensor]:
        """The same by several weights."""
        spectrum = self._spectrum(pictures)
        return [self._back(self._weighed(spectrum.clone(), each), pictures) for each in weights]

    def _weighed(self, spectrum: Tensor, weights: Tensor) -> Tensor:
        """Each number multiplied by the weight of its band, and by what `_back` leaves out, in place."""
        weights = weights / (self._size[0] * self._size[1])
        single = spectrum.dtype == torch.complex64 and spectrum.is_contiguous()
        if single and kernels_work(spectrum.device):
            from render.style.kernels.pixels import weigh  # noqa: PLC0415 - there may be no Triton

            weigh(spectrum, self._index, weights)
            return spectrum
        return spectrum.mul_(weights[:, self._index][:, None])

    def _back(self, spectrum: Tensor, like: Tensor) -> Tensor:
        """Pictures of a spectrum, not divided by their size, which would be a pass of its own."""
        pictures: Tensor = torch.fft.irfft2(spectrum, s=self._size, norm="forward")
        return pictures.view(like.shape)

    def _spectrum(self, pictures: Tensor) -> Tensor:
        """…×B×channels×height×(width/2 + 1), complex."""
        planes = pictures.view(*pictures.shape[:-1], -1, *self._size)
        spectrum: Tensor = torch.fft.rfft2(planes)
        return spectrum


@lru_cache(maxsize=8)
def bands_of(height: int, width: int, device: torch.device) -> Bands:
    """The bands of a size, kept for the next picture of it."""
    return Bands(height, width, device)
