"""Half as many features each way."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from render.style.convolution import HALF
from render.style.kernels import kernels_work

Pooling = Literal["max", "average", "l2"]

_SIDES, _NONE, _ONE = [2, 2], [0, 0], [1, 1]


def pooled(x: Tensor, pooling: Pooling, *, relu: bool) -> Tensor:
    """B×C×⌊H/2⌋×⌊W/2⌋ of channels-last B×C×H×W features.

    Args:
        x: features; in half precision none may be negative.
        pooling: what four of them become: the largest, their mean, or the root of their mean square.
        relu: whether what is negative afterwards becomes 0, and its gradient.
    """
    if pooling == "l2":
        # The small number keeps the slope finite where all four features are nought.
        return (pooled(x * x, "average", relu=False) + 1e-8).sqrt()
    if kernels_work(x.device):
        return _Pooled.apply(x, pooling == "max", relu)  # type: ignore[no-any-return]
    if pooling == "average":
        y = functional.avg_pool2d(x, 2)
    elif x.device.type == "cpu" and x.dtype.itemsize == HALF and _even(x):
        return _Largest.apply(x)  # type: ignore[no-any-return]
    else:
        y = _Noted.apply(x)
    return functional.relu_(y) if relu else y


class _Pooled(torch.autograd.Function):
    """Torch's own kernels for channels-last features take three to ten times as long on a GPU."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, largest: bool, relu: bool) -> Tensor:  # noqa: ANN401
        from render.style.kernels import pool  # noqa: PLC0415 - there may be no Triton

        ctx.shape = x.shape
        y, which = pool.pool(x, largest=largest, relu=relu)
        if which is not None:
            ctx.save_for_backward(which)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:  # noqa: ANN401
        from render.style.kernels import pool  # noqa: PLC0415 - there may be no Triton

        (which,) = ctx.saved_tensors or (None,)
        return pool.unpool(gradient, which, ctx.shape), None, None


class _Noted(torch.autograd.Function):
    """Torch's own, which note in four bytes where the largest was, and keep no features.

    At 1024 px in float32 such features would be a sixth of all tensors, and torch's notes a twelfth.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:  # noqa: ANN401
        y, where = torch.ops.aten.max_pool2d_with_indices(x, _SIDES, _SIDES)
        ctx.save_for_backward(where.int())
        ctx.shape = x.shape
        return y  # type: ignore[no-any-return]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # noqa: ANN401
        (where,) = ctx.saved_tensors
        towards = torch.empty(
            ctx.shape,
            dtype=gradient.dtype,
            device=gradient.device,
            memory_format=torch.channels_last,
        )
        # Of the features it reads the shape alone, which what it writes to has too.
        torch.ops.aten.max_pool2d_with_indices_backward.grad_input(
            gradient,
            towards,
            _SIDES,
            _SIDES,
            _NONE,
            _ONE,
            False,
            where.long(),
            grad_input=towards,
        )
        return towards


def _even(x: Tensor) -> bool:
    return x.shape[2] % 2 == 0 and x.shape[3] % 2 == 0


class _Largest(torch.autograd.Function):
    """The largest of four features in half precision, none of them negative, on a CPU.

    Their bit patterns, as whole numbers, are in the order of what they stand for, and vector units
    compare two bytes at a time. Torch's own kernels widen each to four, note the place in eight, and
    take twice as long. Of equal features the upper one, then the left one gets the gradient.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:  # noqa: ANN401
        batch, channels, height, width = x.shape
        rows = _bits(x).view(batch, height // 2, 2, width, channels)
        upper = torch.maximum(*rows.unbind(2)).view(batch, height // 2, width // 2, 2, channels)
        y = torch.maximum(*upper.unbind(3))
        ctx.save_for_backward(rows, upper, y)
        ctx.precision = x.dtype
        return y.view(x.dtype).permute(0, 3, 1, 2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # noqa: ANN401
        rows, upper, y = ctx.saved_tensors
        towards = _bits(gradient) & _sign(-y)  # none where all are 0
        towards = _to_larger(towards, upper, 3).flatten(2, 3)
        towards = _to_larger(towards, rows, 2).flatten(1, 2)
        return towards.view(ctx.precision).permute(0, 3, 1, 2)


def _bits(x: Tensor) -> Tensor:
    """B×H×W×C whole numbers of channels-last features in half precision, as they lie in memory."""
    rows = x.contiguous(memory_format=torch.channels_last).permute(0, 2, 3, 1)
    return rows.view(torch.int16)


def _to_larger(towards: Tensor, pairs: Tensor, dim: int) -> Tensor:
    """What is meant for the larger of each two numbers along `dim`, there; 0 at the other."""
    spread = torch.empty_like(pairs)
    first, second = spread.unbind(dim)
    of_first, of_second = pairs.unbind(dim)
    torch.bitwise_and(towards, _sign(of_first - of_second), out=second)
    torch.bitwise_xor(towards, second, out=first)
    return spread


def _sign(bits: Tensor) -> Tensor:
    """All bits set where a number is negative, in place; else none."""
    return bits.bitwise_right_shift_(15)
