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
instead of 4m dependent passes. For pictures it begins with a curvature for each band of frequency; see
`history.Pairs`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from render.style.bands import Bands
from render.style.history import Pairs

Closure = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Losses (B) and gradients (B×N) at points (B×N)."""

ARMIJO = 1e-4
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
    bands: Bands | None = None,
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
        bands: of frequency, if the problems are pictures: the curvature is then guessed for each.
    """
    known = Pairs(history, start, bands)
    search = _Search(closure, start.clamp(*bounds), known, bounds, first_step, pairs)
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
        known: Pairs,
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
        self.pairs = known
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
