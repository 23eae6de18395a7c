"""The first convolution, from pixels to features, and what it sees beyond their edges."""

from __future__ import annotations

from typing import Any, Literal, Protocol

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from render.style.convolution import HALF, Relu, convolution
from render.style.kernels import kernels_work

Border = Literal["zeros", "replicate"]


class First(Protocol):
    """The first convolution."""

    def __call__(self, pixels: Tensor, *, relu: Relu) -> Tensor:
        """Channels-last features of B×3×H×W pixels, in the network's precision."""


def first_convolution(
    kernel: Tensor,
    bias: Tensor,
    device: torch.device,
    precision: torch.dtype,
    zero: tuple[float, float, float] | None,
) -> First:
    """The fastest one for a device and a precision.

    Args:
        kernel: C×3×3×3.
        bias: C.
        device: where it computes.
        precision: in which it does.
        zero: what lies beyond the edges of a picture, RGB from 0 to 1; `None`: its edges once more.
    """
    even = kernel.shape[0] % 16 == 0 and precision.itemsize == HALF
    if zero is None and even and kernels_work(device):
        return _Compiled(kernel.to(device, precision), bias.to(device, precision))
    convolve = convolution(kernel, bias, device, precision)
    around = None if zero is None else torch.tensor(zero, device=device)[:, None, None]

    def first(pixels: Tensor, *, relu: Relu) -> Tensor:
        if around is not None:
            pixels = functional.pad(pixels - around, (1, 1, 1, 1)) + around
        x = pixels.to(precision).contiguous(memory_format=torch.channels_last)
        return convolve(replicated(x) if around is None else x, padding=0, relu=relu)

    return first


class _Compiled:
    """By a kernel of our own: cuDNN's take five times as long for three colours as memory would."""

    def __init__(self, kernel: Tensor, bias: Tensor) -> None:
        from render.style.kernels.features import TAPS  # noqa: PLC0415 - there may be no Triton

        taps = kernel.permute(2, 3, 1, 0).flatten(0, 2)
        self.kernel = functional.pad(taps, (0, 0, 0, TAPS - len(taps))).contiguous()
        self.bias = bias

    def __call__(self, pixels: Tensor, *, relu: Relu) -> Tensor:
        return _First.apply(pixels, self, relu)  # type: ignore[no-any-return]


class _First(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, pixels: Tensor, of: _Compiled, relu: Relu) -> Tensor:  # noqa: ANN401
        from render.style.kernels import features  # noqa: PLC0415

        y = features.first(pixels, of.kernel, of.bias, relu=relu != "none")
        ctx.kernel, ctx.relu = of.kernel, relu
        if relu == "done":
            ctx.save_for_backward(y)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:  # noqa: ANN401
        from render.style.kernels import features  # noqa: PLC0415

        (y,) = ctx.saved_tensors or (None,)
        return features.first_gradient(gradient, ctx.kernel, y), None, None


def replicated(x: Tensor) -> Tensor:
    """B×C×H×W features with those at the edges once more beyond them."""
    return _Replicated.apply(x)  # type: ignore[no-any-return]


class _Replicated(torch.autograd.Function):
    """Torch's own has no gradient on a GPU that is the same every time, but for a slow one."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:  # noqa: ANN401
        return torch.ops.aten.replication_pad2d(x, [1] * 4)  # type: ignore[no-any-return]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # noqa: ANN401
        inner = gradient[:, :, 1:-1, 1:-1].clone(memory_format=torch.channels_last)
        for edge in (0, -1):
            inner[:, :, edge] += gradient[:, :, edge, 1:-1]
            inner[:, :, :, edge] += gradient[:, :, 1:-1, edge]
            for other in (0, -1):
                inner[:, :, edge, other] += gradient[:, :, edge, other]
        return inner
