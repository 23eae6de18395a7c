"""Passes over the vectors of a search's problems, B×N: by torch, or on a GPU in one go each.

A step of the search is hundreds of torch's kernels. For a small picture a GPU takes longer to start them
than to run them, and for a large one every pass over its vectors counts. There kernels of our own do the
same, up to rounding.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from render.style.kernels import kernels_work

Bounds = tuple[float, float]


class Vectors:
    """By torch."""

    def put(self, places: Tensor, slot: Tensor, vectors: Tensor) -> None:
        """Write each problem's vector (of B×N) to its slot (of B) in k×B×N places.

        With a place that nobody reads for those that are not wanted it takes a quarter of the time of
        a choice between old and new.
        """
        mode = torch.get_deterministic_debug_mode()
        torch.set_deterministic_debug_mode(0)  # the places differ: in any order it is the same
        try:
            places[slot, torch.arange(len(slot), device=slot.device)] = vectors
        finally:
            torch.set_deterministic_debug_mode(mode)

    def inner(self, *pairs: tuple[Tensor, Tensor]) -> Tensor:
        """Inner products of some pairs of B×N vectors: pairs×B."""
        return torch.stack([(a * b).sum(1) for a, b in pairs])

    def dots(self, vectors: Tensor, rings: Sequence[Tensor], filled: int) -> Tensor:
        """Of r×B×N vectors with the first in rings (k×B×N each): B×r×rings×`filled`, float64."""
        # In this order the long rows of both are read as they lie in memory.
        these = vectors.transpose(0, 1)
        found = [torch.bmm(these, ring[:filled].transpose(0, 1).mT) for ring in rings]
        return torch.stack(found, 2).double()

    def combined(
        self,
        rings: tuple[Tensor, Tensor],
        weights: Tensor,
        filled: int,
        vector: Tensor,
        scale: Tensor,
    ) -> Tensor:
        """Scale (B) times a vector (B×N), and with their weights those in the rings' first m places.

        Args:
            rings: k×B×N each.
            weights: B×2m: the one ring's, then the other's.
            filled: places from there on have no weight.
            vector: B×N.
            scale: B.
        """
        total: Tensor = (scale[:, None] * vector)[:, None]
        for ring, part in zip(rings, weights.chunk(2, 1), strict=True):
            used = part[:, None, :filled].to(total.dtype)
            total.baddbmm_(used, ring[:filled].transpose(0, 1))
        return total[:, 0]

    def advance(
        self, point: Tensor, direction: Tensor, length: Tensor, bounds: Bounds
    ) -> tuple[Tensor, Tensor]:
        """Points (B×N) a length (B) further, within bounds, and how far away they are."""
        trial = torch.addcmul(point, length[:, None], direction).clamp_(*bounds)
        return trial, trial - point

    def accept(
        self,
        good: Tensor,
        trial: Tensor,
        fresh: Tensor,
        points: Tensor,
        gradients: Tensor,
        both: Tensor,
        bounds: Bounds,
    ) -> None:
        """Let good trials become the points, and their gradients the gradients.

        Args:
            good: B, bool.
            trial: B×N.
            fresh: the gradients there.
            points: 2×B×N, the second place being for what nobody reads.
            gradients: likewise.
            both: 2×B×N, written: fresh gradients less those of before, then the gradients without the
                unknowns that they press against their bound (Bertsekas 1982).
            bounds: of every unknown.
        """
        torch.sub(fresh, gradients[0], out=both[0])
        place = (~good).long()
        self.put(points, place, trial)
        self.put(gradients, place, fresh)
        (low, high), point, gradient = bounds, points[0], gradients[0]
        pressed = ((point <= low) & (gradient > 0)) | ((point >= high) & (gradient < 0))
        both[1].copy_(gradient).masked_fill_(pressed, 0.0)

    def turn(
        self,
        which: Tensor,
        newton: Tensor,
        free: Tensor,
        square: Tensor,
        count: Tensor,
        first_step: float,
        directions: Tensor,
    ) -> None:
        """Give problems (B, bool) a new direction: −H·gradient or, without a curvature, −gradient.

        Args:
            which: B, bool.
            newton: B×N, H·gradient; may be overwritten.
            free: the gradient without what is pressed, which does not move.
            square: B, its square.
            count: B, pairs of curvature that are known.
            first_step: root mean square of −gradient as a direction.
            directions: 2×B×N, the second place being for what nobody reads.
        """
        known = (count > 0).to(square)
        rms = (square / free.shape[1]).sqrt()
        modest = first_step / rms.clamp_min(torch.finfo(rms.dtype).tiny)
        newton.masked_fill_(free == 0, 0.0).mul_(-known[:, None])
        newton.addcmul_(free, ((known - 1) * modest)[:, None])
        self.put(directions, (~which).long(), newton)


def fastest(like: Tensor) -> Vectors:
    """What goes over vectors like this one."""
    if like.dtype != torch.float32 or not kernels_work(like.device):
        return Vectors()
    from render.style.kernels.vectors import Compiled  # noqa: PLC0415 - there may be no Triton

    return Compiled()
