"""Batched L-BFGS over independent problems, inside a box, without reading a value back.

A batch holds B problems of N unknowns. Each has its own curvature pairs, step length and stop;
nothing couples them but the tensor they lie in. What the search guarantees, for each problem:

- every accepted point satisfies f(x') ≤ f(x) + 1e-4 · g·(x' − x) with g·(x' − x) < 0 (Armijo along the
  projection on the box), so its loss never rises and it cannot diverge;
- a trial that fails, be it by overflow to infinity or NaN, is not accepted; the step is shortened by
  quadratic interpolation to between a tenth and half of itself;
- a pair (s, y) enters the history only if s·y > 1e-8 · y·y, so the curvature stays positive definite
  and the direction descends; if a search still fails `MAX_TRIALS` times in a row, the history is
  dropped and the search starts again along the steepest descent.

The direction is the compact form of Byrd, Nocedal and Schnabel (1994): with the pairs as rows of one
B×2m×N tensor, it costs two batched matrix products over the history and algebra on m×m matrices,
instead of 4m dependent passes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Closure = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Losses (B) and gradients (B×N) at points (B×N)."""

ARMIJO = 1e-4
CURVATURE = 1e-8
MAX_TRIALS = 8
FIRST_STEP = 0.01
"""Root mean square of the first step, in the unit of the unknowns (pixels: 0 to 1)."""
WARM_STEP = 0.002
"""Likewise from a point near its goal: there the longer one fails, an evaluation in eight lost."""
CARRIED = 2
"""Curvature pairs that are given out for a search nearby: two were as good as twenty."""
WINDOW = 5
"""Evaluations over which `tolerance` looks at the fall of the loss; a stage of a frame has but eight."""


@dataclass(frozen=True)
class Minimum:
    """What `minimize` found.

    Attributes:
        point: B×N, the best point of each problem.
        loss: B, its loss.
        trace: E×B, the loss of the best point after each of the E evaluations.
        pairs: B×m×2×N, the newest curvature pairs (s, y), at most `CARRIED`, the oldest first; zeros
            where a problem has found fewer; `None`: the optimizer knows no curvature.
    """

    point: Tensor
    loss: Tensor
    trace: Tensor
    pairs: Tensor | None = None

    @property
    def evaluations(self) -> int:
        """Evaluations that were made (of each problem: a batch is evaluated as one)."""
        return self.trace.shape[0]


def minimize(
    closure: Closure,
    start: Tensor,
    *,
    evaluations: int,
    history: int = 20,
    bounds: tuple[float, float] = (0.0, 1.0),
    tolerance: float = 0.0,
    first_step: float = FIRST_STEP,
    pairs: Tensor | None = None,
) -> Minimum:
    """Minimise B independent functions from `start` (B×N, float32 or float64).

    Args:
        closure: losses and gradients; sample b of both may depend on row b of the points alone.
        start: first points; clamped to the box.
        evaluations: how often `closure` is called at most, at least 1.
        history: curvature pairs kept for each problem.
        bounds: lower and upper bound of every unknown.
        tolerance: a problem stops when its loss fell by less than this share over the last
            `WINDOW` evaluations; 0 never stops early.
        first_step: root mean square of a step along the gradient, where no curvature is known.
        pairs: curvature to begin with, as another search gave it out; it is held to the same rules as
            its own.
    """
    search = _Search(closure, start.clamp(*bounds), history, bounds, first_step, pairs)
    trace = [search.loss]
    for evaluation in range(1, evaluations):
        search.step()
        trace.append(search.loss)
        if tolerance > 0 and evaluation % WINDOW == 0:
            before = trace[evaluation - WINDOW]
            search.stopped |= before - search.loss <= tolerance * before
            if bool(search.stopped.all()):  # the only value read back, once in WINDOW evaluations
                break
    newest = search.pairs.newest(min(CARRIED, history))
    return Minimum(search.point, search.loss, torch.stack(trace), newest)


