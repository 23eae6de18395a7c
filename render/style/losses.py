"""The terms of the objective, each a function from tensors to one loss a sample (B).

C channels, M = H·W positions. All are means, so that they do not grow with the picture. A guide (see
`guides`) says what each position counts.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from render.style.kernels import kernels_work
from render.style.products import products, with_products


def gram(features: Tensor, guide: Tensor | None = None) -> Tensor:
    """Gram matrices F·Fᵀ/M (B×C×C, float32 or wider) of B×C×H×W features; Gatys et al. 2016, eq. 3.

    Divided by the number of positions alone, so that pictures of different sizes compare. With a
    guide g (B×1×H×W, whose squares sum to 1) it is Σ g²·f·fᵀ.
    """
    if guide is not None:
        return products(_wide(features) * guide)
    return products(features, 1 / features.shape[2:].numel())


def with_gram(features: Tensor, *, relu: bool = False) -> tuple[Tensor, Tensor]:
    """The features, to go on with, and their `gram`; see `with_products`."""
    return with_products(features, 1 / features.shape[2:].numel(), relu=relu)


def gram_distance(matrix: Tensor, target: Tensor) -> Tensor:
    """Squared Frobenius distance Σ(G − A)² of B×C×C from C×C or B×C×C matrices; ibid., eq. 4."""
    return squared_distance(matrix, target)


def content_distance(features: Tensor, target: Tensor, guide: Tensor | None = None) -> Tensor:
    """Mean squared difference of B×C×H×W features; Gatys et al. 2016, eq. 1 up to its constant."""
    if guide is not None:
        difference = _wide(features - target)
        return (guide * difference).square().sum((1, 2, 3)) / features.shape[1]
    return squared_distance(features, target) / features.shape[1:].numel()


def squared_distance(numbers: Tensor, target: Tensor) -> Tensor:
    """Sum of the squared differences of each sample (B) from a target, its own or one for all."""
    single = numbers.dtype != torch.float64 and target.dtype == numbers.dtype
    if single and kernels_work(numbers.device) and _alike(numbers, target):
        return _CompiledSquares.apply(numbers, target)  # type: ignore[no-any-return]
    return _Squares.apply(numbers - target)  # type: ignore[no-any-return]


def _alike(numbers: Tensor, target: Tensor) -> bool:
    """Whether both lie in memory in one order, without gaps."""
    if numbers.is_contiguous():
        return target.is_contiguous()
    last = torch.channels_last
    return numbers.is_contiguous(memory_format=last) and target.is_contiguous(memory_format=last)


class _Squares(torch.autograd.Function):
    """Its gradient keeps its precision and its layout in memory, and takes one step instead of four."""

    @staticmethod
    def forward(ctx: Any, numbers: Tensor) -> Tensor:  # noqa: ANN401 as torch has it
        ctx.save_for_backward(numbers)
        return _wide(numbers).square().sum(tuple(range(1, numbers.dim())))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # noqa: ANN401
        (numbers,) = ctx.saved_tensors
        factor = (2 * gradient).to(numbers.dtype).view(-1, *[1] * (numbers.dim() - 1))
        return numbers * factor  # type: ignore[no-any-return]


class _CompiledSquares(torch.autograd.Function):
    """See `squared_distance`; in one go each way."""

    @staticmethod
    def forward(ctx: Any, numbers: Tensor, target: Tensor) -> Tensor:  # noqa: ANN401
        from render.style.kernels.pixels import difference  # noqa: PLC0415 - there may be no Triton

        squares, found = difference(numbers, target)
        ctx.save_for_backward(found)
        return squares

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401
        from render.style.kernels.pixels import scaled  # noqa: PLC0415

        return scaled(ctx.saved_tensors[0], gradient, 2.0), None


def spread(features: Tensor, guide: Tensor | None = None) -> Tensor:
    """Mean over the channels of each channel's variance in a B×C×H×W tensor."""
    wide = _wide(features)
    if guide is None:
        return wide.var((2, 3), correction=0).mean(1)
    mean = (wide * guide.square()).sum((2, 3), keepdim=True)
    return ((wide - mean) * guide).square().sum((2, 3)).mean(1)


def total_variation(pixels: Tensor) -> Tensor:
    """Mean squared difference of neighbours, down plus across, of B×3×H×W pixels."""
    if pixels.dtype == torch.float32 and kernels_work(pixels.device):
        return _CompiledVariation.apply(pixels)  # type: ignore[no-any-return]
    return _Variation.apply(pixels)  # type: ignore[no-any-return]


class _CompiledVariation(torch.autograd.Function):
    """Loss and gradient in one go."""

    @staticmethod
    def forward(ctx: Any, pixels: Tensor) -> Tensor:  # noqa: ANN401
        from render.style.kernels.pixels import variation  # noqa: PLC0415 - there may be no Triton

        loss, slope = variation(pixels)
        ctx.save_for_backward(slope)
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # noqa: ANN401
        from render.style.kernels.pixels import scaled  # noqa: PLC0415

        return scaled(ctx.saved_tensors[0], gradient, 1.0)


class _Variation(torch.autograd.Function):
    """The gradient of slices as torch has it fills a picture of zeros for each of them."""

    @staticmethod
    def forward(ctx: Any, pixels: Tensor) -> Tensor:  # noqa: ANN401
        differences = pixels.diff(dim=2), pixels.diff(dim=3)
        ctx.save_for_backward(*differences)
        ctx.shape = pixels.shape
        down, across = (each.square().mean((1, 2, 3)) for each in differences)
        return down + across

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # noqa: ANN401
        total = gradient.new_zeros(ctx.shape)
        for dim, differences in enumerate(ctx.saved_tensors, start=2):
            slope = 2 / differences[0].numel() * gradient[:, None, None, None] * differences
            count = slope.shape[dim]
            total.narrow(dim, 1, count).add_(slope)
            total.narrow(dim, 0, count).sub_(slope)
        return total


def summed_variation(pixels: Tensor) -> Tensor:
    """Half the sum of squared differences of neighbours in B×3×H×W pixels.

    Its gradient is the total variation term of jcjohnson's neural-style, which has no value there:
    x(i, j) − x(i, j+1) and x(i, j) − x(i+1, j) for all i, j but the last row and column.
    """
    corner = pixels[:, :, :-1, :-1]
    across = corner - pixels[:, :, :-1, 1:]
    down = corner - pixels[:, :, 1:, :-1]
    return 0.5 * (across.square() + down.square()).sum((1, 2, 3))


def masked_distance(pixels: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Temporal loss Σ m·(x − w)² / D, D = 3·H·W; Ruder et al. 2016, eq. 7.

    Args:
        pixels: B×3×H×W.
        target: B×3×H×W, the previous result warped to this frame.
        mask: B×1×H×W, 1 where the warp can be trusted.
    """
    return (mask * (pixels - target).square()).mean((1, 2, 3))


def _wide(features: Tensor) -> Tensor:
    return features if features.dtype == torch.float64 else features.float()
