"""Batched L-BFGS over independent problems, inside a box, without reading a value back.

A batch holds B problems of N unknowns. Each has its own curvature pairs, step length and stop;
nothing couples them but the tensor they lie in. What the search guarantees, for each problem:

- every accepted point satisfies f(x') ≤ f(x) + 1e-4 · g·(x' − x) with g·(x' − x) < 0 (Armijo along the
  projection on the box), so its loss never rises and it cannot diverge;
- a trial that fails, be it by overflow of its loss or gradient to infinity or NaN, is not accepted; the
  step is shortened by quadratic interpolation to between a tenth and half of itself;
- a pair (s, y) enters the history only if s·y > 1e-8 · y·y, so the curvature stays positive definite
  and the direction descends; if a search still fails `algebra.MAX_TRIALS` times in a row, the history is
  dropped and the search starts again along the steepest descent.

The direction is the compact form of Byrd, Nocedal and Schnabel (1994): with the pairs as rows of one
B×2m×N tensor, it costs two batched matrix products over the history and algebra on m×m matrices,
instead of 4m dependent passes. For pictures it begins with a curvature for each band of frequency; see
`history.Pairs`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Protocol, Self, runtime_checkable

import torch
from torch import Tensor

from render.style import algebra, vectors
from render.style.bands import Bands
from render.style.history import Pairs
from render.style.replay import repeatable

Closure = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Losses (B) and gradients (B×N) at points (B×N)."""

FIRST_STEP = 0.01
"""Root mean square of the first step, in the unit of the unknowns (pixels: 0 to 1)."""
WARM_STEP = 0.002
"""Likewise from a point near its goal: there the longer one fails, an evaluation in eight lost."""
CARRIED = 2
"""Curvature pairs that are given out for a search nearby: two were as good as twenty."""
_VECTORS = 12
"""Vectors of all unknowns that a search holds beside its history, about."""
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
    kept: Searches | None = None,
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
        kept: searches of earlier problems, from which the work on closures that are `Kindred` goes on.
    """
    given = None if pairs is None else pairs.shape[1]

    def make() -> _Run:
        known = Pairs(history, start, bands)
        return _Run(_Search(closure, known, start, bounds, first_step, given), start.device)

    if kept is None or not isinstance(closure, Kindred):
        run = make()
    else:
        kind = (closure.kind, start.shape, history, bounds, first_step, given)
        run = kept.get(kind, start.nbytes * (2 * history + _VECTORS), make)
        if isinstance(run.search.closure, Kindred):
            run.search.closure.become(closure)
    search = run.search
    run.begin(start, pairs)
    trace = [search.loss.clone()]
    for evaluation in range(1, evaluations):
        run.step()
        if slots := search.pairs.pushed():
            run.reweigh(slots)
        trace.append(search.loss.clone())
        if tolerance > 0 and evaluation % WINDOW == 0:
            before = trace[evaluation - WINDOW]
            search.stopped |= before - search.loss <= tolerance * before
            if bool(search.stopped.all()):  # the only value read back, once in WINDOW evaluations
                break
    newest = search.pairs.newest(min(CARRIED, history))
    return Minimum(search.point.clone(), search.loss.clone(), torch.stack(trace), newest)


@runtime_checkable
class Kindred(Protocol):
    """A closure whose place another of its kind can take."""

    @property
    def kind(self) -> Hashable:
        """The same for those that differ in the numbers in their tensors alone."""

    def become(self, other: Self) -> None:
        """Take over the numbers of one of the same kind."""


class Searches:
    """Searches whose work is recorded, kept for the next problems of their kind.

    Args:
        room: bytes that they may take; those that were not needed for longest go.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self._kept: dict[Hashable, tuple[int, _Run]] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, kind: Hashable, size: int, make: Callable[[], _Run]) -> _Run:
        """That of this kind, which takes `size` bytes, or a new one."""
        if kind in self._kept:
            found = self._kept.pop(kind)
        else:
            # First, to make room for it.
            while self._kept and size + sum(taken for taken, _ in self._kept.values()) > self._room:
                del self._kept[next(iter(self._kept))]
            found = size, make()
        self._kept[kind] = found
        return found[1]

    def clear(self) -> None:
        """Keep none."""
        self._kept.clear()


