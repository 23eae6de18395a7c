"""3×3 convolutions: torch's own, or oneDNN's fused ones where those are faster."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

_ONE = [1, 1]


class Convolution(Protocol):
    """A 3×3 convolution whose weights are frozen."""

    def __call__(self, x: Tensor, *, padding: int, relu: bool) -> Tensor:
        """Channels-last features of the next layer, after its ReLU or before.

        Args:
            x: B×C_in×H×W, channels-last.
            padding: zeros around x, 0 or 1 on each side.
            relu: whether negative features become 0.
        """


def convolution(
    kernel: Tensor, bias: Tensor, device: torch.device, precision: torch.dtype
) -> Convolution:
    """The fastest one for a device and a precision.

    Args:
        kernel: C_out×C_in×3×3.
        bias: C_out.
        device: where it computes.
        precision: in which it does.
    """
    # Channels-last is the layout that cuDNN's and oneDNN's matrix kernels want.
    kernel = kernel.to(device, precision, memory_format=torch.channels_last)
    made = Fused if device.type == "cpu" and precision == torch.bfloat16 and has_fused() else Plain
    return made(kernel, bias.to(device, precision))


def has_fused() -> bool:
    """Whether this torch has oneDNN's fused convolutions, which are no part of its public face."""
    names = ("_convolution_pointwise", "_reorder_convolution_weight")
    available: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return available and all(hasattr(torch.ops.mkldnn, name) for name in names)


class Plain:
    """Torch's own convolution."""

    def __init__(self, kernel: Tensor, bias: Tensor) -> None:
        self._kernel = kernel
        self._bias = bias

    def __call__(self, x: Tensor, *, padding: int, relu: bool) -> Tensor:
        """See `Convolution`."""
        y = functional.conv2d(x, self._kernel, self._bias, padding=padding)
        return functional.relu_(y) if relu else y


class Fused:
    """Convolution and ReLU in one, with kernels that lie in memory as the hardware wants them.

    The gradient towards x is a convolution too, with the kernels turned by half a turn and their
    channels swapped. Torch's own would lay its kernels out anew for every call, a tenth of the time,
    and has a slower kernel for the gradient.
    """

    def __init__(self, kernel: Tensor, bias: Tensor) -> None:
        self._forward = _Packed(kernel)
        turned = kernel.flip(2, 3).transpose(0, 1).contiguous(memory_format=torch.channels_last)
        self._backward = _Packed(turned)
        self._bias = bias

    def __call__(self, x: Tensor, *, padding: int, relu: bool) -> Tensor:
        """See `Convolution`."""
        if torch.is_grad_enabled() and x.requires_grad:
            return _Fused.apply(x, self, padding, relu)  # type: ignore[no-any-return]
        return self.features(x, padding, relu)

    def features(self, x: Tensor, padding: int, relu: bool) -> Tensor:
        """The convolution alone, without a gradient."""
        return self._forward(x, self._bias, padding, "relu" if relu else "none")

    def gradient(self, of: Tensor, padding: int) -> Tensor:
        """The gradient towards x, from that towards the convolution's result."""
        return self._backward(of, None, 2 - padding, "none")


class _Packed:
    """Kernels, laid out for the size that is seen first; others differ in speed at most."""

    def __init__(self, kernel: Tensor) -> None:
        self._kernel = kernel
        self._packed = False

    def __call__(self, x: Tensor, bias: Tensor | None, padding: int, then: str) -> Tensor:
        if not self._packed:
            self._kernel = torch.ops.mkldnn._reorder_convolution_weight(
                self._kernel, [padding] * 2, _ONE, _ONE, 1, list(x.shape)
            )
            self._packed = True
        return torch.ops.mkldnn._convolution_pointwise(  # type: ignore[no-any-return]
            x, self._kernel, bias, [padding] * 2, _ONE, _ONE, 1, then, [], ""
        )


class _Fused(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, of: Fused, padding: int, relu: bool) -> Tensor:  # noqa: ANN401
        y = of.features(x, padding, relu)
        ctx.of, ctx.padding, ctx.relu = of, padding, relu
        if relu:
            ctx.save_for_backward(y)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:  # noqa: ANN401
        if ctx.relu:
            gradient = torch.ops.aten.threshold_backward(gradient, ctx.saved_tensors[0], 0)
        return ctx.of.gradient(gradient, ctx.padding), None, None, None
