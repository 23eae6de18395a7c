"""The sample clip: its frames and the exact optical flow between any two frames of a shot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np
import numpy.typing as npt

from render.sample.layers import Affine, Layer, draw, follow, owners, scale, shift
from render.sample.noise import Picture
from render.sample.scenes import ASPECT, lake, tulips

_ROUNDING = 1e-6


@dataclass(frozen=True)
class SampleClip:
    """Two shots with one hard cut; everything in it moves in a way that is known exactly.

    The first shot pans over a lake with two boats that pass each other, the second closes in on a
    windmill whose sails turn before a balloon. The same settings give the same pixels.

    Attributes:
        width: columns of a frame, at least 32.
        height: rows of a frame, at least 32. Other shapes than 16:9 crop the scene.
        frames: number of frames, at least 4; more frames make the same movement slower.
        rate: frames a second.
        seed: seed of the scenery.

    Raises:
        ValueError: a size or number of frames below those above.
    """

    width: int = 320
    height: int = 180
    frames: int = 28
    rate: Fraction = Fraction(24)
    seed: int = 8

    def __post_init__(self) -> None:
        if min(self.width, self.height) < 32 or self.frames < 4:
            raise ValueError(
                f"sample clip of {self.width}×{self.height} pixels and {self.frames} frames asked "
                "for; the least is 32×32 and 4"
            )

    @property
    def shots(self) -> tuple[range, ...]:
        """The frames of each shot."""
        cut = self.frames // 2
        return range(cut), range(cut, self.frames)

    def frame(self, t: int) -> Picture:
        """Frame `t`: H×W×3, 8-bit RGB."""
        layers, phase = self._moment(t)
        return draw(layers, self._view, self.width, self.height, phase)

    def flow(self, t: int, to: int) -> npt.NDArray[np.float32]:
        """The exact optical flow from frame `t` to frame `to` of the same shot.

        Returns:
            H×W×2, (dx, dy) in pixels: what is seen at (x, y) in frame `t` is, or would be if
            nothing covered it, at (x + dx, y + dy) in frame `to`.

        Raises:
            IndexError: no such frame.
            ValueError: the frames belong to different shots.
        """
        here, there, _ = self._trace(t, to)
        return np.asarray(there - here, np.float32)

    def visible(self, t: int, to: int) -> npt.NDArray[np.bool_]:
        """H×W: whether what is seen at a pixel of frame `t` is seen in frame `to` too.

        It is not where another thing covers it there, or where it has left the frame.

        Raises:
            IndexError: no such frame.
            ValueError: the frames belong to different shots.
        """
        _, there, seen = self._trace(t, to)
        layers, phase = self._moment(to)
        centre = np.array([self.width / 2, self.height / 2])
        # Between the outermost pixel centres, where bilinear sampling has all its neighbours.
        inside = np.all(np.abs(there - centre) < centre - 0.5 + _ROUNDING, axis=-1)
        return np.asarray(inside & (owners(layers, self._view, phase, there) == seen), np.bool_)

    @cached_property
    def _scenes(self) -> tuple[Sequence[Layer], ...]:
        density = self._view[0, 0]
        return lake(density, self.seed), tulips(density, self.seed)

    @property
    def _view(self) -> Affine:
        """Map from the view (1 high, `ASPECT` wide) to pixels, filling the frame."""
        factor = max(self.width / ASPECT, float(self.height))
        return shift(self.width / 2, self.height / 2) @ scale(factor) @ shift(-ASPECT / 2, -0.5)

    def _shot(self, t: int) -> int:
        for index, shot in enumerate(self.shots):
            if t in shot:
                return index
        raise IndexError(f"frame {t} asked for, but the frames are 0-{self.frames - 1}")

    def _moment(self, t: int) -> tuple[Sequence[Layer], float]:
        """The layers of the shot of frame `t`, and the phase of `t` in it."""
        index = self._shot(t)
        shot = self.shots[index]
        return self._scenes[index], (t - shot.start) / (len(shot) - 1)

    def _trace(
        self, t: int, to: int
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.int64]]:
        """Pixel centres of `t`, where their surface points are in `to`, and their layers."""
        if self._shot(t) != self._shot(to):
            raise ValueError(f"frames {t} and {to} belong to different shots: no flow joins them")
        layers, phase = self._moment(t)
        _, goal = self._moment(to)
        x, y = np.meshgrid(np.arange(self.width) + 0.5, np.arange(self.height) + 0.5)
        here = np.stack([x, y], axis=-1)
        seen = owners(layers, self._view, phase, here)
        return here, follow(layers, self._view, (phase, goal), here, seen), seen