class _Run:
    """A search and its work, recorded where that is done.

    Not one object, which would hold itself: Python would free it, and its graphs, at any moment, be it
    while another graph is recorded, which that would spoil.
    """

    def __init__(self, search: _Search, device: torch.device) -> None:
        self.search = search
        self.step = repeatable(search.step, device)
        self._evaluate = repeatable(search.evaluate, device)
        self._reweigh = lru_cache(
            lambda slots: repeatable(partial(search.pairs.reweigh, slots), device)
        )

    def reweigh(self, slots: int) -> None:
        """See `Pairs.reweigh`."""
        self._reweigh(slots)()

    def begin(self, start: Tensor, pairs: Tensor | None) -> None:
        """Make the first evaluation, with curvature to begin with, if there is any."""
        self.search.reset(start, pairs)
        self._evaluate()


class _Search:
    """The state of all problems between two evaluations, which is changed in place."""

    def __init__(
        self,
        closure: Closure,
        known: Pairs,
        like: Tensor,
        bounds: tuple[float, float],
        first_step: float,
        given: int | None,
    ) -> None:
        batch = like.shape[0]
        self.closure = closure
        self.first_step = first_step
        self.bounds = bounds
        self.pairs = known
        self._vectors, self._algebra = vectors.fastest(like), algebra.fastest(like, known.history)
        # Each with a place for what is not accepted.
        self._points, self._gradients, self._directions = (
            like.new_zeros(2, *like.shape) for _ in range(3)
        )
        self.point, self.gradient, self.direction = (
            of[0] for of in (self._points, self._gradients, self._directions)
        )
        self._both = like.new_zeros(2, *like.shape)
        self.change, self.free = self._both.unbind()
        self.loss, self.step_length = (like.new_zeros(batch) for _ in range(2))
        self.stopped = torch.zeros(batch, dtype=torch.bool, device=like.device)
        self.trials = torch.zeros(batch, dtype=torch.int64, device=like.device)
        self._given = like.new_zeros(batch, given or 0, 2, like.shape[1])

    def reset(self, start: Tensor, pairs: Tensor | None) -> None:
        """Go to other first points, with this curvature to begin with."""
        self.point.copy_(start.clamp(*self.bounds))
        self.step_length.fill_(1)
        self.stopped.zero_()
        self.trials.zero_()
        self.pairs.clear()
        if pairs is not None:
            self._given.copy_(pairs)
        for _ in range(self._given.shape[1]):
            self.pairs.pushed()

    def evaluate(self) -> None:
        """Evaluate at the first points, and take in the curvature."""
        loss, gradient = self.closure(self.point)
        self.loss.copy_(loss)
        all_of_them = ~self.stopped
        self._accept(all_of_them, self.point.clone(), gradient)
        newton, (square,) = self.free.clone(), self._vectors.inner((self.free, self.free))
        for pair in self._given.unbind(1):
            self.change.copy_(pair[:, 1])
            s = pair[:, 0].contiguous()
            newton, square = self.pairs.push_and_solve(s, self._both, all_of_them)
        self._turn(newton, square, all_of_them)

    def step(self) -> None:
        """Try one point for every problem; accept it or shorten that problem's step."""
        trial, displacement = self._vectors.advance(
            self.point, self.direction, self.step_length, self.bounds
        )
        loss, gradient = self.closure(trial)
        slope, square = self._vectors.inner((self.gradient, displacement), (gradient, gradient))
        good, exhausted = self._algebra.judge(
            loss, slope, square, self.loss, self.trials, self.step_length, self.stopped
        )
        self._accept(good, trial, gradient)
        self.pairs.forget(exhausted)
        newton, square = self.pairs.push_and_solve(displacement, self._both, good)
        self._turn(newton, square, good | exhausted)

    def _accept(self, good: Tensor, trial: Tensor, gradient: Tensor) -> None:
        self._vectors.accept(
            good, trial, gradient, self._points, self._gradients, self._both, self.bounds
        )

    def _turn(self, newton: Tensor, square: Tensor, which: Tensor) -> None:
        """Give problems (B, bool) a new direction; `newton` is overwritten."""
        count, step = self.pairs.count, self.first_step
        self._vectors.turn(which, newton, self.free, square, count, step, self._directions)
