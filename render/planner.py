"""The planner: finds the shots of a source and cuts them into units.

The plan is a pure function of job and source. The planner never looks at the farm, so the same job has
the same plan, and with it the same pixels, on one worker or on twenty.
"""

from __future__ import annotations

import bisect
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise

from render.batches import portions
from render.errors import SourceError
from render.media.images import ImageSource
from render.media.source import MovingSource
from render.motion.cuts import find_cuts
from render.motion.unrest import noting
from render.plan import Plan, Unit
from render.spec.job import Job
from render.spec.media import VideoInput
from render.spec.stages import stage_count

CHUNK = 16
"""Independent pictures in one unit, which one worker paints, at most."""
SEGMENT = 32
"""Frames of a segment between two anchors, unless the job says otherwise."""
LEAST_UNITS = 64
"""Units that independent pictures are shared out into, as far as there are so many."""


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
