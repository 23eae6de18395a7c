"""What a search works out from a few numbers of each of its problems: one program for each."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from render.style.algebra import ARMIJO, CURVATURE, MAX_TRIALS, Algebra

_LANES = 32
"""Threads in a warp, for whose registers larger matrices are too much."""


class Compiled(Algebra):
    """See `render.style.algebra.Algebra`."""

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
        """See `Algebra`."""
        good, exhausted = torch.empty_like(stopped), torch.empty_like(stopped)
        _judge[(len(loss),)](
            fresh, slope, square, loss, trials, length, stopped, good, exhausted,
            ARMIJO, MAX_TRIALS, num_warps=1,
        )  # fmt: skip
        return good, exhausted

    def admit(
        self, sy: Tensor, yy: Tensor, offered: Tensor, count: Tensor, slots: int
    ) -> tuple[Tensor, Tensor]:
        """See `Algebra`."""
        new, slot = torch.empty_like(offered), torch.empty_like(count)
        _admit[(len(count),)](sy, yy, offered, count, new, slot, slots, CURVATURE, num_warps=1)
        return new, slot

    def solve(
        self, products: Tensor, dots: Tensor, slot: Tensor, new: Tensor, count: Tensor
    ) -> tuple[Tensor, Tensor]:
        """See `Algebra`."""
        batch, _, double = dots.shape
        slots = double // 2
        wide = triton.next_power_of_2(slots)
        scale = torch.empty(batch, device=dots.device)
        weights = torch.empty((batch, double), device=dots.device)
        _solve[(batch,)](
            products, dots, slot, new, count, scale, weights, slots, wide,
            num_warps=1 if wide <= _LANES else 4,
        )  # fmt: skip
        return scale, weights


@triton.jit  # type: ignore[untyped-decorator]
def _judge(  # type: ignore[no-untyped-def] # noqa: ANN202
    fresh, slope, square, loss, trials, length, stopped, good, exhausted,  # noqa: ANN001
    ARMIJO: tl.constexpr, MOST: tl.constexpr,  # noqa: N803
):  # fmt: skip
    at = tl.program_id(0)
    new = tl.load(fresh + at)
    old = tl.load(loss + at)
    down = tl.load(slope + at)
    whole = tl.load(square + at)
    tried = tl.load(trials + at) + 1
    step = tl.load(length + at)
    going = tl.load(stopped + at).to(tl.int1) == 0
    lower = (new <= old + ARMIJO * down) & (down < 0)
    yes = lower & (whole < float("inf")) & going
    last = (yes == 0) & going & (tried >= MOST)
    ratio = -0.5 * down / (new - old - down)
    ratio = tl.where(tl.abs(ratio) < float("inf"), ratio, 0.1)
    ratio = tl.minimum(tl.maximum(ratio, 0.1), 0.5)
    again = tl.where(last, step * (2 ** (MOST - 2)), step * ratio)
    tl.store(good + at, yes)
    tl.store(exhausted + at, last)
    tl.store(length + at, tl.where(yes, 1.0, tl.minimum(again, 1.0)))
    tl.store(trials + at, tl.where(yes | last, 0, tried))
    tl.store(loss + at, tl.where(yes, new, old))


@triton.jit  # type: ignore[untyped-decorator]
def _admit(  # type: ignore[no-untyped-def] # noqa: ANN202
    sy, yy, offered, count, new, slot,  # noqa: ANN001
    SLOTS: tl.constexpr, CURVATURE: tl.constexpr,  # noqa: N803
):  # fmt: skip
    at = tl.program_id(0)
    product = tl.load(sy + at)
    enough = (product > CURVATURE * tl.load(yy + at)) & (product > 0)
    yes = enough & (tl.load(offered + at) != 0)
    tl.store(new + at, yes)
    tl.store(slot + at, tl.where(yes, tl.load(count + at) % SLOTS, SLOTS))


@triton.jit  # type: ignore[untyped-decorator]
def _solve(  # type: ignore[no-untyped-def] # noqa: ANN202
    products, dots, slot, new, count, scale, weights,  # noqa: ANN001
    SLOTS: tl.constexpr, WIDE: tl.constexpr,  # noqa: N803
):  # fmt: skip
    sample = tl.program_id(0)
    double = 2 * SLOTS
    products += sample * double * double
    of_y = dots + sample * 2 * double
    of_gradient = of_y + double
    weights += sample * double
    there = tl.where(tl.load(new + sample) != 0, 1, 0)
    at = tl.load(slot + sample)
    age = tl.arange(0, WIDE)
    for half in tl.static_range(2):
        number = half * SLOTS + age
        inside = age < SLOTS * there
        fresh = tl.load(of_y + number, inside, 0.0)
        tl.store(products + number * double + SLOTS + at, fresh, inside)
        tl.store(products + (SLOTS + at) * double + number, fresh, inside)
    known = tl.load(count + sample) + there
    tl.debug_barrier()
    tl.store(count + sample, known)
    # Oldest first, as far as there are any.
    held = tl.minimum(known, SLOTS)
    used = age < held
    order = tl.where(used, (known - held + age) % SLOTS, 0)
    s_gradient = tl.load(of_gradient + order, used, 0.0)
    y_gradient = tl.load(of_gradient + SLOTS + order, used, 0.0)
    diagonal = tl.load(products + order * double + SLOTS + order, used, 1.0)
    newest = (known - 1 + SLOTS) % SLOTS
    sy = tl.load(products + newest * double + SLOTS + newest)
    yy = tl.load(products + (SLOTS + newest) * double + SLOTS + newest)
    gamma = tl.where(held > 0, sy / tl.maximum(yy, 1e-300), 1.0)
    inner = tl.zeros((WIDE,), tl.float64)
    for step in range(SLOTS):
        k = SLOTS - 1 - step
        this = (known - held + k) % SLOTS
        row = tl.load(products + this * double + SLOTS + order, used & (age > k), 0.0)
        left = tl.where(age == k, s_gradient, 0.0) - row * inner
        found = tl.sum(left, 0) / tl.sum(tl.where(age == k, diagonal, 0.0), 0)
        inner = tl.where((age == k) & used, found, inner)
    both = tl.load(
        products + (SLOTS + order)[:, None] * double + SLOTS + order[None, :],
        used[:, None] & used[None, :],
        0.0,
    )
    right = diagonal * inner + gamma * (tl.sum(both * inner[None, :], 1) - y_gradient)
    on_s = tl.zeros((WIDE,), tl.float64)
    for k in range(SLOTS):
        this = (known - held + k) % SLOTS
        column = tl.load(products + order * double + SLOTS + this, used & (age < k), 0.0)
        left = tl.where(age == k, right, 0.0) - column * on_s
        found = tl.sum(left, 0) / tl.sum(tl.where(age == k, diagonal, 0.0), 0)
        on_s = tl.where((age == k) & used, found, on_s)
    tl.store(scale + sample, gamma.to(tl.float32))
    # Slots that are not in use are those from `held` on: until the ring is full it is in order from 0.
    to = tl.where(used, order, age)
    tl.store(weights + to, tl.where(used, on_s, 0.0).to(tl.float32), age < SLOTS)
    tl.store(weights + SLOTS + to, tl.where(used, -gamma * inner, 0.0).to(tl.float32), age < SLOTS)
