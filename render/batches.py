"""Pictures that do not follow each other: which are painted together, and which are dispatched at once.

A batch is what a device paints at once: pictures of one size, enough to fill it. A unit is a minute's
worth of batches. Both follow from the job and the sizes of its pictures alone, never from the farm, as
rounding may depend on what is painted together: a batch is never cut, only units are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from render.spec.job import Job

LEAST, MOST = 16, 256
"""Pictures of a unit."""
UNIT_SECONDS = 60.0
"""Work of a unit, between these."""
PACE = 2e7
"""Pixels that a device is assumed to evaluate in a second: a card of the middle of the range."""
AROUND = 0.02
"""Seconds that a picture is assumed to take beside its evaluations."""
BATCH_PIXELS = 2**20
"""Pixels of a batch, if more than one picture is in it: sixteen of 256×256, four of 512×512."""
MOST_TOGETHER = 64
"""Pictures of a batch."""
SHARES = 64
"""Batches that there are at least, as far as there are so many pictures: few go around many workers."""
UNKNOWN = (1024, 1024)
"""Size that is assumed where it is not known before a picture is read."""

Size = tuple[int, int]
"""Width and height as rendered; (0, 0) if not known."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Pictures that are painted together.

    Attributes:
        frames: their indices.
        seconds: work that they are, as far as a plan can say.
    """

    frames: tuple[int, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Portion:
    """A unit of pictures: some that follow each other in the list, in batches."""

    number: int
    frames: range
    batches: tuple[Batch, ...]

    @property
    def seconds(self) -> float:
        """Work of all its batches."""
        return sum(batch.seconds for batch in self.batches)


def work(job: Job, size: Size) -> float:
    """Seconds that a picture is assumed to take, by its size alone."""
    if job.engine == "passthrough":
        return AROUND
    width, height = size if all(size) else UNKNOWN
    return AROUND + job.optimize.evaluations * width * height / PACE


def portions(job: Job, pictures: Iterable[tuple[int, Size]], count: int) -> Iterator[Portion]:
    """Share pictures out, reading only as far ahead as a unit reaches.

    Args:
        job: what is to be painted.
        pictures: index and size of each, in order.
        count: how many there are.
    """
    most_together = max(1, min(MOST_TOGETHER, count // SHARES))
    gathered: list[tuple[int, Size]] = []
    seconds, number = 0.0, 0
    for index, size in pictures:
        gathered.append((index, size))
        seconds += work(job, size)
        if len(gathered) == MOST or (len(gathered) >= LEAST and seconds >= UNIT_SECONDS):
            yield _portion(job, number, gathered, most_together)
            gathered, seconds, number = [], 0.0, number + 1
    if gathered:
        yield _portion(job, number, gathered, most_together)


def _portion(
    job: Job, number: int, gathered: list[tuple[int, Size]], most_together: int
) -> Portion:
    """Pictures of one size go together, the sizes in the order in which they come up."""
    by_size: dict[Size, list[int]] = {}
    for index, size in gathered:
        by_size.setdefault(size, []).append(index)
    batches = []
    for size, frames in by_size.items():
        width, height = size if all(size) else UNKNOWN
        together = max(1, min(most_together, BATCH_PIXELS // (width * height)))
        each = work(job, size)
        for first in range(0, len(frames), together):
            chosen = tuple(frames[first : first + together])
            batches.append(Batch(chosen, each * len(chosen)))
    batches.sort(key=lambda batch: -batch.seconds)  # the longest first: what ends last is short
    first, last = gathered[0][0], gathered[-1][0]
    step = gathered[1][0] - first if len(gathered) > 1 else 1
    return Portion(number, range(first, last + 1, step), tuple(batches))
