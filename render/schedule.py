"""How long plans take on so many workers, by playing them through.

The workers are of one speed and messages take no time. Whose turn it is follows from the farm's own
rules, `turns`, with notes of what is painted instead of pictures.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from render.plan import Plan, Unit
from render.spec.job import Job
from render.spec.stages import (
    EFFORTS,
    Effort,
    probe_evaluations,
    stage_count,
    stage_evaluations,
)
from render.turns import Turns, gives_way, in_order, preference

MOST_STEPS = 20_000
"""Longer plans are not played through, which would take more than a few seconds; see `makespans`."""
CREWS = tuple(2**n for n in range(9))
"""Numbers of workers that are tried: 1 to 256."""


@dataclass(frozen=True)
class Part:
    """A plan, and what the stages of its frames cost: evaluations, or seconds.

    Attributes:
        plan: which frames follow each other.
        efforts: cost of each stage of a frame, by what it is to the others.
        probe: cost of a probe, which is made along with a frame's first stage.
    """

    plan: Plan
    efforts: Mapping[Effort, Sequence[float]]
    probe: float = 0

    @property
    def steps(self) -> int:
        """Stages of all frames."""
        return sum(len(unit.frames) * unit.stages for unit in self.plan.units)

    @property
    def total(self) -> float:
        """Cost of all frames."""
        return sum(
            sum(self.costs(unit, position))
            for unit in self.plan.units
            for position in range(len(unit.frames))
        )

    def costs(self, unit: Unit, position: int) -> Sequence[float]:
        """Of each stage of the frame at a position of a unit."""
        first, *others = self.efforts[unit.effort(position)][: unit.stages]
        return [first + self.probe if unit.probed(position) else first, *others]


@dataclass(frozen=True)
class Forecast:
    """What to expect.

    Attributes:
        total: cost of all frames together, which is the time that one worker takes.
        critical_path: cost of what must be done one after the other, with any number of workers.
        makespans: from the first to the last, by the number of workers; empty if there are no frames.
        exact: whether they were played through, see `makespans`; else they are the least that it takes.
    """

    total: float
    critical_path: float
    makespans: dict[int, float]
    exact: bool

    @property
    def speedup(self) -> dict[int, float]:
        """By the number of workers."""
        return {crew: self.total / (span or 1) or 1.0 for crew, span in self.makespans.items()}


def in_evaluations(job: Job, plan: Plan) -> Part:
    """A plan whose stages cost their evaluations."""
    stages = stage_count(job)
    if job.engine == "passthrough":  # all steps are alike, and none counts for much
        return Part(plan, dict.fromkeys(EFFORTS, (1,) * stages))
    efforts = {effort: stage_evaluations(job, stages, effort) for effort in EFFORTS}
    return Part(plan, efforts, probe_evaluations(job))


def evaluations_left(job: Job, plan: Plan, done: Collection[int]) -> int:
    """Evaluations of the frames that are not done."""
    if job.engine == "passthrough":
        return 0
    if plan.rate is None:
        return job.optimize.evaluations * (plan.total - len(done))
    part = in_evaluations(job, plan)
    return sum(
        int(sum(part.costs(unit, n)))
        for unit in plan.units
        for n, frame in enumerate(unit.frames)
        if frame not in done
    )


def forecast(parts: Sequence[Part]) -> Forecast:
    """Play plans through, side by side, with 1, 2, 4 … 256 workers."""
    return Forecast(
        sum(part.total for part in parts),
        _critical_path(parts),
        makespans(parts, CREWS) if any(part.steps for part in parts) else {},
        _are_few(parts),
    )


def _are_few(parts: Sequence[Part]) -> bool:
    return sum(part.steps for part in parts) <= MOST_STEPS


def makespans(parts: Sequence[Part], crews: Iterable[int]) -> dict[int, float]:
    """Cost from the first to the last, by the number of workers side by side.

    Of more than `MOST_STEPS` steps it is the least that it can be: an even share of all, or if that is
    longer the critical path. Played through, single shots of 2,000 frames take up to 5% more, a hundred
    shots or hundreds of pictures up to a quarter more where workers are about as many as there are runs.
    """
    if _are_few(parts):
        return {crew: _Game(parts).play(crew) for crew in crews}
    total, path = sum(part.total for part in parts), _critical_path(parts)
    return {crew: max(total / crew, path) for crew in crews}


def _critical_path(parts: Sequence[Part]) -> float:
    return max((_longest(part) for part in parts), default=0.0)


_Place = tuple[int, int | None, int]
"""A frame: part, unit, index. Chains may wait for a frame whatever its unit; of pictures the plan knows
how many a batch has and not which, so that only the unit tells them apart."""


def _place(part: int, unit: Unit, frame: int) -> _Place:
    return part, None if unit.chained else unit.number, frame


@dataclass(eq=False)
class _Line:
    """One stage of a unit while it is played: the farm's lane, without pictures."""

    turns: Turns
    part: int
    number: int
    idle: bool = True


