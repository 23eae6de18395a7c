"""Sums of products of channels, F·Fᵀ, in the memory layout and precision of the convolutions."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

_PARTS, _PARTS_ON_GPU = 16, 64
"""Sums run over a sixteenth of the positions, which keeps all cores busy; over less on a GPU, too."""
_PART = 256
"""But over no fewer positions than these."""


def products(features: Tensor, scale: float = 1.0) -> Tensor:
    """F·Fᵀ · `scale` (B×C×C, float32 or wider) of B×C×H×W features, F being the C×H·W matrix of each.

    Channels-last features are not copied. Sums are taken in parts. Half-precision features are
    multiplied as they are: matrix units add such products in float32, but round each sum to the
    precision of its factors; the parts are added in float32. The gradient has the features' own.
    """
    return with_products(features, scale)[1]


def with_products(features: Tensor, scale: float = 1.0) -> tuple[Tensor, Tensor]:
    """The features, to go on with, and their `products`.

    What comes back from both as a gradient is then added while it is computed, instead of in a pass
    over the features of its own. The features' is overwritten: they may go on to operations only that
    hand out a gradient of their own making, as convolutions, pooling and ReLU do.
    """
    return _Products.apply(features, scale)  # type: ignore[no-any-return]


class _Products(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 as torch has it
        features: Tensor,
        scale: float,
    ) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(features)
        ctx.scale = scale
        ctx.set_materialize_grads(False)
        return features.view_as(features), _sums(_rows(features)).mul_(scale)

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any,  # noqa: ANN401
        onward: Tensor | None,
        gradient: Tensor | None,
    ) -> tuple[Tensor | None, None]:
        """(D + Dᵀ)·F, written as rows of positions so that it comes out channels-last."""
        if gradient is None:
            return onward, None
        (features,) = ctx.saved_tensors
        batch, channels, height, width = features.shape
        both = (gradient + gradient.mT).to(features.dtype)
        rows = _rows(features)
        if onward is None:
            rows = torch.baddbmm(rows, rows, both, beta=0, alpha=ctx.scale)
        else:
            rows = _rows(onward).baddbmm_(rows, both, alpha=ctx.scale)
        return rows.view(batch, height, width, channels).permute(0, 3, 1, 2), None


def _sums(rows: Tensor) -> Tensor:
    wide = torch.promote_types(rows.dtype, torch.float32)
    batch, positions, channels = rows.shape
    parts = max(1, min(_PARTS_ON_GPU if rows.is_cuda else _PARTS, positions // _PART))
    even = positions // parts * parts
    part = rows[:, :even].reshape(batch * parts, even // parts, channels)
    total = torch.bmm(part.mT, part).view(batch, parts, channels, channels)
    total = total.sum(1, dtype=wide)
    if even < positions:
        rest = rows[:, even:].to(wide)
        total = torch.baddbmm(total, rest.mT, rest)
    return total


def _rows(features: Tensor) -> Tensor:
    """B×H·W×C; no copy where the features are channels-last."""
    return features.permute(0, 2, 3, 1).flatten(1, 2)
