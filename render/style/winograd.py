"""3×3 convolutions with a quarter of the multiplications, for CPUs without matrix units.

Winograd's minimal filtering F(4×4, 3×3), as Lavin and Gray (2016) give it for convolutions: every 6×6
tile of features, 4 pixels from the next, is taken to 36 numbers in which the convolution is a product
alone; what comes out is taken back to 4×4 features. All three steps are matrix products, and those with
the fixed matrices are small beside what is saved, if there are channels enough. Features differ from
those of a plain convolution by the rounding of float32, some 1e-5 of the largest.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

_TILE, _STEP = 6, 4
"""Pixels a side of what is seen at once, and of what is made of it."""
_CHANNELS = 64, 128
"""What goes in or comes out must have so many, the fewer and the more; else the plain way is faster."""
_TILES = 16
"""With fewer, reading the kernels, which are four times as large here, is most of the work."""
_STRIP = 4 << 20
"""Bytes of numbers in hand at once, about, so that caches hold them; as many as the kernel takes, if it
takes more, as all of it is read for every strip."""


def _both_ways(matrix: list[list[int]]) -> Tensor:
    """What a matrix for one side of tiles is for both."""
    along = torch.tensor(matrix, dtype=torch.float32)
    return torch.kron(along, along)


# For the points 0, ±1, ±2 and infinity: a tile's numbers, those of a kernel, and the features again.
_INTO = _both_ways(
    [
        [4, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ]
)
_KERNEL = [
    [1 / 4, 0, 0],
    [-1 / 6, -1 / 6, -1 / 6],
    [-1 / 6, 1 / 6, -1 / 6],
    [1 / 24, 1 / 12, 1 / 6],
    [1 / 24, -1 / 12, 1 / 6],
    [0, 0, 1],
]
_OUT_OF = _both_ways(
    [
        [1, 1, 1, 1, 1, 0],
        [0, 1, -1, 2, -2, 0],
        [0, 1, 1, 4, 4, 0],
        [0, 1, -1, 8, -8, 1],
    ]
)


class Winograd:
    """Convolves with one kernel, by Winograd's method where that is faster.

    What comes out of a sample depends on it and its size alone, not on others in the batch.

    Args:
        kernel: lays it out, C_out×C_in×3×3, float32, on a CPU; called whenever it is needed as it is.
    """

    def __init__(self, kernel: Callable[[], Tensor]) -> None:
        self._lay_out = kernel
        # Where products are used, the plain kernel would only take memory.
        self._plain: Tensor | None = kernel()
        self._products: Tensor | None = None
        self._outputs = len(self._plain)
        fewest, self._most = sorted(self._plain.shape[:2])
        self._wide = fewest >= _CHANNELS[0] and self._most >= _CHANNELS[1]

    def __call__(self, x: Tensor, bias: Tensor | None, padding: int, relu: bool) -> Tensor:
        """Channels-last features of B×C_in×H×W ones, with so many zeros around them."""
        height, width = (side + 2 * padding - 2 for side in x.shape[2:])
        down, across = (-(-side // _STEP) for side in (height, width))
        if not self._wide or down * across < _TILES:
            if self._plain is None:
                self._plain = self._lay_out()
            # One by one, as torch's rounding differs with the batch.
            plain = [functional.conv2d(one[None], self._plain, bias, padding=padding) for one in x]
            y = plain[0] if len(plain) == 1 else torch.cat(plain)
            return functional.relu_(y) if relu else y
        if self._products is None:
            self._products = _of_kernel(self._lay_out())
        self._plain = None
        tiles = _tiles(x, padding, down, across)
        y = x.new_empty(len(x), down * _STEP, across * _STEP, self._outputs)
        places = y.view(len(x), down, _STEP, across, _STEP, y.shape[3])
        places = places.permute(0, 2, 4, 1, 3, 5)
        row = _TILE**2 * across * self._most * y.element_size()
        strips = -(-down * row // max(_STRIP, self._products.nbytes))
        rows = -(-down // min(strips, down))
        for sample, place in zip(tiles, places, strict=True):
            for first in range(0, down, rows):
                strip = slice(first, first + rows)
                made = self._made(sample[:, :, strip], self._products)
                if bias is not None:
                    made += bias
                if relu:
                    made.relu_()
                place[:, :, strip] = made.view(place[:, :, strip].shape)
        # Does nothing where sides are whole multiples of the step.
        return (
            y[:, :height, :width].permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
        )

    def _made(self, tiles: Tensor, products: Tensor) -> Tensor:
        """Features, 16·n×C_out, of n tiles (6×6×…×C_in)."""
        channels = tiles.shape[-1]
        seen = (_INTO @ tiles.reshape(_TILE**2, -1)).view(_TILE**2, -1, channels)
        return (_OUT_OF @ torch.bmm(seen, products).view(_TILE**2, -1)).view(-1, products.shape[2])


def _of_kernel(kernel: Tensor) -> Tensor:
    """What tiles are multiplied by: 36×C_in×C_out."""
    along = torch.tensor(_KERNEL, dtype=torch.float64)
    found = torch.einsum("ai,bj,ocij->abco", along, along, kernel.double())
    return found.reshape(_TILE**2, *found.shape[2:]).to(kernel.dtype)


def _tiles(x: Tensor, padding: int, down: int, across: int) -> Tensor:
    """The tiles of features (B×C×H×W), as a view: B×6×6×down×across×C."""
    batch, channels, height, width = x.shape
    beside = _TILE - _STEP
    wide = x.new_empty(batch, down * _STEP + beside, across * _STEP + beside, channels)
    last_row, last_column = padding + height, padding + width
    for around in (
        wide[:, :padding],
        wide[:, last_row:],
        wide[:, :, :padding],
        wide[:, :, last_column:],
    ):
        around.zero_()
    wide[:, padding:last_row, padding:last_column] = x.permute(0, 2, 3, 1)
    sample, row, column, _ = wide.stride()
    return wide.as_strided(
        (batch, _TILE, _TILE, down, across, channels),
        (sample, row, column, _STEP * row, _STEP * column, 1),
    )
