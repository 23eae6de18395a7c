"""What an L-BFGS search has learnt of its problems' curvature: the last pairs of each."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from render.style import algebra, vectors
from render.style.bands import Bands

FIRST = 4
"""Pairs after which the curvature of bands is looked at first."""
AGAIN = 2
"""Times as many after which it is looked at again, which costs up to an evaluation: with 4 the same loss
takes a tenth more of them."""
LAST = 32
"""Pairs after which it is looked at no more: it changes little, and the loss comes out the same."""
DAMPING = 0.75
"""Power of it that is divided by: it is known but roughly. With all of it ordinary starts take some 3%
fewer evaluations, but from noise the loss after 60 is 6% higher."""
LIMIT = 3.5
"""Logarithm of the largest ratio to the mean of all bands that is believed."""
_AT_ONCE = 4
"""Slots that are looked at at once: more work in fewer pieces, for some memory."""


class Pairs:
    """The last m curvature pairs of each of B problems, as a ring, with their inner products.

    With displacements s and gradient changes y, H is built on γ·P, as plain L-BFGS is on γ alone.
    P, symmetric and positive definite, divides each band of frequency by a power of its curvature
    √(Σ|y|²/Σ|s|²), sums over that band and all pairs: the equilibration of Dauphin et al. (2015), for
    bands instead of unknowns, from pairs that are there anyway. `reweigh` looks at it, after the
    first few, and again when their number has doubled, up to `LAST`.

    `push_and_solve` and `reweigh` change what is here in place and decide nothing on the host, so that
    CUDA graphs of them can be replayed.

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
        # Of both m slots and a spare one, each B×N; slots not in use hold zeros.
        self._s, self._py = (like.new_zeros(history + 1, *like.shape) for _ in range(2))
        self._vectors, self._algebra = vectors.fastest(like), algebra.fastest(like, history)
        # Inner products of s, then y, in rows with s, then P·y, in columns. In float64: m×m numbers cost
        # nothing, and the triangular solves like it. Of s with y only those with a later y are kept.
        self._products = like.new_zeros(batch, 2 * history, 2 * history, dtype=torch.float64)
        self._weights = like.new_ones(batch, 1 if bands is None else bands.count)
        self.count = torch.zeros(batch, dtype=torch.int64, device=like.device)
        self._rows = torch.arange(batch, device=like.device)
        self._begin()

    def clear(self) -> None:
        """Forget everything."""
        if self._pushes > 0:
            for of in (self._s, self._py, self._products, self.count):
                of.zero_()
            self._weights.fill_(1)
            self._begin()

    def _begin(self) -> None:
        self._pushes = 0
        self._next = FIRST
        # Slots that may be in use, the first of the ring; on a GPU all, as a graph reads the same ones
        # whenever it is replayed. With a single one torch's rounding would differ with the batch.
        self._filled = self.history if self._s.is_cuda else min(2, self.history)

    def forget(self, which: Tensor) -> None:
        """Drop the history of the problems in `which` (B, bool)."""
        self.count.masked_fill_(which, 0)

    def newest(self, most: int) -> Tensor:
        """So many pairs of each problem (B×m×2×N), the oldest first; zeros before the first."""
        back = torch.arange(most, 0, -1, device=self.count.device)
        slot = (self.count[:, None] - back) % self.history
        s, y = (of[slot, self._rows[:, None]] for of in (self._s, self._py))
        y = torch.stack([self._weigh(each, 1 / self._weights) for each in y.unbind(1)], 1)
        there = back <= self.count[:, None]
        return torch.stack((s, y), 2).where(there[:, :, None, None], 0.0)

    def push_and_solve(self, s: Tensor, both: Tensor, offered: Tensor) -> tuple[Tensor, Tensor]:
        """Take in the pairs with positive curvature; return H·gradient (B×N) and |gradient|² (B).

        `pushed` is to be called as often.

        Args:
            s: B×N.
            both: y, then the gradient: 2×B×N.
            offered: of which problems (B, bool) there is a pair; what the others have may be anything.
        """
        self._filled = min(max(self._filled, self._pushes + 1), self.history)
        y, gradient = both
        sy, yy, square = self._vectors.inner((s, y), (y, y), (gradient, gradient))
        new, slot = self._algebra.admit(sy, yy, offered, self.count, self.history)
        py, p_gradient = self._weigh(both, self._weights)
        rings = self._s, self._py
        for ring, vector in zip(rings, (s, py), strict=True):
            self._vectors.put(ring, slot, vector)
        dots = self._dots(both, rings).flatten(2)
        scale, weights = self._algebra.solve(self._products, dots, slot, new, self.count)
        newton = self._vectors.combined(
            rings, weights, self._filled, p_gradient, scale.to(p_gradient.dtype)
        )
        return newton, square

    def pushed(self) -> int:
        """Count what was pushed.

        Returns:
            in how many slots to `reweigh` what is there, as it is time to; else 0.
        """
        self._pushes += 1
        if self._bands is None or self._pushes != self._next or self._next > LAST:
            return 0
        self._next *= AGAIN
        return min(self._pushes, self.history)

    def _dots(self, vectors: Tensor, rings: Sequence[Tensor]) -> Tensor:
        """Of r×B×N vectors with those in rings' slots: B×r×rings×m, float64; 0 if not in use."""
        dots = self._vectors.dots(vectors, rings, self._filled)
        missing = self.history - self._filled
        return functional.pad(dots, (0, missing)) if missing else dots

    def _weigh(self, vectors: Tensor, weights: Tensor) -> Tensor:
        """Any number of B×N vectors, or one, with each band multiplied by its weight (B×bands)."""
        return vectors if self._bands is None else self._bands.weigh(vectors, weights)

    def reweigh(self, slots: int) -> None:
        """Look at the curvature of each band anew and let P follow, in the first slots of the rings."""
        bands = self._bands
        if bands is None:
            return
        parts = [slice(n, min(n + _AT_ONCE, slots)) for n in range(0, slots, _AT_ONCE)]
        of_s, of_y = (
            torch.cat([bands.energy(ring[some]) for some in parts]) for ring in (self._s, self._py)
        )
        of_y = of_y / self._weights.square()
        size = of_y.sum(2, keepdim=True)  # every pair counts the same
        used = torch.arange(slots, device=size.device)[:, None] < self.count
        seen = used[..., None] & (size > 0)
        of_s, of_y = (torch.where(seen, of / size, 0.0).sum(0) for of in (of_s, of_y))
        known = (of_s > 0) & (of_y > 0)
        curvature = torch.where(known, of_y / of_s, 1.0).log() / 2
        curvature = (curvature - curvature.mean(1, keepdim=True)).clamp(-LIMIT, LIMIT)
        old = self._weights.clone()
        self._weights.copy_(torch.where(known, (-DAMPING * curvature).exp(), old))
        m = self.history
        of_y_with_py = self._products[:, m:, m:]
        for some in parts:
            y, self._py[some] = bands.weigh_each(self._py[some], [1 / old, self._weights / old])
            lines = self._vectors.dots(y, [self._py], slots)[:, :, 0, : some.stop]
            of_y_with_py[:, some, : some.stop] = lines
            of_y_with_py[:, : some.stop, some] = lines.mT
