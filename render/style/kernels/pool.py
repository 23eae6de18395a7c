"""Pooling of features that lie channels-last."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

_BLOCK = 1024
_GEOMETRY = ("number", "down", "across", "height", "width")
"""What differs from size to size, for each of which Triton would else compile once more."""
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
    number = y.numel()
    _pool[(triton.cdiv(number, _BLOCK),)](
        x, y, which, number, channels, *shape[2:], height, width, largest, relu, _BLOCK
    )
    return y, which


def unpool(gradient: Tensor, which: Tensor | None, shape: torch.Size) -> Tensor:
    """The gradient towards features of `shape`, from that towards what `pool` made of them."""
    gradient = gradient.contiguous(memory_format=torch.channels_last)
    _, channels, height, width = shape
    of = torch.empty(
        shape, dtype=gradient.dtype, device=gradient.device, memory_format=torch.channels_last
    )
    if height % 2 or width % 2:
        of.zero_()
    number = gradient.numel()
    _unpool[(triton.cdiv(number, _BLOCK),)](
        gradient, which, of, number, channels, *gradient.shape[2:], height, width,
        which is not None, _BLOCK,
    )  # fmt: skip
    return of


@triton.jit
def _corner(at, channels, down, across, height, width):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
    """Where, in channels-last features, the first of the four lies that became number `at`."""
    channel = at % channels
    place = at // channels
    column = place % across
    place = place // across
    row = place % down
    sample = place // down
    return ((sample * height + 2 * row) * width + 2 * column) * channels + channel


@triton.jit(do_not_specialize=_GEOMETRY)  # type: ignore[untyped-decorator]
def _pool(  # type: ignore[no-untyped-def] # noqa: ANN202
    x, y, which, number, channels, down, across, height, width,  # noqa: ANN001
    LARGEST: tl.constexpr, RELU: tl.constexpr, BLOCK: tl.constexpr,  # noqa: N803
):  # fmt: skip
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    there = at < number
    corner = x + _corner(at, channels, down, across, height, width)
    found = tl.load(corner, there, 0.0).to(tl.float32)
    winner = tl.zeros((BLOCK,), tl.int32)
    for k in tl.static_range(1, 4):
        other = tl.load(corner + ((k // 2) * width + k % 2) * channels, there, 0.0).to(tl.float32)
        if LARGEST:
            # What is not a number is passed on, as torch does.
            wins = (other > found) | (other != other)  # noqa: PLR0124
            found = tl.where(wins, other, found)
            winner = tl.where(wins, k, winner)
        else:
            found += other
    if LARGEST:
        if RELU:
            winner = tl.where(found <= 0, _NONE, winner)
            found = tl.where(found <= 0, 0.0, found)
        tl.store(which + at, winner.to(tl.uint8), there)
    else:
        found = found / 4
    tl.store(y + at, found.to(y.dtype.element_ty), there)


@triton.jit(do_not_specialize=_GEOMETRY)  # type: ignore[untyped-decorator]
def _unpool(  # type: ignore[no-untyped-def] # noqa: ANN202
    gradient, which, of, number, channels, down, across, height, width,  # noqa: ANN001
    LARGEST: tl.constexpr, BLOCK: tl.constexpr,  # noqa: N803
):  # fmt: skip
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    there = at < number
    corner = of + _corner(at, channels, down, across, height, width)
    value = tl.load(gradient + at, there, 0.0)
    if LARGEST:
        winner = tl.load(which + at, there, 0)
    else:
        value = (value.to(tl.float32) / 4).to(value.dtype)
    for k in tl.static_range(4):
        here = tl.where(winner == k, value, 0.0).to(value.dtype) if LARGEST else value
        tl.store(corner + ((k // 2) * width + k % 2) * channels, here, there)
