"""Half as many features each way, and the padding between convolutions."""

from __future__ import annotations

import warnings
from functools import lru_cache
from typing import Any, Literal

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

Pooling = Literal["max", "average", "l2"]


def pooled(x: Tensor, pooling: Pooling, *, relu: bool) -> Tensor:
    """B×C×⌊H/2⌋×⌊W/2⌋ of channels-last B×C×H×W features.

    Args:
        x: features.
        pooling: what four of them become: the largest, their mean, or the root of their mean square.
        relu: whether what is negative afterwards becomes 0, and its gradient.
    """
    if pooling == "l2":
        # The small number keeps the slope finite where all four features are nought.
        return (pooled(x * x, "average", relu=False) + 1e-8).sqrt()
    if x.is_cuda and kernels_work(x.device):
        return _Pooled.apply(x, pooling == "max", relu)  # type: ignore[no-any-return]
    y = functional.max_pool2d(x, 2) if pooling == "max" else functional.avg_pool2d(x, 2)
    return functional.relu_(y) if relu else y


@lru_cache
def kernels_work(device: torch.device) -> bool:
    """Whether kernels of our own can be built for this GPU, which takes Triton and a C compiler."""
    try:
        from render.style import kernels  # noqa: PLC0415 - there may be no Triton

        kernels.pool(torch.zeros(1, 8, 2, 2, device=device), largest=True, relu=True)
    except Exception as error:
        warnings.warn(f"torch's own pooling is used, which is slower: {error}", stacklevel=2)
        return False
    return True


class _Pooled(torch.autograd.Function):
    """Torch's own kernels for channels-last features take three to ten times as long on a GPU."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, largest: bool, relu: bool) -> Tensor:  # noqa: ANN401
        from render.style import kernels  # noqa: PLC0415

        ctx.shape = x.shape
        y, which = kernels.pool(x, largest=largest, relu=relu)
        if which is not None:
            ctx.save_for_backward(which)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:  # noqa: ANN401
        from render.style import kernels  # noqa: PLC0415

        (which,) = ctx.saved_tensors or (None,)
        return kernels.unpool(gradient, which, ctx.shape), None, None


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
