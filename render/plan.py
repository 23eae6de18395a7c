"""The plan: which frames are rendered together and in what order.

A pure function of job and source. It never looks at the farm, so the same job has the same plan, and
with it the same pixels, on one worker or on twenty.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

from render.batches import portions
from render.errors import SourceError
from render.media.images import ImageSource
from render.media.source import MovingSource
from render.motion.cuts import find_cuts
from render.spec.job import Job
from render.spec.media import VideoInput
from render.spec.stages import stage_count

CHUNK = 16
"""Independent pictures in one unit, which one worker paints, at most."""
LEAST_UNITS = 64
"""Units that independent pictures are shared out into, as far as there are so many."""


@dataclass(frozen=True)
class Unit:
    """What is dispatched at once.

    Attributes:
        number: position in the plan.
        shot: number of the shot that it belongs to.
        frames: indices in the source, in the order of rendering.
        chained: whether each frame is started from the one before it.
        stages: in which each frame is painted.
    """

    number: int
    shot: int
    frames: range
    chained: bool
    stages: int = 1


@dataclass(frozen=True)
class Plan:
    """All units of a job.

    Attributes:
        fingerprints: of everything that was read, by the keys that name it, to notice if it changes.
        rate: frames per second of the source; `None` for pictures.
        shots: frames between two cuts.
        units: what is dispatched, in order; none for pictures, whose portions (see `batches`) are made
            on the way, as a million are too many to hold.
    """

    fingerprints: Mapping[str, str]
    rate: Fraction | None
    shots: tuple[range, ...]
    units: tuple[Unit, ...]

    @property
    def frames(self) -> Iterator[int]:
        """Indices of all frames, in order."""
        return (frame for shot in self.shots for frame in shot)

    @property
    def total(self) -> int:
        """Number of frames."""
        return sum(len(shot) for shot in self.shots)

    def to_data(self) -> dict[str, Any]:
        """The plan as plain data, for `plan.json`."""
        return {
            "fingerprints": dict(self.fingerprints),
            "rate": None if self.rate is None else str(self.rate),
            "frames": self.total,
            "shots": [_ends(shot) for shot in self.shots],
            "units": [
                {
                    "shot": unit.shot,
                    "frames": _ends(unit.frames),
                    "chained": unit.chained,
                    "stages": unit.stages,
                }
                for unit in self.units
            ],
        }

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> Plan:
        """The plan that `to_data` gave."""
        return cls(
            data["fingerprints"],
            None if data["rate"] is None else Fraction(data["rate"]),
            tuple(range(*shot) for shot in data["shots"]),
            tuple(
                Unit(number, unit["shot"], range(*unit["frames"]), unit["chained"], unit["stages"])
                for number, unit in enumerate(data["units"])
            ),
        )


def plan_units(
    job: Job, source: ImageSource | MovingSource, fingerprints: Mapping[str, str]
) -> Plan:
    """Find the shots of the source and cut them into units.

    Raises:
        SourceError: the source cannot be read to its end, or a cut that the job names is no frame.
    """
    frames = source.frames
    if isinstance(source, ImageSource):
        return Plan(fingerprints, None, (frames,), ())
    assert isinstance(job.input, VideoInput)
    if job.input.cuts is None:
        starts = find_cuts(source.thumbnails(), source.rate)
    else:
        starts = _named_cuts(job.input.cuts, source)
    ends = [0, *starts, len(frames)]
    shots = tuple(frames[first:last] for first, last in pairwise(ends))
    chained = job.temporal.warm_start != "none"
    runs = [
        (number, run)
        for number, shot in enumerate(shots)
        for run in (split(shot, job.temporal.segment) if chained else chunks(shot))
    ]
    stages = stage_count(job)
    units = tuple(Unit(n, shot, run, chained, stages) for n, (shot, run) in enumerate(runs))
    return Plan(fingerprints, source.rate, shots, units)


def with_batches(job: Job, plan: Plan, source: ImageSource) -> Plan:
    """A plan of pictures with a unit for each batch, to be shown and played through.

    A batch of pictures that do not follow each other is shown by the first of them and their number.
    """
    sizes = source.planned_sizes()
    batches = (b for portion in portions(job, sizes, plan.total) for b in portion.batches)
    units = (
        Unit(n, 0, range(batch.frames[0], batch.frames[0] + len(batch.frames)), chained=False)
        for n, batch in enumerate(batches)
    )
    return replace(plan, units=tuple(units))


def chunks(frames: range) -> Iterator[range]:
    """Frames that do not follow each other, in small units, so that many workers share them."""
    size = max(1, min(CHUNK, len(frames) // LEAST_UNITS))
    return (frames[first : first + size] for first in range(0, len(frames), size))


def _named_cuts(cuts: Sequence[int], source: MovingSource) -> list[int]:
    """Positions in the selected frames at which the cuts that the job lists fall."""
    for cut in cuts:
        if cut >= source.count:
            raise SourceError(f"input.cuts: no frame {cut}; the frames are 0-{source.count - 1}")
    positions = {bisect.bisect_left(source.frames, cut) for cut in cuts}
    return sorted(position for position in positions if 0 < position < len(source.frames))


def split(shot: range, longest: int | None) -> Iterator[range]:
    """A shot in runs of equal length, give or take a frame, none longer than `longest`."""
    count = 1 if longest is None else -(-len(shot) // longest)
    for n in range(count):
        yield shot[n * len(shot) // count : (n + 1) * len(shot) // count]


def _ends(frames: range) -> list[int]:
    return [frames.start, frames.stop, frames.step]
