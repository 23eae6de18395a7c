"""Whose turn it is: which stage of which frame can be painted next.

The farm and the forecast both ask here, so that what the one does is what the other foretells.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterable, Sequence
from typing import Protocol, TypeVar

from render.plan import Unit
from render.spec.stages import AHEAD

LEVEL = 2
"""Frames by which a chain must be longer than another for its worker to change over to it."""

Painted = Callable[[int, int | None], bool]
"""Whether a frame's picture after a stage is committed; stage `None`: the finished frame."""


class Turns:
    """One stage of a unit on its way: which frame of it is next, and whether it can be painted yet.

    The turns of a unit's stages together are its waves: (frame, stage) needs (frame, stage - 1) and
    (frame - 1, stage), and all with one sum can run at once.

    A frame that is set aside at some stage counts for the stages that it has left and for no later
    one: in each, its successors start from the nearest frame before them that has left it. So what
    they start from depends on which frames fail where, and never on when that was found.

    Attributes:
        unit: whose frames these are.
        stage: from 0.
        position: in the unit's frames, of the next one.
    """

    def __init__(self, unit: Unit, stage: int, painted: Painted, failed: Container[int]) -> None:
        self.unit = unit
        self.stage = stage
        self._last = stage == unit.stages - 1
        self._painted = painted
        self._failed = failed
        self.position = self._begin()
        self._end = self._stop()

    @property
    def frame(self) -> int:
        """Index of the next frame; there is one unless it `ended`."""
        return self.unit.frames[self.position]

    @property
    def remaining(self) -> int:
        """Frames that are not sent yet."""
        return self._end - self.position

    def rewind(self) -> None:
        """Begin again behind what is committed."""
        self.position = self._begin()

    def advance(self) -> None:
        """The next frame was sent."""
        self.position += 1

    def ended(self) -> bool:
        """Whether no frame is left to be sent."""
        self._skip()
        return self.position >= self._end

    def ready(self) -> bool:
        """Whether the next frame can be sent: what it needs is committed, and it is not too early."""
        if self.ended():
            return False
        frames, here, unit = self.unit.frames, self.position, self.unit
        if self.stage > 0 and not self._painted(frames[here], self.stage - 1):
            return False
        if not all(self._settled(frame) for frame in unit.needs(here)):
            return False
        if unit.chained and self.first() is None and frames[here] != self._start():
            return False  # the first frame, whose detail others keep, is not committed yet
        behind = here - AHEAD
        return self._last or behind < 0 or self._passed(frames[behind])

    def first(self) -> int | None:
        """The frame that the chain begins with, once it has left this stage."""
        start = self._start()
        return start if start is not None and self.left(start) else None

    def predecessor(self) -> int | None:
        """The nearest frame before the next one that is not missing from this stage."""
        earlier = self.unit.before(self.position)
        return next((frame for frame in earlier if not self.missing(frame)), None)

    def earlier(self, gaps: Sequence[int]) -> list[int]:
        """Frames so many before the next one that have left this stage, but for its predecessor."""
        step = self.unit.step
        found = [frame for gap in gaps if self.unit.chains(frame := self.frame - gap * step)]
        before = self.predecessor()
        return [frame for frame in found if frame != before and not self.missing(frame)]

    def towards(self) -> int | None:
        """The frame that the next one is led to, if it is and there is one."""
        towards = self.unit.towards if self.unit.is_led(self.position) else None
        return None if towards is None or self.missing(towards) else towards

    def missing(self, frame: int) -> bool:
        """Whether a frame was set aside before it left this stage."""
        return frame in self._failed and not self.left(frame)

    def left(self, frame: int) -> bool:
        """Whether there is a committed picture of a frame after this stage."""
        return self._painted(frame, None if self._last else self.stage)

    def _begin(self) -> int:
        """Behind the frames from the first on that have left this stage.

        A finished frame whose stages are gone counts for the last stage alone: the others are
        painted again if a later frame needs what follows from them.
        """
        frames = self.unit.frames
        done = (n for n, frame in enumerate(frames) if not self._settled(frame))
        return next(done, len(frames))

    def _stop(self) -> int:
        """Behind the last frame that is not finished."""
        frames = self.unit.frames
        behind = (n + 1 for n in reversed(range(len(frames))) if not self._painted(frames[n], None))
        return next(behind, 0)

    def _skip(self) -> None:
        while self.position < self._end and self._settled(self.frame):
            self.position += 1

    def _start(self) -> int | None:
        """The first frame of the chain that is not missing from this stage."""
        chain = (
            self.unit.frames if self.unit.after is None else (self.unit.after, *self.unit.frames)
        )
        return next((frame for frame in chain if not self.missing(frame)), None)

    def _settled(self, frame: int) -> bool:
        return frame in self._failed or self.left(frame)

    def _passed(self, frame: int) -> bool:
        """Whether the next stage is done with a frame."""
        above = self.stage + 1
        then = None if above == self.unit.stages - 1 else above
        return frame in self._failed or self._painted(frame, then)


class HasTurns(Protocol):
    """What the driver and the forecast choose from."""

    @property
    def turns(self) -> Turns:
        """Its turns."""


Line = TypeVar("Line", bound=HasTurns)


def foremost(lines: Iterable[Line]) -> Line:
    """Of lines that are ready the one to go on with."""
    return min(lines, key=lambda line: preference(line.turns))


def preference(turns: Turns) -> tuple[bool, int, bool, int]:
    """Of turns that are ready the lowest goes first.

    That is the first stage, as far ahead as it may be: while a probe holds it up, the others live on
    what it is ahead. Then the latest stage, which ends frames; then anchors, which others wait for; then
    the longest chain. Pictures that do not follow each other go in the order in which they were begun.
    """
    unit = turns.unit
    remaining = turns.remaining if unit.chained else 0
    return turns.stage > 0, -turns.stage, not unit.anchors, -remaining


def gives_way(turns: Turns, others: Collection[Turns], workers: int) -> bool:
    """Whether a worker leaves a chain that it could go on with for the foremost of those that wait.

    It stays as long as there is another chain for every worker. In the last round fewer wait, and who
    was late with them would end long after the rest: then chains are kept level, which ends them all
    at about the same time.

    Args:
        turns: of the chain that the worker has.
        others: turns that are ready and in nobody's hands.
        workers: how many there are.
    """
    if not others or len(others) >= workers or turns.unit.anchors or not turns.unit.chained:
        return False
    other = min(others, key=preference)
    return other.stage == turns.stage and other.remaining > turns.remaining + LEVEL


def in_order(units: Sequence[Unit]) -> list[Unit]:
    """The order in which units are begun: first those that others wait for, then the longest.

    The longest chain ends last. Units of independent pictures stay as they are.
    """
    if not any(unit.chained for unit in units):
        return list(units)
    return sorted(units, key=lambda unit: (not unit.anchors, -len(unit.frames)))
