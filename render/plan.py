"""The plan: which frames are rendered together and in what order.

A pure function of job and source. It never looks at the farm, so the same job has the same plan, and
with it the same pixels, on one worker or on twenty.
"""

from __future__ import annotations

import bisect
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from itertools import pairwise
from typing import Any

from render.batches import portions
from render.errors import SourceError
from render.media.images import ImageSource
from render.media.source import MovingSource
from render.motion.cuts import find_cuts
from render.motion.unrest import noting
from render.spec.job import Job
from render.spec.media import VideoInput
from render.spec.stages import Effort, stage_count

CHUNK = 16
"""Independent pictures in one unit, which one worker paints, at most."""
SEGMENT = 32
"""Frames of a segment between two anchors, unless the job says otherwise."""
PROBED = 16
"""Frames of a chain for each one that is probed."""
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
        step: from a frame of the shot to the next.
        anchors: whether these are a shot's anchors, which other units wait for; the motion from one to
            the next is put together from that of all frames between.
        after: frame of another unit that the first one is started from.
        towards: frame of another unit, the one behind the last, that the last ones are led to.
        bridge: how many of the last ones.
    """

    number: int
    shot: int
    frames: Sequence[int]
    chained: bool
    stages: int = 1
    step: int = 1
    anchors: bool = False
    after: int | None = None
    towards: int | None = None
    bridge: int = 0

    def needs(self, position: int) -> Iterator[int]:
        """Frames of other units that must be painted before the frame at a position."""
        if self.after is not None:
            yield self.after
        if self.towards is not None and self.is_led(position):
            yield self.towards

    def before(self, position: int) -> Iterator[int]:
        """What the frame at a position may start from, the nearest first."""
        if self.chained:
            yield from reversed(self.frames[:position])
        if self.after is not None:
            yield self.after

    def between(self, first: int, last: int) -> range:
        """Frames of the shot between two of it, exclusive."""
        return range(first + self.step, last, self.step)

    @property
    def whole(self) -> range:
        """All frames of the shot that its painting looks at, from the first to the last."""
        first = self.frames[0] if self.after is None else self.after
        last = self.frames[-1] if self.towards is None else self.towards
        return range(first, last + 1, self.step)

    def chains(self, frame: int) -> bool:
        """Whether a frame is near enough to the others, and painted in time, to be held on to."""
        return self.chained and not self.anchors and (frame in self.frames or frame == self.after)

    def effort(self, position: int) -> Effort:
        """What the frame at a position is to the others."""
        if not self.chained or (position == 0 and self.after is None):
            return "first"
        return "anchor" if self.anchors else "later"

    def probed(self, position: int) -> bool:
        """Whether the frame at a position is painted a second time, by itself.

        That shows what detail its content has then, which the frames behind it keep, so that some must
        follow; and what the first one shows is needed to make use of a second. Short chains have the
        detail of their first frame alone; anchors, which wait for each other, and their segments too.
        """
        probes = self.chained and self.after is None and not self.anchors
        end = len(self.frames) - PROBED // 2
        return probes and position % PROBED == 0 and position < end > PROBED

    def is_led(self, position: int) -> bool:
        """Whether the frame at a position is led to the one behind the last."""
        return self.towards is not None and position >= len(self.frames) - self.bridge


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
            "units": [_unit_data(unit) for unit in self.units],
        }

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> Plan:
        """The plan that `to_data` gave."""
        return cls(
            data["fingerprints"],
            None if data["rate"] is None else Fraction(data["rate"]),
            tuple(range(*shot) for shot in data["shots"]),
            tuple(
                Unit(number=number, **{**unit, "frames": _frames(unit["frames"])})
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
    unrest: list[float] = []
    thumbnails = source.thumbnails()
    if _has_anchors(job):
        thumbnails = noting(thumbnails, unrest)
    if job.input.cuts is None:
        starts = find_cuts(thumbnails, source.rate / frames.step)
    else:
        starts = _named_cuts(job.input.cuts, source)
        if _has_anchors(job):
            deque(thumbnails, maxlen=0)
    ends = list(pairwise([0, *starts, len(frames)]))
    units: list[Unit] = []
    for shot, (first, last) in enumerate(ends):
        units += _units_of_shot(job, shot, frames[first:last], unrest[first:last], len(units))
    shots = tuple(frames[first:last] for first, last in ends)
    return Plan(fingerprints, source.rate, shots, tuple(units))


def _has_anchors(job: Job) -> bool:
    return job.temporal.warm_start != "none" and job.temporal.parallel == "anchors"


def _units_of_shot(
    job: Job, shot: int, frames: range, unrest: Sequence[float], number: int
) -> Iterator[Unit]:
    temporal = job.temporal
    if _has_anchors(job):
        longest = temporal.segment or SEGMENT
        yield from anchored(shot, frames, unrest, longest, temporal.bridge, number)
        return
    chained = temporal.warm_start != "none"
    runs = split(frames, temporal.segment) if chained else chunks(frames)
    for n, run in enumerate(runs):
        yield Unit(number + n, shot, run, chained, stage_count(job), frames.step)


def anchored(
    shot: int, frames: range, unrest: Sequence[float], longest: int, bridge: int, number: int
) -> Iterator[Unit]:
    """A shot as a chain of anchors and the segments between them, which run side by side.

    The first unit is the anchors: the shot's first frame, and some of the others, evenly spaced but for
    an eighth of a segment, by which each is moved to the calmest frame there. What two segments
    disagree in shows where something turns or is uncovered, and nothing can lead the one to the other.
    Each further unit is a segment less its anchor. It is started from that and led to the next.

    Args:
        shot: its number.
        frames: of the shot.
        unrest: of each of them; see `noting`.
        longest: most frames of a segment, its anchor included.
        bridge: how many frames of each segment, at most, are led to the next anchor.
        number: of the first unit.
    """
    if len(frames) <= longest:
        yield Unit(number, shot, frames, chained=True, step=frames.step)
        return
    reach = longest // 8
    segments = -(-len(frames) // (longest - 2 * reach))
    stride = -(-len(frames) // segments)
    anchors = [0]
    for even in range(stride, len(frames), stride):
        near = range(even - reach, min(even + reach + 1, len(frames)))
        anchors.append(min(near, key=lambda n: (unrest[n], abs(n - even))))
    chain = partial(Unit, shot=shot, chained=True, step=frames.step)
    yield chain(number, frames=tuple(frames[n] for n in anchors), anchors=True)
    for first, behind in pairwise([*anchors, len(frames)]):
        inner = frames[first + 1 : behind]
        if not inner:
            continue
        number += 1
        towards = frames[behind] if behind < len(frames) else None
        led = 0 if towards is None else min(bridge, len(inner))
        yield chain(number, frames=inner, after=frames[first], towards=towards, bridge=led)


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


def _unit_data(unit: Unit) -> dict[str, Any]:
    frames = unit.frames
    data = {**vars(unit), "frames": _ends(frames) if isinstance(frames, range) else {"at": frames}}
    del data["number"]
    return data


def _ends(frames: range) -> list[int]:
    return [frames.start, frames.stop, frames.step]


def _frames(data: list[int] | dict[str, list[int]]) -> Sequence[int]:
    return tuple(data["at"]) if isinstance(data, dict) else range(*data)
