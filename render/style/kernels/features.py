"""The ends of the network: from pixels to the first features and back, and gradients behind a ReLU."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

TAPS = 32
"""Numbers that a first feature is made of, 3×3 pixels of three colours, and zeros up to what matrix
units take."""
_GEOMETRY = ("height", "width", "positions")
"""What differs from size to size, for each of which Triton would else compile once more."""
_ROWS = 128
_SIDE, _COLUMNS = 64, 128
"""Positions, and channels, of a gradient of products that are in hand at once; with twice as many
positions the deeper layers took half as long again."""
_FEW = 256


def first(pixels: Tensor, kernel: Tensor, bias: Tensor, *, relu: bool) -> Tensor:
    """Convolve pixels, repeated beyond their edges.

    Args:
        pixels: B×3×H×W, float32; rounded to the kernel's precision.
        kernel: `TAPS`×C in half precision; row 3·tap + colour, taps row by row.
        bias: C.
        relu: whether what is negative becomes 0.

    Returns:
        B×C×H×W, channels-last.
    """
    pixels = pixels.contiguous()
    batch, _, height, width = pixels.shape
    channels = kernel.shape[1]
    y = torch.empty(
        (batch, channels, height, width),
        dtype=kernel.dtype, device=pixels.device, memory_format=torch.channels_last,
    )  # fmt: skip
    positions = height * width
    _first[(triton.cdiv(positions, _ROWS), batch)](
        pixels, kernel, bias, y, height, width, positions, channels, relu, TAPS, _ROWS
    )
    return y


def first_gradient(of: Tensor, kernel: Tensor, features: Tensor | None) -> Tensor:
    """The gradient towards the pixels (B×3×H×W, float32).

    Args:
        of: towards what `first` made of them.
        kernel: as `first` has it.
        features: what it made, if it made 0 of what was negative and `of` is not 0 there yet.
    """
    of = of.contiguous(memory_format=torch.channels_last)
    batch, channels, height, width = of.shape
    positions = height * width
    parts = torch.empty((batch, TAPS, positions), dtype=of.dtype, device=of.device)
    masked = features is not None
    _spread[(triton.cdiv(positions, _ROWS), batch)](
        of, features if masked else of, kernel, parts, positions, channels, masked, TAPS, _ROWS
    )
    pixels = torch.empty((batch, 3, height, width), device=of.device)
    _collect[(triton.cdiv(positions, 4 * _ROWS), batch * 3)](
        parts, pixels, height, width, positions, TAPS, 4 * _ROWS
    )
    return pixels


def summed(parts: Tensor, rest: Tensor | None, scale: float) -> Tensor:
    """The sum over parts (B×P×C×C), and of a rest (B×C×C), by `scale`: B×C×C, float32."""
    batch, count, channels, _ = parts.shape
    total = torch.empty((batch, channels, channels), device=parts.device)
    number = channels * channels
    _summed[(triton.cdiv(number, _FEW), batch)](
        parts, parts if rest is None else rest, total, number, count, scale, rest is not None, _FEW
    )
    return total


def products_gradient(features: Tensor, both: Tensor, onward: Tensor, scale: float) -> None:
    """Add the gradient of products of channels to `onward`, and make 0 of it where features are 0.

    Args:
        features: B×M×C, none of them negative.
        both: B×C×C, symmetric: the gradient towards the products and its transpose.
        onward: B×M×C, changed in place.
        scale: of the products.
    """
    batch, positions, channels = features.shape
    columns = min(_COLUMNS, channels)
    deep = channels if channels <= _COLUMNS else _SIDE
    grid = triton.cdiv(positions, _SIDE) * (channels // columns), batch
    _products_gradient[grid](
        features, both, onward, positions, scale, channels, _SIDE, columns, deep
    )


@triton.jit(do_not_specialize=_GEOMETRY)  # type: ignore[untyped-decorator]
def _first(  # type: ignore[no-untyped-def] # noqa: ANN202
    pixels, kernel, bias, y, height, width, positions,  # noqa: ANN001
    CHANNELS: tl.constexpr, RELU: tl.constexpr, TAPS: tl.constexpr, ROWS: tl.constexpr,  # noqa: N803
):  # fmt: skip
    at = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    sample = tl.program_id(1).to(tl.int64)
    there = at < positions
    tap = tl.arange(0, TAPS)
    row = (at // width)[:, None] + (tap // 9 - 1)[None, :]
    column = (at % width)[:, None] + (tap // 3 % 3 - 1)[None, :]
    row = tl.minimum(tl.maximum(row, 0), height - 1)
    column = tl.minimum(tl.maximum(column, 0), width - 1)
    place = ((tap % 3)[None, :] * height + row) * width + column
    used = there[:, None] & (tap < 27)[None, :]
    seen = tl.load(pixels + sample * 3 * positions + place, used, 0.0)
    channel = tl.arange(0, CHANNELS)
    weights = tl.load(kernel + tap[:, None] * CHANNELS + channel[None, :])
    found = tl.dot(seen.to(weights.dtype), weights)
    found += tl.load(bias + channel).to(tl.float32)[None, :]
    if RELU:
        found = tl.where(found < 0, 0.0, found)  # what is not a number stays so
    where = (sample * positions + at)[:, None] * CHANNELS + channel[None, :]
    tl.store(y + where, found.to(y.dtype.element_ty), there[:, None])


@triton.jit(do_not_specialize=_GEOMETRY)  # type: ignore[untyped-decorator]
def _spread(  # type: ignore[no-untyped-def] # noqa: ANN202
    of, features, kernel, parts, positions,  # noqa: ANN001
    CHANNELS: tl.constexpr, MASKED: tl.constexpr, TAPS: tl.constexpr, ROWS: tl.constexpr,  # noqa: N803
):  # fmt: skip
    at = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    sample = tl.program_id(1).to(tl.int64)
    there = at < positions
    channel = tl.arange(0, CHANNELS)
    tap = tl.arange(0, TAPS)
    where = (sample * positions + at)[:, None] * CHANNELS + channel[None, :]
    value = tl.load(of + where, there[:, None], 0.0)
    if MASKED:
        own = tl.load(features + where, there[:, None], 0.0)
        value = tl.where(own > 0, value, 0.0).to(value.dtype)
    weights = tl.load(kernel + tap[:, None] * CHANNELS + channel[None, :])
    found = tl.dot(value, tl.trans(weights))
    to = (sample * TAPS + tap)[None, :] * positions + at[:, None]
    tl.store(parts + to, found.to(parts.dtype.element_ty), there[:, None])


@triton.jit(do_not_specialize=_GEOMETRY)  # type: ignore[untyped-decorator]
def _collect(  # type: ignore[no-untyped-def] # noqa: ANN202
    parts, pixels, height, width, positions,  # noqa: ANN001
    TAPS: tl.constexpr, BLOCK: tl.constexpr,  # noqa: N803
):  # fmt: skip
    """What each pixel was to the features around it; one at an edge also as those repeated beyond."""
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    sample = (tl.program_id(1) // 3).to(tl.int64)
    colour = tl.program_id(1) % 3
    there = at < positions
    row = at // width
    column = at % width
    total = tl.zeros((BLOCK,), tl.float32)
    for tap in tl.static_range(9):
        down = tap // 3 - 1
        across = tap % 3 - 1
        plane = parts + (sample * TAPS + tap * 3 + colour) * positions
        for k in tl.static_range(4):
            if (k // 2 == 0 or down != 0) and (k % 2 == 0 or across != 0):
                r = row - down
                c = column - across
                good = there
                if k // 2 == 1:  # the feature at the edge itself, which saw the pixel beyond it
                    r = row
                    good = good & (row == (0 if down < 0 else height - 1))
                if k % 2 == 1:
                    c = column
                    good = good & (column == (0 if across < 0 else width - 1))
                good = good & (r >= 0) & (r < height) & (c >= 0) & (c < width)
                total += tl.load(plane + r * width + c, good, 0.0).to(tl.float32)
    tl.store(pixels + (sample * 3 + colour) * positions + at, total, there)


@triton.jit(do_not_specialize=("count",))  # type: ignore[untyped-decorator]
def _summed(  # type: ignore[no-untyped-def] # noqa: ANN202
    parts, rest, total, number, count, scale, REST: tl.constexpr, BLOCK: tl.constexpr,  # noqa: ANN001, N803
):  # fmt: skip
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    sample = tl.program_id(1).to(tl.int64)
    there = at < number
    found = tl.zeros((BLOCK,), tl.float32)
    for part in range(count):
        place = parts + (sample * count + part) * number + at
        found += tl.load(place, there, 0.0).to(tl.float32)
    if REST:
        found += tl.load(rest + sample * number + at, there, 0.0).to(tl.float32)
    tl.store(total + sample * number + at, found * scale, there)


@triton.jit(do_not_specialize=_GEOMETRY)  # type: ignore[untyped-decorator]
def _products_gradient(  # type: ignore[no-untyped-def] # noqa: ANN202
    features, both, onward, positions, scale,  # noqa: ANN001
    CHANNELS: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr, DEEP: tl.constexpr,  # noqa: N803
):  # fmt: skip
    part = tl.program_id(0) % (CHANNELS // COLUMNS)
    at = (tl.program_id(0) // (CHANNELS // COLUMNS)) * ROWS + tl.arange(0, ROWS)
    sample = tl.program_id(1).to(tl.int64)
    there = (at < positions)[:, None]
    column = part * COLUMNS + tl.arange(0, COLUMNS)
    rows = (sample * positions + at)[:, None] * CHANNELS
    before = tl.load(onward + rows + column[None, :], there, 0.0)
    if DEEP == CHANNELS:
        deep = tl.arange(0, CHANNELS)
        own = tl.load(features + rows + deep[None, :], there, 0.0)
        weights = tl.load(both + (sample * CHANNELS + deep)[:, None] * CHANNELS + column[None, :])
        total = tl.dot(own, weights)
    else:
        total = tl.zeros((ROWS, COLUMNS), tl.float32)
        for begin in range(0, CHANNELS, DEEP):
            deep = begin + tl.arange(0, DEEP)
            seen = tl.load(features + rows + deep[None, :], there, 0.0)
            place = (sample * CHANNELS + deep)[:, None] * CHANNELS + column[None, :]
            total = tl.dot(seen, tl.load(both + place), total)
        own = tl.load(features + rows + column[None, :], there, 0.0)
    total = tl.where(own > 0, before.to(tl.float32) + scale * total, 0.0)
    tl.store(onward + rows + column[None, :], total.to(before.dtype), there)