class _Search:
    """The state of all problems between two evaluations; `step` makes one evaluation."""

    def __init__(
        self,
        closure: Closure,
        start: Tensor,
        history: int,
        bounds: tuple[float, float],
        first_step: float,
        pairs: Tensor | None,
    ) -> None:
        self.closure = closure
        self.first_step = first_step
        self.bounds = bounds
        self.point = start
        self.loss, self.gradient = closure(start)
        batch = start.shape[0]
        self.pairs = _Pairs(batch, history, start)
        self.stopped = torch.zeros(batch, dtype=torch.bool, device=start.device)
        self.trials = torch.zeros(batch, dtype=torch.int64, device=start.device)
        self.step_length = torch.ones(batch, dtype=start.dtype, device=start.device)
        free = self._free_gradient(start, self.gradient)
        newton = free
        for pair in () if pairs is None else pairs.to(start).unbind(1):
            newton = self.pairs.push_and_solve(pair[:, 0], pair[:, 1], free)
        self.direction = self._onward(free, newton)

    def _free_gradient(self, point: Tensor, gradient: Tensor) -> Tensor:
        """The gradient without the unknowns that it presses against their bound (Bertsekas 1982)."""
        low, high = self.bounds
        pressed = ((point <= low) & (gradient > 0)) | ((point >= high) & (gradient < 0))
        return gradient.masked_fill(pressed, 0.0)

    def _steepest(self, free: Tensor) -> Tensor:
        """Steepest descent of a modest length, for when no curvature is known."""
        rms = free.square().mean(1, keepdim=True).sqrt()
        return free * (-self.first_step / rms.clamp_min(torch.finfo(free.dtype).tiny))

    def _onward(self, free: Tensor, newton: Tensor) -> Tensor:
        """From an accepted point: along H·gradient, where curvature is known."""
        newton = torch.where(free == 0, 0.0, newton)
        return torch.where((self.pairs.count == 0)[:, None], self._steepest(free), -newton)

    def step(self) -> None:
        """Try one point for every problem; accept it or shorten that problem's step."""
        trial = (self.point + self.step_length[:, None] * self.direction).clamp(*self.bounds)
        loss, gradient = self.closure(trial)
        displacement = trial - self.point
        slope = (self.gradient * displacement).sum(1)
        good = (loss <= self.loss + ARMIJO * slope) & (slope < 0) & ~self.stopped
        accepted = good[:, None]

        free = self._free_gradient(trial, gradient)
        # Rejected problems put zeros in, which no test of curvature lets into the history.
        pair_s = torch.where(accepted, displacement, 0.0)
        pair_y = torch.where(accepted, gradient - self.gradient, 0.0)
        exhausted = ~good & (self.trials + 1 >= MAX_TRIALS)
        self.pairs.forget(exhausted)
        newton = self.pairs.push_and_solve(pair_s, pair_y, free)
        restart = self._steepest(self._free_gradient(self.point, self.gradient))
        self.direction = torch.where(
            accepted,
            self._onward(free, newton),
            torch.where(exhausted[:, None], restart, self.direction),
        )
        shorter = self._shorter(loss, slope)
        # A restart halves its length for every time that it comes round.
        self.step_length = torch.where(
            good, 1.0, torch.where(exhausted, self.step_length * 2 ** (MAX_TRIALS - 1), shorter)
        ).clamp(max=1.0)
        self.trials = torch.where(good | exhausted, 0, self.trials + 1)
        self.point = torch.where(accepted, trial, self.point)
        self.gradient = torch.where(accepted, gradient, self.gradient)
        self.loss = torch.where(good, loss, self.loss)

    def _shorter(self, loss: Tensor, slope: Tensor) -> Tensor:
        """Next step length after a failed trial: the minimum of the parabola through both losses."""
        ratio = -0.5 * slope / (loss - self.loss - slope)
        ratio = torch.where(torch.isfinite(ratio), ratio, 0.1).clamp(0.1, 0.5)
        return self.step_length * ratio


