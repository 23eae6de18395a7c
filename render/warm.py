"""Where a frame that follows others starts, and what it is pulled towards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from render.motion.carry import Carried, carry, led, nearest_first
from render.motion.detail import Detail
from render.motion.paths import Motion, Motions
from render.motion.reliability import relit, unlike
from render.motion.still import standing_still
from render.motion.warp import warp
from render.pixels import BoolMap, FloatMap, Pixels, unit
from render.spec.stages import Effort

HELD = 0.5
"""Trust in the flow from which on a frame starts from what is carried along it. With less it is only
pulled there, lightly: a start that came along with something else is not painted over in time."""
BLEND = 0.75
"""Share of the same stage of the frame before in what a later stage starts from."""
LED_PULL = 34.0
"""Times the pull towards the previous frame, that of a frame that is led all the way; of one that is led
a part of it, as much less, and only where the anchor shows what the frame shows. Painting would undo
most of every step otherwise, and all that is left over would come in the last one: on 24 frames with
much motion 2.2 floors with 4 throughout, 1.1 with this."""

STRANGE = 10.0
"""Mean square of how far a content's colours are from the mean of those before, over their spread, above
which these say nothing of it. Of neighbours in real clips it is 0.8 to 1.1, of frames 28 apart up to 4;
out of black it is 16, after a flash 198."""


@dataclass(frozen=True)
class Neighbour:
    """A frame of the same shot that is painted already, along with the way to it.

    Attributes:
        content: H×W×3.
        result: its committed picture after the same stage, H×W×3.
        between: contents of the frames between, from the one that is being painted to this one.
        steps: frames from the one that is being painted to this one.
        detail: what its chain knows of the detail that paintings have; `None`: nothing.
    """

    content: Pixels
    result: Pixels
    between: tuple[Pixels, ...] = ()
    steps: int = 1
    detail: Detail | None = None


@dataclass(frozen=True)
class Bridge:
    """A later frame that the ones before it are led to.

    Attributes:
        anchor: that frame.
        share: of the way from what a frame would be without it, from 0 to 1.
    """

    anchor: Neighbour
    share: float


@dataclass(frozen=True)
class Links:
    """What holds a frame together with others.

    Attributes:
        previous: the frame before, or of those before the nearest that there is.
        earlier: frames further back, the nearest first, for places that no nearer one shows.
        bridge: the frame that this one is led to.
    """

    previous: Neighbour
    earlier: Sequence[Neighbour] = ()
    bridge: Bridge | None = None

    @property
    def effort(self) -> Effort:
        """What the frame is to the others."""
        return "anchor" if self.previous.between else "later"

    def held(self, content: Pixels) -> BoolMap:
        """Where (H×W×1) a frame keeps the pixels of the one before: there its content stands still.

        Painting on would let them drift. If the frame is led to another, it must stand still until
        then, and the other must have the same pixels.
        """
        still = standing_still(content, self.previous.content)
        if self.bridge is not None:
            anchor = self.bridge.anchor
            still &= standing_still(content, anchor.content)
            still &= np.all(self.previous.result == anchor.result, axis=2)
        return still[..., None]


@dataclass(frozen=True)
class WarmStart:
    """What a frame begins with.

    Attributes:
        start: H×W×3, 0 to 1.
        target: what it is pulled towards, likewise.
        weight: of the pull, H×W×1; 1 is that towards a previous frame that is fully trusted.
        motion: to the previous frame, as measured.
        new: share of the picture where too little is trusted to start from, 0 to 1.
        known: whether enough is known of the detail of paintings of such content.
    """

    start: FloatMap
    target: FloatMap
    weight: FloatMap
    motion: Motion
    new: float
    known: bool


def warm_start(
    content: Pixels, links: Links, below: Pixels | None, motions: Motions, detail: Detail | None
) -> WarmStart:
    """Carry the frames that one is linked to along the motion, and put them together.

    Args:
        content: of the frame, H×W×3.
        links: the others.
        below: the frame after the stage before; `None`: this is the first.
        motions: measures the motion.
        detail: what is known of that of paintings of such content.
    """
    wanted = None if detail is None else detail.expected(unit(content))

    def way(known: Neighbour) -> tuple[Pixels, ...]:
        return (content, *known.between, known.content)

    def carried(known: Neighbour, motion: Motion) -> Carried:
        now, before = unit(content), warp(unit(known.content), motion.flow)
        mask = np.where(unlike(now, before), np.float32(0), motion.mask)
        if relit(now, before, mask, known.steps):
            mask[:] = 0
        return carry(unit(known.result), Motion(motion.flow, mask), wanted)

    motion = motions.along(way(links.previous))
    earlier = [carried(known, motions.along(way(known))) for known in links.earlier]
    aim = nearest_first([carried(links.previous, motion), *earlier])
    pull = aim.mask
    if links.bridge is not None:
        # What is not led until the last frame jumps there, and one frame's motion boundaries are not the
        # other's: on a hand-held clip 2% of the pixels made 58% of a seam.
        anchor = carried(links.bridge.anchor, motions.towards(way(links.bridge.anchor)))
        aim = led(aim, anchor, links.bridge.share)
        pull = np.maximum(aim.mask, np.float32(LED_PULL * links.bridge.share) * anchor.mask)
    mask = aim.mask[..., None]
    if below is None:
        start = np.where(mask > HELD, aim.picture, recolour(content, links.previous))
    else:
        base = unit(below)
        start = base + np.float32(BLEND) * mask * (aim.picture - base)
    new = float((mask <= HELD).mean())
    return WarmStart(start, aim.picture, pull[..., None], motion, new, wanted is not None)


def recolour(content: Pixels, previous: Neighbour) -> FloatMap:
    """`content` in the colours of the previous result: what uncovered areas start from.

    The affine map of colours that best takes the previous content to the previous result, in the
    sense of least squares, takes this content near to where the optimiser will end: raw content
    would keep its own colours for many evaluations, and a warp would smear what is not there.

    Where this content has colours that the previous one has not, as after a flash, such a map says
    nothing of them and leads far out of all colours. Then mean and spread of each colour are taken to
    those of the previous result.

    Returns:
        H×W×3, float32, 0 to 1.
    """
    now, before, after = (
        picture.reshape(-1, 3).astype(np.float64) / 255
        for picture in (content, previous.content, previous.result)
    )
    mean_before, mean_after = before.mean(0), after.mean(0)
    before -= mean_before
    spread = before.T @ before / len(before) + 1e-4 * np.eye(3)
    away = now - mean_before
    if (away @ np.linalg.inv(spread) * away).sum(1).mean() > STRANGE * away.shape[1]:
        moved = (now - now.mean(0)) * (after.std(0) / (now.std(0) + 1e-2)) + mean_after
    else:
        moved = away @ np.linalg.solve(spread, before.T @ (after - mean_after) / len(before))
        moved += mean_after
    return np.asarray(moved.clip(0, 1).reshape(content.shape), dtype=np.float32)
