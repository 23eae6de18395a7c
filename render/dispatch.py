"""Who is given which batch next: the policy, without anybody to give it to.

The farm's driver asks it for real workers, the simulation for simulated ones. It holds the units that
are under way and a few that wait, however many there are.
"""

from __future__ import annotations

import heapq
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from render.batches import Batch, Portion

UNITS_AT_ONCE = 2
"""Units of which batches may be in one worker's hands: one that it finishes, and the next."""
AHEAD = 4096
"""Batches that are looked ahead, to know how many workers there is work for."""

SHORT = 1.0
"""Seconds of a batch that may wait behind another at a worker even towards the end."""
PART = 0.5
"""Likewise, earlier: share of the work that waits for each worker."""


@dataclass(frozen=True, slots=True)
class Given:
    """A batch in a worker's hands.

    Attributes:
        batch: what it is to paint.
        unit: number of its unit.
        attempt: from 1; what an earlier attempt still brings does not count.
    """

    batch: Batch
    unit: int
    attempt: int


class _Own:
    """What a worker has not begun of the units that are its own."""

    def __init__(self) -> None:
        self.batches: deque[Given] = deque()
        self.seconds = 0.0

    def __bool__(self) -> bool:
        return bool(self.batches)

    def longest(self) -> float:
        return self.batches[0].batch.seconds if self.batches else 0.0

    def append(self, given: Given) -> None:
        self.batches.append(given)
        self.seconds += given.batch.seconds

    def pop(self, *, first: bool) -> Given:
        given = self.batches.popleft() if first else self.batches.pop()
        self.seconds -= given.batch.seconds
        return given


class Dispatch:
    """Hands out batches until all are done.

    A worker goes through the units that are its own; batches that were given back come first. Of units
    that wait, the one with the longest batch is begun first, so that none is late, and no long batch
    waits behind another while little is left. Once no unit waits, idle workers take every second batch
    of what the busiest one has not begun, and nobody gets ahead of himself while others may have
    nothing: so all end at about one time.

    Args:
        units: with batches; read as far ahead as needed.
        wanted: whether a picture is still to be painted.
    """

    def __init__(self, units: Iterable[Portion], wanted: Callable[[int], bool]) -> None:
        self._units = iter(units)
        self._wanted = wanted
        self._waiting: list[tuple[float, int, Portion]] = []  # a heap: the longest batch first
        self._ahead = 0  # batches in units that wait
        self._ahead_seconds = 0.0
        self._back: deque[Given] = deque()
        self._own: dict[str, _Own] = {}
        self._hands: dict[str, Counter[int]] = {}  # batches in a worker's hands, by unit
        self._idle = 0  # batches that are nobody's, or that their worker has not begun
        self._held = 0  # batches in anybody's hands
        self._look_ahead()

    @property
    def left(self) -> int:
        """Batches that are not done, as far as is looked ahead; 0 only once none is left."""
        return self._held + self._idle + self._ahead

    def next(self, worker: str) -> Given | None:
        """A batch for a worker, behind what it has; `None`: nothing, as things are."""
        hands = self._hands.setdefault(worker, Counter())
        own = self._own.setdefault(worker, _Own())
        while True:
            if not (self._back or own):
                self._take_unit(own, hands) or self._take_half(own, hands)
            if self._would_be_ahead(own, hands):
                return None
            if self._back and self._may(self._back[0].unit, hands):
                given = self._back.popleft()
            elif own and self._may(own.batches[0].unit, hands):
                given = own.pop(first=True)
            else:
                return None
            self._idle -= 1
            if any(map(self._wanted, given.batch.frames)):
                hands[given.unit] += 1
                self._held += 1
                return given

    def done(self, worker: str, given: Given) -> None:
        """A worker has brought a batch."""
        hands = self._hands[worker]
        hands[given.unit] -= 1
        if not hands[given.unit]:
            del hands[given.unit]
        self._held -= 1

    def release(self, worker: str, taken: Sequence[Given]) -> None:
        """Take back batches that a worker has in its hands, and what it has not begun."""
        again = [Given(given.batch, given.unit, given.attempt + 1) for given in taken]
        self._back.extendleft(reversed([*again, *self._own.pop(worker, _Own()).batches]))
        self._hands.pop(worker, None)
        self._held -= len(again)
        self._idle += len(again)

    def separate(self, given: Given) -> None:
        """From now on, paint each picture of a batch that was given back by itself."""
        each = given.batch.seconds / len(given.batch.frames)
        alone = [
            Given(Batch((f,), each), given.unit, given.attempt + 1) for f in given.batch.frames
        ]
        kept = [other for other in self._back if other.batch is not given.batch]
        self._idle += len(alone) + len(kept) - len(self._back)
        self._back = deque([*alone, *kept])

    def again(self, given: Given, frame: int) -> None:
        """Paint one picture of a batch that was brought once more, by itself."""
        batch = Batch((frame,), given.batch.seconds / len(given.batch.frames))
        self._back.append(Given(batch, given.unit, given.attempt + 1))
        self._idle += 1

    def _may(self, unit: int, hands: Counter[int]) -> bool:
        return unit in hands or len(hands) < UNITS_AT_ONCE

    def _would_be_ahead(self, own: _Own, hands: Counter[int]) -> bool:
        """Whether a worker with work would take what others may have to wait for."""
        if not hands:
            return False
        part = PART * self._ahead_seconds / len(self._own)
        scarce = not self._waiting and self._idle <= len(self._own)
        return scarce or own.longest() > max(SHORT, part)

    def _take_unit(self, own: _Own, hands: Counter[int]) -> bool:
        """Begin the next unit, if one waits and the worker may."""
        if not self._waiting or len(hands) >= UNITS_AT_ONCE:
            return False
        _, _, unit = heapq.heappop(self._waiting)
        self._ahead -= len(unit.batches)
        self._ahead_seconds -= unit.seconds
        for batch in unit.batches:
            own.append(Given(batch, unit.number, 1))
        self._idle += len(unit.batches)
        self._look_ahead()
        return True

    def _take_half(self, own: _Own, hands: Counter[int]) -> bool:
        """Take every second batch that another worker has not begun, where that is the most work.

        Both go on with the longest that they have, so that the last to end are short.
        """
        if self._waiting or hands:
            return False
        most = max(self._own.values(), key=lambda other: other.seconds)
        if not most:
            return False
        batches = [most.pop(first=True) for _ in range(len(most.batches))]
        for number, given in enumerate(batches):
            (most if number % 2 else own).append(given)
        return True

    def _look_ahead(self) -> None:
        """Have enough units wait; what is finished is passed over."""
        while self._ahead < AHEAD:
            unit = next(self._units, None)
            if unit is None:
                return
            if any(map(self._wanted, unit.frames)):
                longest = max(batch.seconds for batch in unit.batches)
                heapq.heappush(self._waiting, (-longest, unit.number, unit))
                self._ahead += len(unit.batches)
                self._ahead_seconds += unit.seconds