class _Pairs:
    """The last m curvature pairs of each problem, as a ring, with their inner products.

    `vectors` is B×2m×N: m displacements s, then m gradient changes y. Slots not in use hold zeros.
    """

    def __init__(self, batch: int, history: int, like: Tensor) -> None:
        self.history = history
        self.vectors = like.new_zeros(batch, 2 * history, like.shape[1])
        # Inner products in float64: m×m numbers cost nothing, and the triangular solves like it.
        self.products = like.new_zeros(batch, 2 * history, 2 * history, dtype=torch.float64)
        self.count = torch.zeros(batch, dtype=torch.int64, device=like.device)
        self._rows = torch.arange(batch, device=like.device)

    def forget(self, which: Tensor) -> None:
        """Drop the history of the problems in `which` (B, bool)."""
        self.count = torch.where(which, 0, self.count)

    def newest(self, most: int) -> Tensor:
        """So many pairs of each problem (B×m×2×N), the oldest first; zeros before the first."""
        back = torch.arange(most, 0, -1, device=self.count.device)
        slot = (self.count[:, None] - back) % self.history
        s, y = (self.vectors[self._rows[:, None], slot + n] for n in (0, self.history))
        there = back <= self.count[:, None]
        return torch.stack((s, y), 2).where(there[:, :, None, None], 0.0)

    def push_and_solve(self, s: Tensor, y: Tensor, gradient: Tensor) -> Tensor:
        """Take in the pairs with positive curvature and return H·gradient (B×N)."""
        m, rows = self.history, self._rows
        sy = (s * y).sum(1)
        new = (sy > CURVATURE * (y * y).sum(1)) & (sy > 0)
        slot = torch.where(new, self.count % m, 0)
        for offset, vector in ((0, s), (m, y)):
            kept = self.vectors[rows, slot + offset]
            self.vectors[rows, slot + offset] = torch.where(new[:, None], vector, kept)
        # In this order the long rows of both are read as they lie in memory.
        dots = torch.bmm(torch.stack((s, y, gradient), dim=1), self.vectors.mT).double()
        for offset, row in ((0, 0), (m, 1)):
            index = slot + offset
            line = torch.where(new[:, None], dots[:, row], self.products[rows, index])
            self.products[rows, index] = line
            self.products[rows, :, index] = line
        self.count = self.count + new
        coefficients = self._coefficients(dots[:, 2])
        scale, combination = coefficients
        return (
            scale[:, None] * gradient
            + torch.bmm(combination[:, None, :].to(gradient.dtype), self.vectors)[:, 0]
        )

    def _coefficients(self, dots: Tensor) -> tuple[Tensor, Tensor]:
        """H·g = γ·g + Σ c_i·v_i: returns γ (B) and c (B×2m), from v_i·g (B×2m).

        H = γI + [S γY] [[R⁻ᵀ(D + γYᵀY)R⁻¹, −R⁻ᵀ], [−R⁻¹, 0]] [S γY]ᵀ with R the upper triangle of
        SᵀY in order of age, D its diagonal, γ = s·y / y·y of the newest pair.
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
        sy = _permuted(self.products[:, :m, m:], order, used)
        yy = _permuted(self.products[:, m:, m:], order, used)
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
        return gamma.to(self.vectors.dtype), combination


def _permuted(matrix: Tensor, order: Tensor, used: Tensor) -> Tensor:
    """Rows and columns of B×m×m matrices in `order` (B×m); zero where not `used`."""
    m = order.shape[1]
    rows = matrix.gather(1, order[:, :, None].expand(-1, m, m))
    both = rows.gather(2, order[:, None, :].expand(-1, m, m))
    return torch.where(used[:, :, None] & used[:, None, :], both, 0.0)
