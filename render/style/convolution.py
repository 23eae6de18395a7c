"""3×3 convolutions: torch's own, or faster ones: of oneDNN or cuDNN, or Winograd's."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal, Protocol

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from render.style.winograd import Winograd

_ONE = [1, 1]
_ALIGNED = 16
HALF = 2
"""Bytes of a number in half precision."""

Relu = Literal["none", "done", "features", "left"]
"""What becomes of negative features: nothing; they become 0, and so does their gradient; they become 0,
and who takes them makes 0 of their gradient; or whatever is fastest, because who takes them makes 0 of
them and of their gradient, but that in half precision, where pooling compares bit patterns, none is
negative."""


class Convolution(Protocol):
    """A 3×3 convolution whose weights are frozen."""

    def __call__(self, x: Tensor, *, padding: int, relu: Relu) -> Tensor:
        """Channels-last features of the next layer, after its ReLU or before.

        Args:
            x: B×C_in×H×W, channels-last.
            padding: zeros around x, 0 or 1 on each side.
            relu: what becomes of negative features.
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
    kernel, bias = kernel.to(device, precision), bias.to(device, precision)
    if device.type == "cuda" and torch.version.hip is None:
        return Fused(_Cudnn(_laid_out(kernel)), _Cudnn(_turned(kernel)), bias)
    if device.type == "cpu" and precision == torch.bfloat16 and has_fused():
        return Fused(_Packed(_laid_out(kernel)), _Packed(_turned(kernel)), bias)
    if device.type == "cpu" and precision == torch.float32:
        forward, backward = partial(_laid_out, kernel), partial(_turned, kernel)
        return Fused(Winograd(forward), Winograd(backward), bias)
    return Plain(_laid_out(kernel), bias)


def _laid_out(kernel: Tensor) -> Tensor:
    """The kernel in the layout that cuDNN's and oneDNN's matrix kernels want."""
    return kernel.contiguous(memory_format=torch.channels_last)


def _turned(kernel: Tensor) -> Tensor:
    """The kernel that the gradient is convolved with."""
    return _laid_out(kernel.flip(2, 3).transpose(0, 1))


def has_fused() -> bool:
    """Whether oneDNN's fused convolutions, which are no part of torch's public face, work here."""
    names = ("_convolution_pointwise", "_reorder_convolution_weight", "_is_mkldnn_bf16_supported")
    available: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    there = available and all(hasattr(torch.ops.mkldnn, name) for name in names)
    # In half precision they take instructions that not every processor has.
    return there and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


class Plain:
    """Torch's own convolution."""

    def __init__(self, kernel: Tensor, bias: Tensor) -> None:
        self._kernel = kernel
        self._bias = bias

    def __call__(self, x: Tensor, *, padding: int, relu: Relu) -> Tensor:
        """See `Convolution`."""
        y = functional.conv2d(x, self._kernel, self._bias, padding=padding)
        half = y.dtype.itemsize == HALF and relu == "left"
        return functional.relu_(y) if half or relu in ("done", "features") else y


class Fused:
    """Convolution and ReLU in one, with kernels that lie in memory as the hardware wants them.

    The gradient towards x is a convolution too, with the kernels turned by half a turn and their
    channels swapped. On a CPU torch's own would lay its kernels out anew for every call, a tenth of the
    time; and everywhere it has slower kernels for the gradient.

    Args:
        forward: convolves with the kernel.
        backward: with the turned one.
        bias: C_out.
    """

    def __init__(self, forward: _Library, backward: _Library, bias: Tensor) -> None:
        self._forward, self._backward, self._bias = forward, backward, bias

    def __call__(self, x: Tensor, *, padding: int, relu: Relu) -> Tensor:
        """See `Convolution`."""
        if torch.is_grad_enabled() and x.requires_grad:
            return _Fused.apply(x, self, padding, relu)  # type: ignore[no-any-return]
        return self.features(x, padding, relu)

    def features(self, x: Tensor, padding: int, relu: Relu) -> Tensor:
        """The convolution alone, without a gradient."""
        return self._forward(x, self._bias, padding, relu != "none")

    def gradient(self, of: Tensor, padding: int) -> Tensor:
        """The gradient towards x, from that towards the convolution's result."""
        return self._backward(of, None, 2 - padding, False)


class _Library(Protocol):
    """Convolves x with a kernel, adds a bias and makes 0 of what is negative, if told to."""

    def __call__(self, x: Tensor, bias: Tensor | None, padding: int, relu: bool) -> Tensor: ...


class _Cudnn:
    """CuDNN's, for whole multiples of `_ALIGNED` channels: the others' take twice as long."""

    def __init__(self, kernel: Tensor) -> None:
        self._outputs, self._inputs = kernel.shape[:2]
        more = [-channels % _ALIGNED for channels in kernel.shape[:2]]
        self._kernel = functional.pad(kernel, (0, 0, 0, 0, 0, more[1], 0, more[0])).contiguous(
            memory_format=torch.channels_last
        )
        self._more = more[1]

    def __call__(self, x: Tensor, bias: Tensor | None, padding: int, relu: bool) -> Tensor:
        if self._more:
            x = functional.pad(x, (0, 0, 0, 0, 0, self._more))
        x = x.contiguous(memory_format=torch.channels_last)
        if relu:
            # A network's layers have outputs enough; the gradient towards pixels has no ReLU.
            return torch.ops.aten.cudnn_convolution_relu(  # type: ignore[no-any-return]
                x, self._kernel, bias, _ONE, [padding] * 2, _ONE, 1
            )
        return functional.conv2d(x, self._kernel, bias, padding=padding)[:, : self._outputs]


class _Packed:
    """OneDNN's; kernels are laid out for the size that is seen first, others differ in speed at most."""

    def __init__(self, kernel: Tensor) -> None:
        self._kernel = kernel
        self._packed = False

    def __call__(self, x: Tensor, bias: Tensor | None, padding: int, relu: bool) -> Tensor:
        if not self._packed:
            self._kernel = torch.ops.mkldnn._reorder_convolution_weight(
                self._kernel, [padding] * 2, _ONE, _ONE, 1, list(x.shape)
            )
            self._packed = True
        return torch.ops.mkldnn._convolution_pointwise(  # type: ignore[no-any-return]
            x, self._kernel, bias, [padding] * 2, _ONE, _ONE, 1, "relu" if relu else "none", [], ""
        )


class _Fused(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, of: Fused, padding: int, relu: Relu) -> Tensor:  # noqa: ANN401
        y = of.features(x, padding, relu)
        ctx.of, ctx.padding, ctx.relu = of, padding, relu
        if relu == "done":
            ctx.save_for_backward(y)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:  # noqa: ANN401
        if ctx.relu == "done":
            gradient = torch.ops.aten.threshold_backward(gradient, ctx.saved_tensors[0], 0)
        return ctx.of.gradient(gradient, ctx.padding), None, None, None
