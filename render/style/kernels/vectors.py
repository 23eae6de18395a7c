"""Passes over the vectors of a search's problems, B×N, float32, in one go each.

Sums are taken in a fixed number of parts, whatever the GPU, and so come out the same every time.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import triton
import triton.language as tl
from torch import Tensor

from render.style.vectors import Bounds, Vectors

_BLOCK = 1024
_BATCH = ("batch", "strips")
"""What is not worth compiling once more for; whether the length of vectors is even is."""
_PARTS = 512
"""Parts of sums: enough for all multiprocessors to have several."""
_TINY = tl.constexpr(torch.finfo(torch.float32).tiny)
_TILE = 4096
"""Numbers of a ring that a program has in hand at once."""


class Compiled(Vectors):
    """See `render.style.vectors.Vectors`."""

    def put(self, places: Tensor, slot: Tensor, vectors: Tensor) -> None:
        """See `Vectors`."""
        batch, number = vectors.shape
        _put[_grid(vectors)](places, slot, vectors, number, batch, _BLOCK)

    def inner(self, *pairs: tuple[Tensor, Tensor]) -> Tensor:
        """See `Vectors`; of three pairs at most."""
        one = pairs[0][0]
        batch, number = one.shape
        parts = one.new_empty(len(pairs), batch, _PARTS)
        blocks = triton.cdiv(triton.cdiv(number, _BLOCK), _PARTS)
        flat = [vector for pair in pairs for vector in pair] + [one] * (6 - 2 * len(pairs))
        _inner[(_PARTS, batch)](*flat, parts, number, batch, blocks, len(pairs), _PARTS, _BLOCK)
        return parts.sum(2)

    def dots(self, vectors: Tensor, rings: Sequence[Tensor], filled: int) -> Tensor:
        """See `Vectors`; with two rings at most."""
        some = [_dots_of_two(two, rings, filled) for two in torch.split(vectors, 2)]
        return some[0] if len(some) == 1 else torch.cat(some, 1)

    def combined(
        self,
        rings: tuple[Tensor, Tensor],
        weights: Tensor,
        filled: int,
        vector: Tensor,
        scale: Tensor,
    ) -> Tensor:
        """See `Vectors`."""
        batch, number = vector.shape
        total = torch.empty_like(vector)
        _combined[_grid(vector)](
            *rings, weights.to(vector.dtype), vector, scale, total, number, batch,
            weights.shape[1] // 2, filled, _BLOCK,
        )  # fmt: skip
        return total

    def advance(
        self, point: Tensor, direction: Tensor, length: Tensor, bounds: Bounds
    ) -> tuple[Tensor, Tensor]:
        """See `Vectors`."""
        trial, displacement = torch.empty_like(point), torch.empty_like(point)
        _advance[_grid(point)](
            point, direction, length, trial, displacement, point.shape[1], *bounds, _BLOCK
        )
        return trial, displacement

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
        """See `Vectors`."""
        batch, number = trial.shape
        _accept[_grid(trial)](
            good, trial, fresh.contiguous(), points, gradients, both, number, batch, *bounds, _BLOCK
        )

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
        """See `Vectors`."""
        number = free.shape[1]
        _turn[_grid(free)](
            which, newton, free, square, count, directions, number, first_step, _BLOCK
        )


def _dots_of_two(vectors: Tensor, rings: Sequence[Tensor], filled: int) -> Tensor:
    """See `dots`; of one or two vectors."""
    count, batch, number = vectors.shape
    parts = vectors.new_empty(batch, count, len(rings), filled, _PARTS)
    wide = triton.next_power_of_2(filled)
    strip = max(16, min(1024, _TILE // wide))
    strips = triton.cdiv(triton.cdiv(number, strip), _PARTS)
    _dots[(_PARTS, batch, len(rings))](
        vectors, rings[0], rings[-1], parts, number, batch, strips, count, filled, wide, strip
    )
    return parts.sum(4, dtype=torch.float64)


def _grid(vectors: Tensor) -> tuple[int, int]:
    batch, number = vectors.shape
    return triton.cdiv(number, _BLOCK), batch


@triton.jit(do_not_specialize=_BATCH)  # type: ignore[untyped-decorator]
def _inner(  # type: ignore[no-untyped-def] # noqa: ANN202
    a, b, c, d, e, f, parts, number, batch, strips,  # noqa: ANN001
    PAIRS: tl.constexpr, PARTS: tl.constexpr, BLOCK: tl.constexpr,  # noqa: N803
):  # fmt: skip
    part = tl.program_id(0)
    sample = tl.program_id(1).to(tl.int64)
    first = tl.zeros((BLOCK,), tl.float32)
    second = tl.zeros((BLOCK,), tl.float32)
    third = tl.zeros((BLOCK,), tl.float32)
    for strip in range(strips):
        at = (part * strips + strip) * BLOCK + tl.arange(0, BLOCK)
        there = at < number
        place = sample * number + at
        first += tl.load(a + place, there, 0.0) * tl.load(b + place, there, 0.0)
        if PAIRS > 1:
            second += tl.load(c + place, there, 0.0) * tl.load(d + place, there, 0.0)
        if PAIRS > 2:
            third += tl.load(e + place, there, 0.0) * tl.load(f + place, there, 0.0)
    to = parts + sample * PARTS + part
    tl.store(to, tl.sum(first, 0))
    if PAIRS > 1:
        tl.store(to + batch * PARTS, tl.sum(second, 0))
    if PAIRS > 2:
        tl.store(to + 2 * batch * PARTS, tl.sum(third, 0))


@triton.jit(do_not_specialize=_BATCH)  # type: ignore[untyped-decorator]
def _dots(  # type: ignore[no-untyped-def] # noqa: ANN202
    vectors, ring, other, parts, number, batch, strips,  # noqa: ANN001
    COUNT: tl.constexpr, SLOTS: tl.constexpr, WIDE: tl.constexpr, STRIP: tl.constexpr,  # noqa: N803
):  # fmt: skip
    part = tl.program_id(0)
    sample = tl.program_id(1).to(tl.int64)
    which = tl.program_id(2)
    if which == 1:
        ring = other
    slot = tl.arange(0, WIDE)
    used = (slot < SLOTS)[:, None]
    rows = (slot.to(tl.int64) * batch + sample)[:, None] * number
    first = tl.zeros((WIDE, STRIP), tl.float32)
    second = tl.zeros((WIDE, STRIP), tl.float32)
    for strip in range(strips):
        at = (part * strips + strip) * STRIP + tl.arange(0, STRIP)
        there = at < number
        held = tl.load(ring + rows + at[None, :], used & there[None, :], 0.0)
        first += held * tl.load(vectors + sample * number + at, there, 0.0)[None, :]
        if COUNT == 2:
            place = (batch + sample) * number + at
            second += held * tl.load(vectors + place, there, 0.0)[None, :]
    rings = tl.num_programs(2)
    to = parts + ((sample * COUNT * rings + which) * SLOTS + slot) * tl.num_programs(0) + part
    tl.store(to, tl.sum(first, 1), slot < SLOTS)
    if COUNT == 2:
        beside = rings * SLOTS * tl.num_programs(0)
        tl.store(to + beside, tl.sum(second, 1), slot < SLOTS)


@triton.jit(do_not_specialize=_BATCH)  # type: ignore[untyped-decorator]
def _combined(  # type: ignore[no-untyped-def] # noqa: ANN202
    ring, other, weights, vector, scale, total, number, batch,  # noqa: ANN001
    SLOTS: tl.constexpr, FILLED: tl.constexpr, BLOCK: tl.constexpr,  # noqa: N803
):  # fmt: skip
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    sample = tl.program_id(1).to(tl.int64)
    there = at < number
    found = tl.load(scale + sample) * tl.load(vector + sample * number + at, there, 0.0)
    weights += sample * 2 * SLOTS
    for slot in tl.static_range(FILLED):
        place = (slot * batch + sample) * number + at
        found += tl.load(weights + slot) * tl.load(ring + place, there, 0.0)
        found += tl.load(weights + SLOTS + slot) * tl.load(other + place, there, 0.0)
    tl.store(total + sample * number + at, found, there)


@triton.jit(do_not_specialize=_BATCH)  # type: ignore[untyped-decorator]
def _put(places, slot, vectors, number, batch, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202, N803
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    sample = tl.program_id(1).to(tl.int64)
    there = at < number
    to = places + (tl.load(slot + sample) * batch + sample) * number
    tl.store(to + at, tl.load(vectors + sample * number + at, there), there)


@triton.jit(do_not_specialize=_BATCH)  # type: ignore[untyped-decorator]
def _advance(  # type: ignore[no-untyped-def] # noqa: ANN202
    point, direction, length, trial, displacement, number, low, high, BLOCK: tl.constexpr,  # noqa: ANN001, N803
):  # fmt: skip
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    sample = tl.program_id(1).to(tl.int64)
    there = at < number
    place = sample * number + at
    here = tl.load(point + place, there)
    to = here + tl.load(length + sample) * tl.load(direction + place, there)
    to = tl.minimum(tl.maximum(to, low), high)
    tl.store(trial + place, to, there)
    tl.store(displacement + place, to - here, there)


@triton.jit(do_not_specialize=_BATCH)  # type: ignore[untyped-decorator]
def _accept(  # type: ignore[no-untyped-def] # noqa: ANN202
    good, trial, fresh, point, gradient, both, number, batch, low, high, BLOCK: tl.constexpr,  # noqa: ANN001, N803
):  # fmt: skip
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    sample = tl.program_id(1).to(tl.int64)
    there = at < number
    place = sample * number + at
    accepted = tl.load(good + sample).to(tl.int1)
    new = tl.load(fresh + place, there)
    old = tl.load(gradient + place, there)
    tl.store(both + place, new - old, there)
    here = tl.where(accepted, tl.load(trial + place, there), tl.load(point + place, there))
    slope = tl.where(accepted, new, old)
    tl.store(point + place, here, there)
    tl.store(gradient + place, slope, there)
    pressed = ((here <= low) & (slope > 0)) | ((here >= high) & (slope < 0))
    tl.store(both + (batch + sample) * number + at, tl.where(pressed, 0.0, slope), there)


@triton.jit(do_not_specialize=_BATCH)  # type: ignore[untyped-decorator]
def _turn(  # type: ignore[no-untyped-def] # noqa: ANN202
    which, newton, free, square, count, to, number, first_step, BLOCK: tl.constexpr,  # noqa: ANN001, N803
):  # fmt: skip
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    sample = tl.program_id(1).to(tl.int64)
    there = at < tl.where(tl.load(which + sample) != 0, number, 0)
    place = sample * number + at
    open_ = tl.load(free + place, there, 0.0)
    if tl.load(count + sample) > 0:
        found = tl.where(open_ == 0, 0.0, -tl.load(newton + place, there, 0.0))
    else:
        rms = tl.sqrt_rn(tl.load(square + sample) / number)
        found = -open_ * (first_step / tl.maximum(rms, _TINY))
    tl.store(to + place, found, there)
