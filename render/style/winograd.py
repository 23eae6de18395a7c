"""3×3 convolutions with 2.25 times fewer multiplications, for processors without matrix units.

Winograd's F(2×2, 3×3), as in Lavin & Gray 2016, "Fast Algorithms for Convolutional Neural Networks": of
each 4×4 tile d of the input, tiles overlapping by two, Aᵀ[(G g Gᵀ) ⊙ (Bᵀ d B)]A are 2×2 numbers of the
output. Summed over the channels, ⊙ is 16 products of matrices. Bᵀ and Aᵀ hold only 0, 1 and −1, so that
what goes before and after costs little where there are many channels, and float32 is as exact as in the
plain sum. In bfloat16 the error is 2.6 times the plain one's (0.6% of a layer's norm instead of 0.23%).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

_STRIPE = 1 << 21
"""Numbers in the tiles of one stripe of a picture, about: they and their products stay in the cache."""
_G = ((1.0, 0.0, 0.0), (0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0.0, 0.0, 1.0))
_CENTRE = 5
"""The one of 16 products that counts once in each of a tile's four outputs: there a bias is added."""


def pays(kernel: Tensor, device: torch.device, precision: torch.dtype) -> bool:
    """Whether a C_out×C_in×3×3 convolution is faster this way.

    It is on a CPU, where enough channels make up for what goes before and after; matrix units are so
    fast at a product that the rest would be all that counts.
    """
    if device.type != "cpu" or kernel.shape[0] * kernel.shape[1] < 64 * 128:
        return False
    return precision == torch.float32 or not torch.cpu._is_amx_tile_supported()


class WinogradConvolution:
    """A fixed 3×3 convolution of features on a CPU.

    Args:
        kernel: C_out×C_in×3×3.
        bias: C_out.
        precision: of features and products.
    """

    def __init__(self, kernel: Tensor, bias: Tensor, precision: torch.dtype) -> None:
        self._onward = _matrices(kernel).to(precision)
        # Backward goes the convolution with the kernel turned around.
        self._back = _matrices(kernel.flip(2, 3).transpose(0, 1)).to(precision)
        self._bias = bias.to(precision)

    def __call__(self, features: Tensor, padding: int) -> Tensor:
        """The convolution of B×C_in×H×W features with `padding` (0 or 1) zeros around, channels-last."""
        made: Tensor = _Convolution.apply(features, self._onward, self._back, self._bias, padding)
        return made


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 as torch has it
        features: Tensor,
        onward: Tensor,
        back: Tensor,
        bias: Tensor,
        padding: int,
    ) -> Tensor:
        ctx.save_for_backward(back)
        ctx.padding = padding
        return _convolved(features, onward, bias, padding)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None, None]:  # noqa: ANN401
        (back,) = ctx.saved_tensors
        return _convolved(gradient, back, None, 2 - ctx.padding), None, None, None, None


def _matrices(kernel: Tensor) -> Tensor:
    """G g Gᵀ as 16×C_in×C_out; of the 16 = 4·4 the first 4 go along the width."""
    g = torch.tensor(_G, dtype=torch.float64)
    made = torch.einsum("y a, o c a b, x b -> x y c o", g, kernel.double(), g)
    return made.flatten(0, 1)


def _convolved(features: Tensor, matrices: Tensor, bias: Tensor | None, padding: int) -> Tensor:
    """B×C_out×h×w, channels-last: stripe after stripe of picture after picture."""
    batch, channels, height, width = features.shape
    height, width = height + 2 * padding - 2, width + 2 * padding - 2
    high, wide = -(-height // 2), -(-width // 2)
    # Outputs come in pairs of rows and columns: of odd sizes one more is made, and cut off again.
    around = (padding, padding + width % 2, padding, padding + height % 2)
    rows = functional.pad(features.permute(0, 2, 3, 1), (0, 0, *around))
    outputs = matrices.shape[2]
    shape = (batch, outputs, 2 * high, 2 * wide)
    made = torch.empty(shape, dtype=features.dtype, memory_format=torch.channels_last)
    pairs = made.permute(0, 2, 3, 1).view(batch, high, 2, wide, 2, outputs)
    stripe = max(1, _STRIPE // (16 * wide * max(channels, outputs)))
    for sample in range(batch):
        for first in range(0, high, stripe):
            last = min(high, first + stripe)
            products = torch.bmm(_tiles(rows[sample, 2 * first : 2 * last + 2]), matrices)
            if bias is not None:
                products[_CENTRE] += bias
            _gather(products.view(4, 4, last - first, wide, outputs), pairs[sample, first:last])
    if made.shape[2:] == (height, width):
        return made
    # A copy even where the cut leaves it in one piece: what is a view may not be changed in place.
    return made[:, :, :height, :width].clone(memory_format=torch.channels_last)


def _tiles(rows: Tensor) -> Tensor:
    """Bᵀ d B of the tiles of H×W×C features: 16×T×C, T = (H/2 − 1)·(W/2 − 1)."""
    height, width, channels = rows.shape
    high, wide = height // 2 - 1, width // 2 - 1
    down = rows.new_empty(4, high, width, channels)
    _combine([rows[i : i + 2 * high : 2] for i in range(4)], down)
    both = rows.new_empty(4, 4, high, wide, channels)
    _combine([down[:, :, i : i + 2 * wide : 2] for i in range(4)], both)
    return both.view(16, high * wide, channels)


def _combine(d: Sequence[Tensor], out: Tensor) -> None:
    """Bᵀ d."""
    torch.sub(d[0], d[2], out=out[0])
    torch.add(d[1], d[2], out=out[1])
    torch.sub(d[2], d[1], out=out[2])
    torch.sub(d[1], d[3], out=out[3])


def _gather(products: Tensor, out: Tensor) -> None:
    """Aᵀ m A of 4×4×h×w×C products, into h×2×w×2×C."""
    down = products.new_empty(2, *products.shape[:1], *products.shape[2:])
    _sums(products.unbind(1), down.unbind(0))
    for row in range(2):
        _sums(down[row].unbind(0), out[:, row].unbind(2))


def _sums(m: Sequence[Tensor], out: Sequence[Tensor]) -> None:
    """Aᵀ m."""
    torch.add(m[0], m[1], out=out[0]).add_(m[2])
    torch.sub(m[1], m[2], out=out[1]).sub_(m[3])