class _Game:
    """Plans being played through by workers who paint nothing."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = parts
        self._painted: set[tuple[_Place, int | None]] = set()
        """Frames, and the stages that they have left; `None`: the last."""
        units = [(unit, n) for n, part in enumerate(parts) for unit in part.plan.units]
        rank = {id(unit): n for n, unit in enumerate(in_order([unit for unit, _ in units]))}
        self._waiting = sorted(units, key=lambda one: -rank[id(one[0])])  # taken from the end
        self._asking: defaultdict[_Place, list[_Line]] = defaultdict(list)
        self._ready: list[tuple[tuple[bool, int, bool, int], int, _Line]] = []  # a heap
        self._opened = 0

    def play(self, workers: int) -> float:
        """From the first to the last."""
        busy: list[tuple[float, int, _Line, int]] = []
        now, sent = 0.0, 0
        own: _Line | None = None
        while True:
            while len(busy) < workers and (line := self._take(own, workers)) is not None:
                own = None
                position, stage = line.turns.position, line.turns.stage
                line.turns.advance()
                sent += 1
                cost = self._parts[line.part].costs(line.turns.unit, position)[stage]
                heapq.heappush(busy, (now + cost, sent, line, position))
            if not busy:
                return now
            now, _, own, position = heapq.heappop(busy)
            self._finish(own, position)

    def _take(self, own: _Line | None, workers: int) -> _Line | None:
        """The line that a worker who is free goes on with, its own one if it has one."""
        while self._waiting and (not self._ready or len(self._waiting) < workers):
            self._open(*self._waiting.pop())
        if own is not None and own.idle and own.turns.ready():
            if not gives_way(own.turns, [line.turns for _, _, line in self._ready], workers):
                own.idle = False
                return own
            self._offer(own)
        return heapq.heappop(self._ready)[-1] if self._ready else None

    def _open(self, unit: Unit, part: int) -> None:
        def painted(frame: int, stage: int | None) -> bool:
            return (_place(part, unit, frame), stage) in self._painted

        for stage in range(unit.stages):
            line = _Line(Turns(unit, stage, painted, ()), part, self._opened)
            self._opened += 1
            for frame in {*unit.needs(len(unit.frames) - 1)}:
                self._asking[_place(part, unit, frame)].append(line)
            self._asking[_place(part, unit, unit.frames[0])].append(line)
            self._offer(line)

    def _finish(self, line: _Line, position: int) -> None:
        unit, stage = line.turns.unit, line.turns.stage
        first, here = (_place(line.part, unit, unit.frames[n]) for n in (0, position))
        self._painted.add((here, None if stage == unit.stages - 1 else stage))
        line.idle = True
        asking = self._asking[first]  # the unit's own stages
        others = self._asking.get(here, []) if position else []
        for each in (*asking, *others):
            if each is not line:  # which its worker may go on with
                self._offer(each)

    def _offer(self, line: _Line) -> None:
        """Put a line on the heap as soon as it is ready; it stays so until it is taken."""
        if line.idle and line.turns.ready():
            line.idle = False
            heapq.heappush(self._ready, (preference(line.turns), line.number, line))


def _longest(part: Part) -> float:
    """The longest chain of steps in which each needs the one before, or is in one worker's hands."""
    ends: dict[int, float] = {}
    for unit in sorted(part.plan.units, key=lambda unit: not unit.anchors):
        before, now = [0.0] * unit.stages, 0.0
        for position, frame in enumerate(unit.frames):
            if unit.chained:
                now = max((ends[needed] for needed in unit.needs(position)), default=0.0)
            for stage, cost in enumerate(part.costs(unit, position)):
                now = before[stage] = max(now, before[stage]) + cost
            ends[frame] = now
    return max(ends.values(), default=0.0)
