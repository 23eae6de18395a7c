"""Sums of products of channels, F·Fᵀ, in the memory layout and precision of the convolutions."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

_PARTS = 16
_PART = 256
"""Half-precision sums run over at most a sixteenth of the positions, but no fewer than these."""


def products(features: Tensor) -> Tensor:
    """F·Fᵀ (B×C×C, float32 or wider) of B×C×H×W features, F being the C×H·W matrix of each.

    Channels-last features are not copied. Half-precision ones are multiplied as they are: matrix units
    add such products in float32, but round each sum to the precision of its factors; so the sum is
    taken in parts, and the parts are added in float32. The gradient has the features' own precision.
    """
    return _Products.apply(features)  # type: ignore[no-any-return]


class _Products(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor) -> Tensor:  # noqa: ANN401 as torch has it
        ctx.save_for_backward(features)
        rows = _rows(features)
        if rows.dtype not in (torch.bfloat16, torch.float16):
            return torch.bmm(rows.mT, rows)
        batch, positions, channels = rows.shape
        parts = max(1, min(_PARTS, positions // _PART))
        even = positions // parts * parts
        part = rows[:, :even].reshape(batch * parts, even // parts, channels)
        total = torch.bmm(part.mT, part).float().view(batch, parts, channels, channels).sum(1)
        if even < positions:
            rest = rows[:, even:].float()
            total = torch.baddbmm(total, rest.mT, rest)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # noqa: ANN401
        """(D + Dᵀ)·F, written as rows of positions so that it comes out channels-last."""
        (features,) = ctx.saved_tensors
        batch, channels, height, width = features.shape
        both = (gradient + gradient.mT).to(features.dtype)
        rows = torch.bmm(_rows(features), both)
        return rows.view(batch, height, width, channels).permute(0, 3, 1, 2)


def _rows(features: Tensor) -> Tensor:
    """B×H·W×C; no copy where the features are channels-last."""
    return features.permute(0, 2, 3, 1).flatten(1, 2)
