"""How long a plan takes on so many workers, by playing it through: counted in evaluations.

The workers are of one speed and messages take no time; what the driver does (the longest unit first,
of a unit the latest stage that has a frame to give) is done here with counters instead of pictures.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from render.plan import Plan, Unit
from render.spec.job import Job
from render.spec.stages import stage_evaluations

MOST_STEPS = 20_000
"""Longer plans are not played through: it would take more than a few seconds."""
CREWS = tuple(2**n for n in range(9))
"""Numbers of workers that are tried: 1 to 256."""


@dataclass(frozen=True)
class Forecast:
    """What to expect.

    Attributes:
        evaluations: of all frames together, which is the time that one worker takes.
        critical_path: evaluations that must be made one after the other, with any number of workers.
        speedup: by the number of workers; empty for plans of more than `MOST_STEPS` steps.
    """

    evaluations: int
    critical_path: int
    speedup: dict[int, float]


@dataclass
class _Track:
    """One unit while it is played."""

    unit: Unit
    costs: tuple[Sequence[int], Sequence[int]]
    sent: list[int] = field(default_factory=list)
    done: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.sent = [0] * self.unit.stages
        self.done = [0] * self.unit.stages

    def ready(self) -> int | None:
        """The latest stage that could be given its next frame now."""
        count = len(self.unit.frames)
        for stage in reversed(range(self.unit.stages)):
            here = self.sent[stage]
            below = count if stage == 0 else self.done[stage - 1]
            free = self.done[stage] == here or not self.unit.chained
            if here < min(count, below) and free:
                return stage
        return None

    def cost(self, frame: int, stage: int) -> int:
        cold = frame == 0 or not self.unit.chained
        return self.costs[0 if cold else 1][stage]


def forecast(job: Job, plan: Plan) -> Forecast:
    """Play a plan through with 1, 2, 4 … 256 workers."""
    tracks = list(_tracks(job, plan))
    total = sum(_total(track) for track in tracks)
    longest = max((_longest(track) for track in tracks), default=0)
    steps = sum(len(unit.frames) * unit.stages for unit in plan.units)
    speedup = {}
    if 0 < steps <= MOST_STEPS:
        for workers in CREWS:
            speedup[workers] = total / makespan(job, plan, workers) if total else 1.0
    return Forecast(total, longest, speedup)


def makespan(job: Job, plan: Plan, workers: int) -> int:
    """Evaluations from the first to the last, with so many workers side by side."""
    waiting = sorted(_tracks(job, plan), key=lambda track: -len(track.unit.frames))
    active: list[_Track] = []
    busy: list[tuple[int, int, _Track, int]] = []
    now = started = 0
    while waiting or active or busy:
        while len(busy) < workers:
            found = next(((t, s) for t in active if (s := t.ready()) is not None), None)
            if found is None and waiting:
                active.append(waiting.pop(0))
                continue
            if found is None:
                break
            track, stage = found
            cost = track.cost(track.sent[stage], stage)
            track.sent[stage] += 1
            started += 1
            heapq.heappush(busy, (now + cost, started, track, stage))
        if busy:
            now, _, track, stage = heapq.heappop(busy)
            track.done[stage] += 1
        active = [track for track in active if track.sent[-1] < len(track.unit.frames)]
    return now


def _tracks(job: Job, plan: Plan) -> Iterator[_Track]:
    for unit in plan.units:
        if job.engine == "passthrough":  # all steps are alike, and none counts for much
            cold = warm = (1,) * unit.stages
        else:
            cold = stage_evaluations(job, unit.stages, cold=True)
            warm = stage_evaluations(job, unit.stages, cold=False)
        yield _Track(unit, (cold, warm))


def _total(track: _Track) -> int:
    cold, warm = (sum(costs[: track.unit.stages]) for costs in track.costs)
    count = len(track.unit.frames)
    return cold + (count - 1) * warm if track.unit.chained else count * cold


def _longest(track: _Track) -> int:
    """The longest chain of steps in which each needs the one before."""
    cold, warm = (costs[: track.unit.stages] for costs in track.costs)
    if not track.unit.chained:
        return sum(cold)
    later = len(track.unit.frames) - 1
    if later == 0:
        return sum(cold)
    # Through the stages of the first frame, along one stage over all frames, then up in the last;
    # later stages have equal budgets, so that one turn is enough.
    return max(
        sum(cold[: turn + 1]) + later * warm[turn] + sum(warm[turn + 1 :])
        for turn in range(track.unit.stages)
    )
