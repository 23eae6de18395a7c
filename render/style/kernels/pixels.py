"""Differences of pixels and of features, and pictures' spectra."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

_BLOCK = 1024


def variation(pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Mean squared differences of neighbours, down plus across (B), and their gradient.

    Args:
        pixels: B×C×H×W, float32.
    """
    pixels = pixels.contiguous()
    batch, channels, height, width = pixels.shape
    number = channels * height * width
    blocks = triton.cdiv(number, _BLOCK)
    sums = pixels.new_empty(batch, 2, blocks)
    gradient = torch.empty_like(pixels)
    counts = channels * (height - 1) * width, channels * height * (width - 1)
    _variation[(blocks, batch)](
        pixels,
        gradient,
        sums,
        number,
        height,
        width,
        blocks,
        *(1 / count for count in counts),
        _BLOCK,
    )
    return sums.sum((1, 2)), gradient


def difference(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Sums of (a − b)² of each sample (B), float32, and a − b; both lie in memory alike.

    Args:
        a: B×….
        b: of the same shape, or one for all samples.
    """
    batch, number = a.shape[0], a[0].numel()
    blocks = triton.cdiv(number, _BLOCK)
    sums = torch.empty((batch, blocks), device=a.device)
    found = torch.empty_like(a)
    own = b.numel() == a.numel()
    _difference[(blocks, batch)](a, b, found, sums, number, blocks, own, _BLOCK)
    return sums.sum(1), found


def scaled(numbers: Tensor, factors: Tensor, times: float) -> Tensor:
    """Numbers (B×…) by their sample's factor (B), by `times`; they lie in memory as they were."""
    batch, number = numbers.shape[0], numbers[0].numel()
    found = torch.empty_like(numbers)
    stride = factors.stride(0)
    _scaled[(triton.cdiv(number, _BLOCK), batch)](
        numbers, factors, found, number, stride, times, _BLOCK
    )
    return found


def weigh(spectrum: Tensor, index: Tensor, weights: Tensor) -> None:
    """Multiply each number of a spectrum by the weight of its band, in place.

    Args:
        spectrum: …×B×C×H×W, complex64, contiguous.
        index: H×W, int32: the band.
        weights: B×bands.
    """
    numbers = index.numel()
    batch, bands = weights.shape
    channels = spectrum.shape[-3]
    grid = triton.cdiv(numbers, _BLOCK), spectrum.numel() // numbers
    _weigh[grid](
        torch.view_as_real(spectrum), index, weights, numbers, channels, batch, bands, _BLOCK
    )


@triton.jit(do_not_specialize=("blocks",))  # type: ignore[untyped-decorator]
def _difference(  # type: ignore[no-untyped-def] # noqa: ANN202
    a, b, found, sums, number, blocks, OWN: tl.constexpr, BLOCK: tl.constexpr,  # noqa: ANN001, N803
):  # fmt: skip
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    sample = tl.program_id(1).to(tl.int64)
    there = at < number
    place = sample * number + at
    other = place if OWN else at
    gap = tl.load(a + place, there, 0.0).to(tl.float32) - tl.load(b + other, there, 0.0).to(
        tl.float32
    )
    gap = gap.to(found.dtype.element_ty)
    tl.store(found + place, gap, there)
    wide = gap.to(tl.float32)
    tl.store(sums + sample * blocks + tl.program_id(0), tl.sum(wide * wide, 0))


@triton.jit(do_not_specialize=("stride",))  # type: ignore[untyped-decorator]
def _scaled(  # type: ignore[no-untyped-def] # noqa: ANN202
    numbers, factors, found, number, stride, times, BLOCK: tl.constexpr,  # noqa: ANN001, N803
):  # fmt: skip
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    sample = tl.program_id(1).to(tl.int64)
    there = at < number
    place = sample * number + at
    value = tl.load(numbers + place, there, 0.0).to(tl.float32)
    value *= times * tl.load(factors + sample * stride).to(tl.float32)
    tl.store(found + place, value.to(found.dtype.element_ty), there)


@triton.jit(do_not_specialize=("channels", "batch", "bands"))  # type: ignore[untyped-decorator]
def _weigh(  # type: ignore[no-untyped-def] # noqa: ANN202
    spectrum, index, weights, numbers, channels, batch, bands, BLOCK: tl.constexpr,  # noqa: ANN001, N803
):  # fmt: skip
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    plane = tl.program_id(1)
    there = at < numbers
    band = tl.load(index + at, there, 0)
    weight = tl.load(weights + (plane // channels) % batch * bands + band, there, 0.0)
    part = tl.arange(0, 2)
    place = spectrum + 2 * (plane.to(tl.int64) * numbers + at)[:, None] + part[None, :]
    value = tl.load(place, there[:, None], 0.0)
    tl.store(place, value * weight[:, None], there[:, None])


@triton.jit(do_not_specialize=("number", "height", "width", "blocks"))  # type: ignore[untyped-decorator]
def _variation(  # type: ignore[no-untyped-def] # noqa: ANN202
    pixels, gradient, sums, number, height, width, blocks, of_down, of_across,  # noqa: ANN001
    BLOCK: tl.constexpr,  # noqa: N803
):  # fmt: skip
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    sample = tl.program_id(1).to(tl.int64)
    there = at < number
    row = (at // width) % height
    column = at % width
    place = pixels + sample * number + at
    own = tl.load(place, there, 0.0)
    below = there & (row < height - 1)
    right = there & (column < width - 1)
    down = tl.where(below, tl.load(place + width, below, 0.0) - own, 0.0)
    across = tl.where(right, tl.load(place + 1, right, 0.0) - own, 0.0)
    above = there & (row > 0)
    left = there & (column > 0)
    up = tl.where(above, own - tl.load(place - width, above, 0.0), 0.0)
    back = tl.where(left, own - tl.load(place - 1, left, 0.0), 0.0)
    slope = 2 * of_down * (up - down) + 2 * of_across * (back - across)
    tl.store(gradient + sample * number + at, slope, there)
    to = sums + sample * 2 * blocks + tl.program_id(0)
    tl.store(to, of_down * tl.sum(down * down, 0))
    tl.store(to + blocks, of_across * tl.sum(across * across, 0))
