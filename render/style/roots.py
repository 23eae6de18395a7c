"""Square roots of symmetric positive matrices, in float64, without waiting for the GPU."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

ITERATIONS = 40
"""Newton–Schulz steps; each multiplies small roots by 1.5, so 36 lift those of a condition number of
1e12, and the last ones converge quadratically."""
_LEAST = 1e-24
"""Eigenvalues below count as this; it only keeps roots and quotients finite."""


def square_root(matrix: Tensor) -> Tensor:
    """The symmetric root of B×C×C symmetric positive matrices, as float64."""
    values, vectors = torch.linalg.eigh(matrix.double())
    root: Tensor = vectors @ torch.diag_embed(values.clamp_min(0).sqrt()) @ vectors.mT
    return root


def trace_of_root(matrix: Tensor) -> Tensor:
    """Trace (B) of the symmetric root of B×C×C symmetric positive matrices, and its gradient.

    The gradient of tr(S^½) is ½S^-½. It needs no gaps between eigenvalues, as that of the root itself
    does, and is had along with the value. float64, because covariances of features have condition
    numbers of 1e10 and more. On a CPU by eigenvalues; elsewhere by Newton–Schulz iteration (Higham
    2008, eq. 6.35), all products of matrices, because eigenvalues on a GPU wait for the host.
    """
    roots = by_eigenvalues if matrix.device.type == "cpu" else by_newton_schulz
    trace: Tensor = _TraceOfRoot.apply(matrix, roots)
    return trace


def by_eigenvalues(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Trace of the root (B) and inverse root (B×C×C)."""
    values, vectors = torch.linalg.eigh(matrix)
    roots = values.clamp_min(_LEAST).sqrt()
    return roots.sum(-1), (vectors / roots[..., None, :]) @ vectors.mT


def by_newton_schulz(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Trace of the root (B) and inverse root (B×C×C), by products of matrices alone."""
    eye = torch.eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device)
    norm = torch.linalg.matrix_norm(matrix).clamp_min(_LEAST)[..., None, None]
    root, inverse = matrix / norm, eye.expand_as(matrix)
    for _ in range(ITERATIONS):
        step = 1.5 * eye - 0.5 * inverse @ root
        root, inverse = root @ step, step @ inverse
    scale = norm.sqrt()
    return (root * scale).diagonal(dim1=-2, dim2=-1).sum(-1), inverse / scale


class _TraceOfRoot(torch.autograd.Function):
    """tr(S^½) with the gradient ½S^-½."""

    @staticmethod
    def forward(ctx: Any, matrix: Tensor, roots: Any) -> Tensor:  # noqa: ANN401 autograd's own types
        trace: Tensor
        trace, inverse = roots(matrix.double())
        ctx.save_for_backward(inverse)
        return trace

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401
        (inverse,) = ctx.saved_tensors
        return 0.5 * gradient[:, None, None] * inverse, None
