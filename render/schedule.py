"""How long plans take on so many workers, by playing them through.

The workers are of one speed and messages take no time; what the driver does (the longest unit first,
of a unit the latest stage that has a frame to give) is done here with counters instead of pictures.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from render.plan import Plan, Unit
from render.spec.job import Job
from render.spec.stages import stage_count, stage_evaluations

MOST_STEPS = 20_000
"""Longer plans are not played through: it would take more than a few seconds."""
CREWS = tuple(2**n for n in range(9))
"""Numbers of workers that are tried: 1 to 256."""


@dataclass(frozen=True)
class Part:
    """A plan, and what the stages of its frames cost: evaluations, or seconds.

    Attributes:
        plan: which frames follow each other.
        cold: cost of each stage of a frame that follows no other.
        warm: of one that does.
    """

    plan: Plan
    cold: Sequence[float]
    warm: Sequence[float]

    @property
    def steps(self) -> int:
        """Stages of all frames."""
        return sum(len(unit.frames) * unit.stages for unit in self.plan.units)

    @property
    def total(self) -> float:
        """Cost of all frames."""
        return sum(_total(track) for track in _tracks([self]))


@dataclass(frozen=True)
class Forecast:
    """What to expect.

    Attributes:
        total: cost of all frames together, which is the time that one worker takes.
        critical_path: cost of what must be done one after the other, with any number of workers.
        makespans: from the first to the last, by the number of workers; empty for more than
            `MOST_STEPS` steps.
    """

    total: float
    critical_path: float
    makespans: dict[int, float]

    @property
    def speedup(self) -> dict[int, float]:
        """By the number of workers."""
        return {crew: self.total / (span or 1) or 1.0 for crew, span in self.makespans.items()}


@dataclass
class _Track:
    """One unit while it is played."""

    unit: Unit
    costs: tuple[Sequence[float], Sequence[float]]
    sent: list[int] = field(default_factory=list)
    done: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.sent = [0] * self.unit.stages
        self.done = [0] * self.unit.stages

    def ready(self) -> int | None:
        """The latest stage that could be given its next frame now; one worker has a stage at a time."""
        count = len(self.unit.frames)
        for stage in reversed(range(self.unit.stages)):
            here = self.sent[stage]
            below = count if stage == 0 else self.done[stage - 1]
            if here < min(count, below) and self.done[stage] == here:
                return stage
        return None

    def cost(self, frame: int, stage: int) -> float:
        cold = frame == 0 or not self.unit.chained
        return self.costs[0 if cold else 1][stage]


def in_evaluations(job: Job, plan: Plan) -> Part:
    """A plan whose stages cost their evaluations."""
    stages = stage_count(job)
    if job.engine == "passthrough":  # all steps are alike, and none counts for much
        return Part(plan, (1,) * stages, (1,) * stages)
    cold, warm = (stage_evaluations(job, stages, cold=each) for each in (True, False))
    return Part(plan, cold, warm)


def evaluations_left(job: Job, plan: Plan, done: Collection[int]) -> int:
    """Evaluations of the frames that are not done."""
    if job.engine == "passthrough":
        return 0
    if plan.rate is None:
        return job.optimize.evaluations * (plan.total - len(done))
    part = in_evaluations(job, plan)
    cold, warm = int(sum(part.cold)), int(sum(part.warm))
    return sum(
        cold if n == 0 or not unit.chained else warm
        for unit in plan.units
        for n, frame in enumerate(unit.frames)
        if frame not in done
    )


def forecast(parts: Sequence[Part]) -> Forecast:
    """Play plans through, side by side, with 1, 2, 4 … 256 workers."""
    tracks = list(_tracks(parts))
    spans = {}
    if 0 < sum(part.steps for part in parts) <= MOST_STEPS:
        spans = {workers: makespan(parts, workers) for workers in CREWS}
    return Forecast(
        sum(part.total for part in parts),
        max((_longest(track) for track in tracks), default=0),
        spans,
    )


def makespan(parts: Sequence[Part], workers: int) -> float:
    """Cost from the first to the last, with so many workers side by side."""
    waiting = sorted(_tracks(parts), key=lambda track: -len(track.unit.frames))
    waiting.reverse()  # the longest is taken from the end
    active: list[_Track] = []
    busy: list[tuple[float, int, _Track, int]] = []
    now, started = 0.0, 0
    while waiting or active or busy:
        while len(busy) < workers:
            found = next(((t, s) for t in active if (s := t.ready()) is not None), None)
            if found is None and waiting:
                active.append(waiting.pop())
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


def _tracks(parts: Sequence[Part]) -> Iterator[_Track]:
    for part in parts:
        for unit in part.plan.units:
            yield _Track(unit, (part.cold, part.warm))


def _total(track: _Track) -> float:
    cold, warm = (sum(costs[: track.unit.stages]) for costs in track.costs)
    count = len(track.unit.frames)
    return cold + (count - 1) * warm if track.unit.chained else count * cold


def _longest(track: _Track) -> float:
    """The longest chain of steps in which each needs the one before, or is in one worker's hands."""
    cold, warm = (costs[: track.unit.stages] for costs in track.costs)
    later = len(track.unit.frames) - 1
    if not track.unit.chained:
        warm = cold
    if later == 0:
        return sum(cold)
    # Through the stages of the first frame, along one stage over all frames, then up in the last;
    # later stages have equal budgets, so that one turn is enough.
    return max(
        sum(cold[: turn + 1]) + later * warm[turn] + sum(warm[turn + 1 :])
        for turn in range(track.unit.stages)
    )
