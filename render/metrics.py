"""How calm and how sharp a painted video is, measured against its source.

The measure is the warping error of Lai et al. ("Learning Blind Video Temporal Consistency", 2018):
each painted frame is compared with an earlier one, carried onto it along the optical flow *of the
source*, where that flow can be trusted. The source itself has such an error, from noise, light and
faults of the flow; it is the floor that an output is held against. An error below the floor means
that detail was lost, so sharpness always stands beside it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from statistics import fmean, median
from typing import Any

import numpy as np

from render.motion.flow import estimate_flow
from render.motion.paths import Motion
from render.motion.reliability import reliability_mask
from render.motion.warp import warp
from render.pixels import LUMA, FloatMap, Pixels, unit

GAPS = (1, 2, 4, 8)
"""Frames back that a frame is compared with; 1 is the warping error, the others the long-term ones."""

_LEAST_COVERAGE = 1e-3
"""Pairs of which less can be compared say nothing."""


@dataclass(frozen=True)
class Shown:
    """A frame of the source and what became of it.

    Attributes:
        index: of the frame in the source.
        content: H×W×3, as it was rendered from.
        result: H×W×3, as it was committed.
        loss: parts of the final loss by name, as the ledger has them; empty if it has none.
    """

    index: int
    content: Pixels
    result: Pixels
    loss: Mapping[str, float]


MotionOf = Callable[[Shown, Shown], Motion]
"""The motion from a frame to an earlier one of its shot."""


@dataclass(frozen=True)
class Comparison:
    """A frame against an earlier one of its shot.

    Attributes:
        error: mean squared difference of the results along the flow, pixels being 0 to 1.
        floor: the same for the source.
        coverage: share of the frame that could be compared.
    """

    error: float
    floor: float
    coverage: float


@dataclass(frozen=True)
class Looks:
    """What may not wander from frame to frame.

    Attributes:
        sharpness: see `sharpness`.
        brightness: mean luma, 0 to 1.
        contrast: standard deviation of luma.
    """

    sharpness: float
    brightness: float
    contrast: float


@dataclass(frozen=True)
class FrameMetrics:
    """One frame.

    Attributes:
        frame: index in the source.
        back: by how many frames back, comparisons with frames of its shot of which enough is seen.
        coverage: share of it that can be compared with the frame before, if its shot has one.
        seam: whether the frame before it, in the same shot, belongs to another unit.
        result: how the result looks.
        source: how the source looks.
        loss: parts of the final loss by name.
    """

    frame: int
    back: Mapping[int, Comparison]
    coverage: float | None
    seam: bool
    result: Looks
    source: Looks
    loss: Mapping[str, float]


@dataclass(frozen=True)
class Metrics:
    """All frames of an output."""

    frames: Sequence[FrameMetrics]

    def error(self, gap: int = 1) -> float | None:
        """Mean error against frames `gap` back; `None` if there are none."""
        return _mean([one.error for one in self._pairs(gap)])

    def floor(self, gap: int = 1) -> float | None:
        """Mean error of the source against frames `gap` back."""
        return _mean([one.floor for one in self._pairs(gap)])

    def over_floor(self, gap: int = 1) -> float | None:
        """`error` over `floor`; `None` where the source is perfectly still or there are no pairs."""
        return _ratio(self.error(gap), self.floor(gap))

    @property
    def coverage(self) -> float | None:
        """Mean share of a frame that can be compared with the frame before."""
        return _mean([frame.coverage for frame in self.frames if frame.coverage is not None])

    @property
    def seam_ratio(self) -> float | None:
        """Mean error across boundaries of units in a shot over the median inside; `None`: no seams."""
        across = [one.error for one in self._pairs(1, seam=True)]
        inside = [one.error for one in self._pairs(1, seam=False)]
        return _ratio(_mean(across), median(inside)) if across and inside else None

    @property
    def seams(self) -> int:
        """Boundaries of units in a shot that can be compared."""
        return len(self._pairs(1, seam=True))

    @property
    def result(self) -> Looks | None:
        """How the results look in the mean; `None`: there are none."""
        return _mean_looks([frame.result for frame in self.frames])

    @property
    def source(self) -> Looks | None:
        """How the source looks in the mean; `None`: there is none."""
        return _mean_looks([frame.source for frame in self.frames])

    def loss(self, name: str) -> float | None:
        """Mean of a part of the final loss over the frames that have it."""
        return _mean([frame.loss[name] for frame in self.frames if name in frame.loss])

    def to_data(self) -> dict[str, Any]:
        """The means as plain data, for `summary.json`."""
        return {
            "frames": len(self.frames),
            **self.calm_to_data(),
            **_looks_to_data(self.result, self.source),
            "style_loss": self.loss("style"),
            "content_loss": self.loss("content"),
        }

    def calm_to_data(self) -> dict[str, Any]:
        """Of the means, those that depend on the motion."""
        return {
            "warping_error": self.error(),
            "warping_error_floor": self.floor(),
            "warping_error_over_floor": self.over_floor(),
            "long_term_over_floor": {str(gap): self.over_floor(gap) for gap in GAPS[1:]},
            "seams": self.seams,
            "seam_ratio": self.seam_ratio,
            "coverage": self.coverage,
        }

    def frames_to_data(self) -> list[dict[str, Any]]:
        """Every frame as plain data."""
        return [
            {
                "frame": frame.frame,
                "seam": frame.seam,
                **_looks_to_data(frame.result, frame.source),
                "loss": dict(frame.loss),
                "back": {str(gap): vars(one) for gap, one in frame.back.items()},
            }
            for frame in self.frames
        ]

    def _pairs(self, gap: int, *, seam: bool | None = None) -> list[Comparison]:
        return [
            frame.back[gap]
            for frame in self.frames
            if gap in frame.back and seam in (None, frame.seam)
        ]


def estimated_motion(now: Shown, before: Shown) -> Motion:
    """The motion between two frames as measured in the source."""
    flow = estimate_flow(now.content, before.content)
    return Motion(flow, reliability_mask(flow, estimate_flow(before.content, now.content)))


def measure(
    frames: Iterable[Shown],
    shots: Iterable[range],
    seams: Collection[int] = (),
    motion: MotionOf = estimated_motion,
) -> Metrics:
    """Measure an output, frame by frame; only the last few frames are kept.

    Args:
        frames: those of the output in order; some may be missing.
        shots: the frames of each shot; nothing is compared across a cut.
        seams: frames whose predecessor in the shot belongs to another unit.
        motion: gives the motion between two frames.
    """
    places = {frame: (shot, n) for shot, run in enumerate(shots) for n, frame in enumerate(run)}
    recent: deque[Shown] = deque(maxlen=max(GAPS))
    measured = []
    for now in frames:
        shot, place = places[now.index]
        back, coverage = {}, None
        for before in recent:
            other, earlier = places[before.index]
            if other == shot and place - earlier in GAPS:
                found = compare(now, before, motion(now, before))
                if place - earlier == 1:
                    coverage = found.coverage
                if found.coverage >= _LEAST_COVERAGE:
                    back[place - earlier] = found
        recent.append(now)
        measured.append(
            FrameMetrics(
                now.index,
                back,
                coverage,
                now.index in seams,
                looks(now.result),
                looks(now.content),
                now.loss,
            )
        )
    return Metrics(measured)


def compare(now: Shown, before: Shown, motion: Motion) -> Comparison:
    """Compare a frame with an earlier one carried onto it."""
    return Comparison(
        warping_error(now.result, before.result, motion),
        warping_error(now.content, before.content, motion),
        float(motion.mask.mean()),
    )


def warping_error(now: Pixels, before: Pixels, motion: Motion) -> float:
    """Σ m·(now − warp(before))² / (3·Σ m), pixels being 0 to 1; 0 where nothing can be compared."""
    carried = warp(unit(before), motion.flow)
    squares = ((unit(now) - carried) ** 2).mean(2)
    return float((motion.mask * squares).sum() / max(float(motion.mask.sum()), 1e-12))


def looks(picture: Pixels) -> Looks:
    """Sharpness, brightness and contrast of a picture."""
    luma = _luma(picture)
    return Looks(sharpness(picture), float(luma.mean()), float(luma.std()))


def sharpness(picture: Pixels) -> float:
    """Gradient energy: mean squared difference of neighbours in luma, down plus across."""
    luma = _luma(picture)
    steps = (np.diff(luma, axis=0), np.diff(luma, axis=1))
    return float(sum((step**2).mean() for step in steps if step.size))


def _luma(picture: Pixels) -> FloatMap:
    return np.asarray(unit(picture) @ LUMA)


def _looks_to_data(result: Looks | None, source: Looks | None) -> dict[str, Any]:
    return {
        prefix + name: None if of is None else getattr(of, name)
        for name in ("sharpness", "brightness", "contrast")
        for prefix, of in (("", result), ("source_", source))
    }


def _mean_looks(all_of: Sequence[Looks]) -> Looks | None:
    if not all_of:
        return None
    return Looks(*(fmean(values) for values in zip(*map(astuple, all_of), strict=True)))


def _mean(values: Sequence[float]) -> float | None:
    return fmean(values) if values else None


def _ratio(value: float | None, over: float | None) -> float | None:
    return value / over if value is not None and over else None
