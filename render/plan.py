"""The plan: which frames are rendered together and in what order, as plain data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from render.spec.stages import Effort

PROBED = 20
"""Frames of a chain for each one that is probed; see `Detail` for what comes of more or fewer."""


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

    @property
    def seams(self) -> frozenset[int]:
        """Frames that another unit than that of the frame before them in the shot paints.

        But for those that are started from that frame all the same.
        """
        starts = {unit.frames[0] for unit in self.units if unit.chained and unit.after is None}
        led = {unit.towards for unit in self.units if unit.towards is not None}
        inside = {frame for shot in self.shots for frame in shot[1:]}
        return frozenset((starts | led) & inside)

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


def _unit_data(unit: Unit) -> dict[str, Any]:
    frames = unit.frames
    data = {**vars(unit), "frames": _ends(frames) if isinstance(frames, range) else {"at": frames}}
    del data["number"]
    return data


def _ends(frames: range) -> list[int]:
    return [frames.start, frames.stop, frames.step]


def _frames(data: list[int] | dict[str, list[int]]) -> Sequence[int]:
    return tuple(data["at"]) if isinstance(data, dict) else range(*data)
