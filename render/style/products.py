"""Sums of products of channels, F·Fᵀ, in the memory layout and precision of the convolutions."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from render.style.convolution import HALF
from render.style.kernels import kernels_work

_PARTS, _PARTS_ON_GPU = 16, 64
"""Sums run over a sixteenth of the positions, which keeps all cores busy; over less on a GPU, too."""
_PART = 256
"""But over no fewer positions than these."""
_WIDTH = 64
"""Channels of which a kernel of our own takes multiples."""


def products(features: Tensor, scale: float = 1.0) -> Tensor:
    """F·Fᵀ · `scale` (B×C×C, float32 or wider) of B×C×H×W features, F being the C×H·W matrix of each.

    Channels-last features are not copied. Sums are taken in parts. Half-precision features are
    multiplied as they are: matrix units add such products in float32, but round each sum to the
    precision of its factors; the parts are added in float32. The gradient has the features' own.
    """
    return with_products(features, scale)[1]


def with_products(
    features: Tensor, scale: float = 1.0, *, relu: bool = False
) -> tuple[Tensor, Tensor]:
    """The features, to go on with, and their `products`.

    What comes back from both as a gradient is then added while it is computed, instead of in a pass
    over the features of its own. The features' is overwritten: they may go on to operations only that
    hand out a gradient of their own making, as convolutions, pooling and ReLU do.

    Args:
        features: as in `products`.
        scale: likewise.
        relu: they come from a ReLU that leaves it to this to make 0 of the gradient where they are 0.
    """
    return _Products.apply(features, scale, relu)  # type: ignore[no-any-return]


class _Products(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 as torch has it
        features: Tensor,
        scale: float,
        relu: bool,
    ) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(features)
        ctx.scale, ctx.relu = scale, relu
        ctx.set_materialize_grads(False)
        return features.view_as(features), _sums(_rows(features), scale)

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any,  # noqa: ANN401
        onward: Tensor | None,
        gradient: Tensor | None,
    ) -> tuple[Tensor | None, None, None]:
        """(D + Dᵀ)·F, written as rows of positions so that it comes out channels-last."""
        (features,) = ctx.saved_tensors
        if gradient is None:
            if onward is not None and ctx.relu:
                onward = torch.ops.aten.threshold_backward(onward, features, 0)
            return onward, None, None
        batch, channels, height, width = features.shape
        both = torch.empty_like(gradient, dtype=features.dtype)
        torch.add(gradient, gradient.mT, out=both)
        rows = _rows(features)
        if ctx.relu and channels % _WIDTH == 0 and _compiled(features):
            from render.style.kernels.features import products_gradient  # noqa: PLC0415

            total = torch.zeros_like(rows) if onward is None else _rows(onward)
            products_gradient(rows, both, total, ctx.scale)
        else:
            if onward is None:
                total = torch.baddbmm(rows, rows, both, beta=0, alpha=ctx.scale)
            else:
                total = _rows(onward).baddbmm_(rows, both, alpha=ctx.scale)
            if ctx.relu:
                total = torch.ops.aten.threshold_backward(total, rows, 0)
        return total.view(batch, height, width, channels).permute(0, 3, 1, 2), None, None


def _compiled(features: Tensor) -> bool:
    """Whether kernels of our own take such features."""
    return features.dtype.itemsize == HALF and kernels_work(features.device)


def _sums(rows: Tensor, scale: float) -> Tensor:
    """Of products of B×M×C rows, by `scale`."""
    wide = torch.promote_types(rows.dtype, torch.float32)
    batch, positions, channels = rows.shape
    parts = max(1, min(_PARTS_ON_GPU if rows.is_cuda else _PARTS, positions // _PART))
    even = positions // parts * parts
    part = rows[:, :even].reshape(batch * parts, even // parts, channels)
    total = torch.bmm(part.mT, part).view(batch, parts, channels, channels)
    rest = rows[:, even:]
    if _compiled(rows):
        from render.style.kernels.features import summed  # noqa: PLC0415

        return summed(total, torch.bmm(rest.mT, rest) if even < positions else None, scale)
    total = total.sum(1, dtype=wide)
    if even < positions:
        rest = rest.to(wide)
        total = torch.baddbmm(total, rest.mT, rest)
    return total.mul_(scale)


def _rows(features: Tensor) -> Tensor:
    """B×H·W×C; no copy where the features are channels-last."""
    return features.permute(0, 2, 3, 1).flatten(1, 2)
