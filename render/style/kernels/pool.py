"""Pooling of features that lie channels-last."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

_BLOCK = 1024
_GEOMETRY = ("down", "width", "height")
"""What differs from size to size, for each of which Triton would else compile once more. Whether a row's
length is a multiple of 16 it must know, to move 16 bytes at a time."""
_NONE = tl.constexpr(4)
"""In place of 0 to 3: which of four features was the largest; none, as all were negative."""


def pool(x: Tensor, *, largest: bool, relu: bool) -> tuple[Tensor, Tensor | None]:
    """Pool 2×2 features of channels-last B×C×H×W, whose odd last row and column are left out.

    Returns:
        B×C×⌊H/2⌋×⌊W/2⌋ features and, for the largest, which of the four it was: uint8, of their shape.
    """
    x = x.contiguous(memory_format=torch.channels_last)
    batch, channels, height, width = x.shape
    shape = (batch, channels, height // 2, width // 2)
    last = torch.channels_last
    y = torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=last)
    which = (
        torch.empty(shape, dtype=torch.uint8, device=x.device, memory_format=last)
        if largest
        else None
    )
    row = shape[3] * channels
    _pool[(batch * shape[2], triton.cdiv(row, _BLOCK))](
        x, y, which, row, shape[2], width, height, channels, largest, relu, _BLOCK
    )
    return y, which


def unpool(gradient: Tensor, which: Tensor | None, shape: torch.Size) -> Tensor:
    """The gradient towards features of `shape`, from that towards what `pool` made of them."""
    gradient = gradient.contiguous(memory_format=torch.channels_last)
    batch, channels, height, width = shape
    of = torch.empty(
        shape, dtype=gradient.dtype, device=gradient.device, memory_format=torch.channels_last
    )
    if height % 2 or width % 2:
        of.zero_()
    down, across = gradient.shape[2:]
    row = across * channels
    _unpool[(batch * down, triton.cdiv(row, _BLOCK))](
        gradient, which, of, row, down, width, height, channels, which is not None, _BLOCK
    )
    return of


@triton.jit  # type: ignore[untyped-decorator]
def _corner(at, down, width, height, CHANNELS: tl.constexpr):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202, N803
    """Where, in channels-last features, the first of the four lies that became number `at` of a row."""
    row = tl.program_id(0)
    above = (row // down).to(tl.int64) * height + 2 * (row % down)
    return above * width * CHANNELS + 2 * (at // CHANNELS) * CHANNELS + at % CHANNELS


@triton.jit(do_not_specialize=_GEOMETRY)  # type: ignore[untyped-decorator]
def _pool(  # type: ignore[no-untyped-def] # noqa: ANN202
    x, y, which, row, down, width, height,  # noqa: ANN001
    CHANNELS: tl.constexpr, LARGEST: tl.constexpr, RELU: tl.constexpr, BLOCK: tl.constexpr,  # noqa: N803
):  # fmt: skip
    at = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    there = at < row
    corner = x + _corner(at, down, width, height, CHANNELS)
    found = tl.load(corner, there, 0.0).to(tl.float32)
    winner = tl.zeros((BLOCK,), tl.int32)
    for k in tl.static_range(1, 4):
        place = corner + ((k // 2) * width + k % 2) * CHANNELS
        other = tl.load(place, there, 0.0).to(tl.float32)
        if LARGEST:
            # What is not a number is passed on, as torch does.
            wins = (other > found) | (other != other)  # noqa: PLR0124
            found = tl.where(wins, other, found)
            winner = tl.where(wins, k, winner)
        else:
            found += other
    to = tl.program_id(0).to(tl.int64) * row + at
    if LARGEST:
        if RELU:
            winner = tl.where(found <= 0, _NONE, winner)
            found = tl.where(found <= 0, 0.0, found)
        tl.store(which + to, winner.to(tl.uint8), there)
    else:
        found = found / 4
    tl.store(y + to, found.to(y.dtype.element_ty), there)


@triton.jit(do_not_specialize=_GEOMETRY)  # type: ignore[untyped-decorator]
def _unpool(  # type: ignore[no-untyped-def] # noqa: ANN202
    gradient, which, of, row, down, width, height,  # noqa: ANN001
    CHANNELS: tl.constexpr, LARGEST: tl.constexpr, BLOCK: tl.constexpr,  # noqa: N803
):  # fmt: skip
    at = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    there = at < row
    corner = of + _corner(at, down, width, height, CHANNELS)
    source = tl.program_id(0).to(tl.int64) * row + at
    value = tl.load(gradient + source, there, 0.0)
    if LARGEST:
        winner = tl.load(which + source, there, 0)
    else:
        value = (value.to(tl.float32) / 4).to(value.dtype)
    for k in tl.static_range(4):
        here = tl.where(winner == k, value, 0.0).to(value.dtype) if LARGEST else value
        tl.store(corner + ((k // 2) * width + k % 2) * CHANNELS, here, there)
