"""What an L-BFGS search has learnt of its problems' curvature: the last pairs of each."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from render.style.bands import Bands

CURVATURE = 1e-8
"""A pair (s, y) is taken in only if s·y > `CURVATURE` · y·y: then H is positive definite."""
FIRST = 4
"""Pairs after which the curvature of bands is looked at first."""
AGAIN = 2
"""Times as many after which it is looked at again, which costs up to an evaluation: with 4 the same loss
takes a tenth more of them."""
DAMPING = 0.75
"""Power of it that is divided by: it is known but roughly. With all of it ordinary starts take some 3%
fewer evaluations, but from noise the loss after 60 is 6% higher."""
LIMIT = 3.5
"""Logarithm of the largest ratio to the mean of all bands that is believed."""


class Pairs:
    """The last m curvature pairs of each of B problems, as a ring, with their inner products.

    With displacements s and gradient changes y, H is built on γ·P, as plain L-BFGS is on γ alone.
    P, symmetric and positive definite, divides each band of frequency by a power of its curvature
    √(Σ|y|²/Σ|s|²), sums over that band and all pairs: the equilibration of Dauphin et al. (2015), for
    bands instead of unknowns, from pairs that are there anyway. It is looked at after the
    first few, and again whenever their number has doubled.

    Attributes:
        history: m.
        count: pairs taken in, B.

    Args:
        history: m.
        like: first points, B×N.
        bands: of the points, which are pictures; `None`: P is the identity.
    """

    def __init__(self, history: int, like: Tensor, bands: Bands | None = None) -> None:
        batch = like.shape[0]
        self.history = history
        self._bands = bands
        # Both B×m×N; slots not in use hold zeros.
        self._s, self._py = (like.new_zeros(batch, history, like.shape[1]) for _ in range(2))
        # Inner products of s, then y, in rows with s, then P·y, in columns. In float64: m×m numbers cost
        # nothing, and the triangular solves like it. Of s with y only those with a later y are kept.
        self._products = like.new_zeros(batch, 2 * history, 2 * history, dtype=torch.float64)
        self._weights = like.new_ones(batch, 1 if bands is None else bands.count)
        self.count = torch.zeros(batch, dtype=torch.int64, device=like.device)
        self._rows = torch.arange(batch, device=like.device)
        self._pushes = 0
        self._next = FIRST

    def forget(self, which: Tensor) -> None:
        """Drop the history of the problems in `which` (B, bool)."""
        self.count = torch.where(which, 0, self.count)

    def newest(self, most: int) -> Tensor:
        """So many pairs of each problem (B×m×2×N), the oldest first; zeros before the first."""
        back = torch.arange(most, 0, -1, device=self.count.device)
        slot = (self.count[:, None] - back) % self.history
        s, y = (of[self._rows[:, None], slot] for of in (self._s, self._py))
        y = torch.stack([self._weigh(each, 1 / self._weights) for each in y.unbind(1)], 1)
        there = back <= self.count[:, None]
        return torch.stack((s, y), 2).where(there[:, :, None, None], 0.0)

    def push_and_solve(self, s: Tensor, y: Tensor, gradient: Tensor) -> Tensor:
        """Take in the pairs with positive curvature and return H·gradient (B×N)."""
        m, rows = self.history, self._rows
        sy = (s * y).sum(1)
        new = (sy > CURVATURE * (y * y).sum(1)) & (sy > 0)
        slot = torch.where(new, self.count % m, 0)
        for ring, vector in ((self._s, s), (self._py, self._weigh(y, self._weights))):
            ring[rows, slot] = torch.where(new[:, None], vector, ring[rows, slot])
        self._pushes += 1
        of_y, of_gradient = self._with_all(torch.stack((y, gradient), dim=1)).unbind(1)
        line = torch.where(new[:, None], of_y, self._products[rows, m + slot])
        self._products[rows, m + slot] = line
        self._products[rows, :, m + slot] = line
        self.count = self.count + new
        if self._bands is not None and self._pushes == self._next:
            self._reweigh(self._bands)
            self._next *= AGAIN
            of_gradient = self._with_all(gradient[:, None])[:, 0]
        scale, combination = self._coefficients(of_gradient)
        total = scale[:, None] * self._weigh(gradient, self._weights)
        for ring, part in zip((self._s, self._py), torch.split(combination, m, 1), strict=True):
            used = part[:, None, : self._filled].to(total.dtype)
            total += torch.bmm(used, ring[:, : self._filled])[:, 0]
        return total

    @property
    def _filled(self) -> int:
        """Slots that may be in use, the first of the ring."""
        return min(self._pushes, self.history)

    def _with_all(self, vectors: Tensor) -> Tensor:
        """Inner products (B×r×2m, float64) of B×r×N vectors with every s, then every P·y."""
        # In this order the long rows of both are read as they lie in memory.
        parts = [torch.bmm(vectors, ring[:, : self._filled].mT) for ring in (self._s, self._py)]
        empty = (0, self.history - self._filled)
        return torch.cat([functional.pad(part.double(), empty) for part in parts], 2)

    def _weigh(self, vectors: Tensor, weights: Tensor) -> Tensor:
        return vectors if self._bands is None else self._bands.weigh(vectors, weights)

    def _reweigh(self, bands: Bands) -> None:
        """Look at the curvature of each band anew and let P follow, a vector at a time."""
        of_s, of_y = (
            torch.stack([bands.energy(ring[:, n]) for n in range(self._filled)], 1)
            for ring in (self._s, self._py)
        )
        of_y = of_y / self._weights[:, None].square()
        size = of_y.sum(2, keepdim=True)  # every pair counts the same
        used = torch.arange(self._filled, device=size.device) < self.count[:, None]
        seen = used[..., None] & (size > 0)
        of_s, of_y = (torch.where(seen, of / size, 0.0).sum(1) for of in (of_s, of_y))
        known = (of_s > 0) & (of_y > 0)
        curvature = torch.where(known, of_y / of_s, 1.0).log() / 2
        curvature = (curvature - curvature.mean(1, keepdim=True)).clamp(-LIMIT, LIMIT)
        old = self._weights
        self._weights = torch.where(known, (-DAMPING * curvature).exp(), old)
        m = self.history
        for n in range(self._filled):
            y, py = bands.weigh_each(self._py[:, n], [1 / old, self._weights / old])
            self._py[:, n] = py
            line = torch.bmm(y[:, None], self._py[:, : n + 1].mT)[:, 0].double()
            self._products[:, m + n, m : m + n + 1] = line
            self._products[:, m : m + n + 1, m + n] = line

    def _coefficients(self, dots: Tensor) -> tuple[Tensor, Tensor]:
        """H·g = γ·P·g + Σ c_i·v_i: returns γ (B) and c (B×2m), from v_i·g (B×2m).

        H = γP + [S γPY] [[R⁻ᵀ(D + γYᵀPY)R⁻¹, −R⁻ᵀ], [−R⁻¹, 0]] [S γPY]ᵀ with R the upper triangle of
        SᵀY in order of age, D its diagonal, γ = s·y / y·Py of the newest pair.
        """
        m = self.history
        age = torch.arange(m, device=dots.device)
        # Oldest first: after `count` pairs the ring's oldest slot is count mod m.
        order = (self.count[:, None] + age) % m
        used = age[None, :] >= m - self.count.clamp(max=m)[:, None]
        # Before the ring is full, slots are in order from 0 and the unused ones come "before" them.
        order = torch.where(
            self.count[:, None] >= m, order, (age[None, :] - (m - self.count[:, None])) % m
        )
        sy = _permuted(self._products[:, :m, m:], order, used)
        yy = _permuted(self._products[:, m:, m:], order, used)
        s_g = torch.where(used, dots[:, :m].gather(1, order), 0.0)[..., None]
        y_g = torch.where(used, dots[:, m:].gather(1, order), 0.0)[..., None]
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
        combination = torch.zeros_like(dots)
        combination.scatter_(1, order, torch.where(used, on_s[..., 0], 0.0))
        combination.scatter_(1, order + m, torch.where(used, on_y[..., 0], 0.0))
        return gamma.to(self._s.dtype), combination


def _permuted(matrix: Tensor, order: Tensor, used: Tensor) -> Tensor:
    """Rows and columns of B×m×m matrices in `order` (B×m); zero where not `used`."""
    m = order.shape[1]
    rows = matrix.gather(1, order[:, :, None].expand(-1, m, m))
    both = rows.gather(2, order[:, None, :].expand(-1, m, m))
    return torch.where(used[:, :, None] & used[:, None, :], both, 0.0)
