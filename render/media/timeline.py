"""When each written frame is shown, and which part of the sound belongs to it."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from render.media.probe import Probe

_FINE = Fraction(1, 100_000)
"""Seconds; the tick that places the first frame where it does not stand at the file's start."""


@dataclass(frozen=True)
class Timeline:
    """Timing of an output.

    Attributes:
        tick: seconds of one tick, exact.
        ticks: when each frame is shown, in ticks behind the first.
        rate: frames per second, the mean where `constant` is false.
        constant: whether the frames, but for the last, are shown equally long.
        last: seconds that the last frame is shown.
        offset: seconds before the first frame, where the sound starts before the picture.
        begin: seconds at which the sound is cut in, on the source's clock; `None`: its start.
        end: seconds at which it is cut off; `None`: its end.
    """

    tick: Fraction
    ticks: tuple[int, ...]
    rate: Fraction
    constant: bool
    last: Fraction
    offset: Fraction = Fraction(0)
    begin: Fraction | None = None
    end: Fraction | None = None

    @property
    def held(self) -> bool:
        """Whether the last frame has a time of its own, which the file must be told."""
        return not self.constant or self.last != 1 / self.rate


def constant_timeline(rate: Fraction, selected: range) -> Timeline:
    """Timing of frames `selected` from a sequence of `rate` frames per second."""
    shown = rate / selected.step
    ticks = tuple(range(len(selected)))
    return Timeline(1 / shown, ticks, shown, constant=True, last=1 / shown)


def source_timeline(facts: Probe, selected: range) -> Timeline:
    """Timing of frames `selected` as in their source.

    A constant rate stays exact: with stride 2, 24000/1001 becomes 12000/1001. A varying one keeps
    each frame's own time. With a stride, a frame is shown until the next that is selected, so that
    the length stays and the sound fits; behind the last there may be none, then it is shown until the
    source ends.
    """
    start = [int(tick) * facts.track.time_base for tick in (facts.pts[0], facts.pts[selected[0]])]
    offset, begin = Fraction(0), None
    if selected[0] == 0:
        offset = max(Fraction(0), start[0] - facts.start)
    else:
        begin = start[1]
    end = None
    behind = selected[-1] + selected.step
    if behind < len(facts.pts):
        end = int(facts.pts[behind]) * facts.track.time_base
    elif facts.cut_off:
        end = int(facts.pts[-1]) * facts.track.time_base + 1 / facts.rate
    rate = facts.rate / selected.step
    last = _last(facts, selected)
    if facts.constant:
        parts = ceil(1 / rate / _FINE) if offset or last != 1 / rate else 1
        tick = 1 / rate / parts
        ticks = tuple(k * parts for k in range(len(selected)))
    else:
        tick = facts.track.time_base
        ticks = tuple(int(facts.pts[i] - facts.pts[selected[0]]) for i in selected)
    return Timeline(tick, ticks, rate, facts.constant, last, offset, begin, end)


def _last(facts: Probe, selected: range) -> Fraction:
    """Seconds that the last of the selected frames is shown."""
    final, behind = len(facts.pts) - 1, selected[-1] + selected.step
    if facts.constant:
        if behind <= final or facts.last == 1 / facts.rate:
            return selected.step / facts.rate
        return (final - selected[-1]) / facts.rate + facts.last
    until = int(facts.pts[min(behind, final)] - facts.pts[selected[-1]]) * facts.track.time_base
    return until + (facts.last if behind > final else 0)
