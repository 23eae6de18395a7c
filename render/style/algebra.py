"""What a search works out from a few numbers of each of its B problems: by torch, or in one go on a GPU.

There every operation on such numbers takes as long as one on a small picture, and there are a hundred.
"""

from __future__ import annotations

import torch
from torch import Tensor

from render.style.kernels import kernels_work

ARMIJO = 1e-4
CURVATURE = 1e-8
"""A pair (s, y) is taken in only if s·y > `CURVATURE` · y·y: then H is positive definite."""
MAX_TRIALS = 8
_LARGEST = 64
"""Pairs up to which a kernel has all inner products in hand."""


class Algebra:
    """By torch."""

    def judge(
        self,
        fresh: Tensor,
        slope: Tensor,
        square: Tensor,
        loss: Tensor,
        trials: Tensor,
        length: Tensor,
        stopped: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Which trials are good, and which problems had their last without one (B, bool).

        Args:
            fresh: B, the loss of the trial.
            slope: B, gradient · displacement, which a loss must fall by a part of.
            square: B, of the gradient, not finite where a number of it is not.
            loss: B, of the best point; becomes the fresh one where that is good.
            trials: B, in a row that failed; counted here.
            length: B, of the step; becomes that of the next.
            stopped: B, bool: whose trials do not count.
        """
        lower = (fresh <= loss + ARMIJO * slope) & (slope < 0)
        good = lower & square.isfinite() & ~stopped
        exhausted = ~good & ~stopped & (trials + 1 >= MAX_TRIALS)
        # The minimum of the parabola through both losses.
        ratio = -0.5 * slope / (fresh - loss - slope)
        ratio = torch.where(torch.isfinite(ratio), ratio, 0.1).clamp(0.1, 0.5)
        # After the last of the trials, each half as long as the one before, a restart begins at half the
        # length of the first: at the same one it would try the same points again, for ever.
        again = torch.where(exhausted, length * 2 ** (MAX_TRIALS - 2), length * ratio)
        length.copy_(again.clamp(max=1.0).masked_fill(good, 1.0))
        trials.add_(1).masked_fill_(good | exhausted, 0)
        torch.where(good, fresh, loss, out=loss)
        return good, exhausted

    def admit(
        self, sy: Tensor, yy: Tensor, offered: Tensor, count: Tensor, slots: int
    ) -> tuple[Tensor, Tensor]:
        """Which pairs (B, bool) are taken in, and their slots in the ring (B; the spare one without).

        Args:
            sy: B, s·y of the pairs that are offered.
            yy: B, y·y.
            offered: B, bool: of which problems there is one.
            count: B, pairs taken in before.
            slots: of the ring, without the spare one.
        """
        new = offered & (sy > CURVATURE * yy) & (sy > 0)
        return new, torch.where(new, count % slots, slots)

    def solve(
        self, products: Tensor, dots: Tensor, slot: Tensor, new: Tensor, count: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Take in the inner products of a pair, count it, and give γ (B) and c (B×2m).

        H·g = γ·P·g + Σ c_i·v_i, with v all s, then all P·y, as `history.Pairs` has them.

        Args:
            products: B×2m×2m, float64, of s, then y, with s, then P·y; changed in place.
            dots: B×2×2m, float64: those of the pair's y, then of the gradient g.
            slot: B, where the pair lies, from 0 to m − 1.
            new: B, bool: whether there is one.
            count: B, pairs taken in; changed in place.
        """
        of_y, of_gradient = dots.unbind(1)
        m = of_y.shape[1] // 2
        here = (torch.arange(2 * m, device=slot.device) == m + slot[:, None]) & new[:, None]
        rows = torch.where(here[:, :, None], of_y[:, None], products)
        products.copy_(torch.where(here[:, None], of_y[:, :, None], rows))
        count += new
        return _coefficients(products, of_gradient, count)


def _coefficients(products: Tensor, of_gradient: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
    """Γ (B) and c (B×2m).

    H = γP + [S γPY] [[R⁻ᵀ(D + γYᵀPY)R⁻¹, −R⁻ᵀ], [−R⁻¹, 0]] [S γPY]ᵀ with R the upper triangle of
    SᵀY in order of age, D its diagonal, γ = s·y / y·Py of the newest pair.
    """
    m = of_gradient.shape[1] // 2
    age = torch.arange(m, device=of_gradient.device)
    # Oldest first: after `count` pairs the ring's oldest slot is count mod m.
    order = (count[:, None] + age) % m
    used = age[None, :] >= m - count.clamp(max=m)[:, None]
    # Before the ring is full, slots are in order from 0 and the unused ones come "before" them.
    order = torch.where(count[:, None] >= m, order, (age[None, :] - (m - count[:, None])) % m)
    sy = _permuted(products[:, :m, m:], order, used)
    yy = _permuted(products[:, m:, m:], order, used)
    s_g = torch.where(used, of_gradient[:, :m].gather(1, order), 0.0)[..., None]
    y_g = torch.where(used, of_gradient[:, m:].gather(1, order), 0.0)[..., None]
    diagonal = sy.diagonal(dim1=1, dim2=2)
    gamma = torch.where(used[:, -1], diagonal[:, -1] / yy[:, -1, -1].clamp_min(1e-300), 1.0)
    upper = sy.triu() + torch.diag_embed((~used).double())
    inner = torch.linalg.solve_triangular(upper, s_g, upper=True)
    g = gamma[:, None, None]
    on_s = torch.linalg.solve_triangular(
        upper.mT,
        diagonal[..., None] * inner + g * (yy @ inner) - g * y_g,
        upper=False,
    )
    on_y = -g * inner
    combination = torch.zeros_like(of_gradient)
    combination.scatter_(1, order, torch.where(used, on_s[..., 0], 0.0))
    combination.scatter_(1, order + m, torch.where(used, on_y[..., 0], 0.0))
    return gamma, combination


def _permuted(matrix: Tensor, order: Tensor, used: Tensor) -> Tensor:
    """Rows and columns of B×m×m matrices in `order` (B×m); zero where not `used`."""
    m = order.shape[1]
    rows = matrix.gather(1, order[:, :, None].expand(-1, m, m))
    both = rows.gather(2, order[:, None, :].expand(-1, m, m))
    return torch.where(used[:, :, None] & used[:, None, :], both, 0.0)


def fastest(like: Tensor, history: int) -> Algebra:
    """What works on the numbers of problems whose vectors are like this one."""
    if like.dtype != torch.float32 or history > _LARGEST or not kernels_work(like.device):
        return Algebra()
    from render.style.kernels.algebra import Compiled  # noqa: PLC0415 - there may be no Triton

    return Compiled()
