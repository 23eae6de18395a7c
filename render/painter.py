"""One worker's trade, without the farm: a frame and its predecessor in, a painted frame out.

Everything that a worker does to pixels is here and depends on the arguments alone, so that a frame
comes out the same on any worker, in a test, or in a preview.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from render.assembly import Extras, Mask, build_stylizer, check_shape, mask_tensor
from render.curvature import pack_pairs, unpack_pairs
from render.errors import EngineError
from render.metrics import Comparison, Shown, compare
from render.motion.detail import Detail, seen
from render.motion.flow import estimate_flow
from render.motion.paths import Motions
from render.motion.reliability import BoolMap
from render.raft import load_raft
from render.spec.job import Job
from render.spec.stages import EFFORTS, Effort, gaps_back, stage_count, stage_evaluations
from render.style.objective import Pull
from render.style.pyramid import to_tensor
from render.warm import Links, unit, warm_start
from render.weights import find_raft

Pixels = npt.NDArray[np.uint8]
FloatPixels = npt.NDArray[np.float32]

NEW = 0.75
"""A frame of which more than this share is new takes the evaluations of an anchor."""
TRACE_POINTS = 32
"""Losses that are kept of a frame: a curve's worth, not a million frames' burden."""


@dataclass(frozen=True)
class Painted:
    """A finished frame.

    Attributes:
        pixels: H×W×3, as they are committed.
        evaluations: evaluations made.
        loss: the parts of the loss at the end, weighted, by name.
        trace: number of an evaluation and the loss there, for some of them.
        warping: comparison with the frame before along the motion, after the last stage of a frame
            that was started along it; both frames as they are committed.
        curvature: for the next stage, what this one has learnt; see `pack_pairs`.
        detail: what is known of the detail that paintings have; see `Neighbour`.
    """

    pixels: Pixels
    evaluations: int
    loss: dict[str, float]
    trace: tuple[tuple[int, float], ...] = ()
    warping: Comparison | None = None
    curvature: bytes | None = None
    detail: Detail | None = None


class DivergedError(EngineError):
    """The optimiser left the finite numbers."""


class Painter:
    """Holds one job's model and styles, and paints its frames.

    Args:
        job: what to paint and how.
        styles: the pictures of `job.style.images`, H×W×3 each.
        device: where to compute.
        extras: other pictures that the job names.

    Attributes:
        stylizer: the engine; `None` if the job repaints nothing.
        start: the picture that the job starts from, if it names one.

    Raises:
        WeightsError: the model cannot be loaded.
        EngineError: a picture that the job names is missing or does not fit.
    """

    def __init__(
        self,
        job: Job,
        styles: Sequence[Pixels],
        device: torch.device,
        extras: Extras = Extras(),  # noqa: B008 frozen
    ) -> None:
        self.job = job
        self.device = device
        self.start = extras.start
        stages = stage_count(job)
        self._last_stage = stages - 1
        self._evaluations = {effort: stage_evaluations(job, stages, effort) for effort in EFFORTS}
        raft = find_raft(job.temporal) if job.engine == "vgg" else None
        flow = estimate_flow if raft is None else load_raft(raft, device)
        self._motions = Motions(self._pairs_seen(stages), flow)
        self.stylizer = (
            None if job.engine == "passthrough" else build_stylizer(job, styles, device, extras)
        )

    def forget(self) -> None:
        """Give up the memory that is held to be faster with the next frame."""
        if self.stylizer is not None:
            self.stylizer.forget()

    def paint(
        self,
        content: Pixels,
        links: Links | None = None,
        *,
        index: int = 0,
        alpha: Mask | None = None,
        masks: Sequence[Mask] = (),
        stage: int = 0,
        below: Pixels | None = None,
        curvature: bytes | None = None,
        evaluations: int | None = None,
    ) -> Painted:
        """Paint one stage of a frame, started as `temporal.warm_start` says.

        Args:
            content: H×W×3.
            links: the frames that it is held together with, if it follows any.
            index: of the frame, which with the job's seed makes its noise.
            alpha: H×W; where it is 0 the content stays as it is.
            masks: that of each of `job.style.regions`, of the frame's shape and any size.
            stage: of the job's `stage_count`; where that is 1, the whole frame is painted.
            below: the frame after the stage before this one, for all stages but the first.
            curvature: what that stage has learnt, if it has.
            evaluations: to spend, instead of what the job says.

        Raises:
            EngineError: the frame cannot be painted.
            DivergedError: the optimiser left the finite numbers.
        """
        if self.stylizer is None:
            return Painted(content, 0, {})
        height, width = content.shape[:2]
        if self.job.temporal.warm_start == "none":
            links = None
        self._check(width, height, len(masks), stage, below, cold=links is None)
        effort: Effort = "first" if links is None else links.effort
        start, pull, still, detail = None, None, None, None
        if below is not None:
            start = to_tensor(below, self.device)
        if links is not None:
            if alpha is None and not masks:  # which may change where the content does not
                still = links.held(content)
            start, pull, detail = self._warm_start(content, links, below, still)
            if pull is not None and float((pull.mask == 0).float().mean()) > NEW:
                effort = "anchor"
        spend = evaluations or self._evaluations[effort][stage]
        if still is not None and still.all():
            spend = 1  # to know the loss; nothing will move
        found = self.stylizer.stylize(
            to_tensor(content, self.device),
            start,
            pull,
            areas=[
                mask_tensor(mask, width, height, f"style.regions.{n}.content", self.device)
                for n, mask in enumerate(masks)
            ],
            opaque=None
            if alpha is None
            else mask_tensor(alpha, width, height, "the frame's alpha", self.device),
            seeds=[frame_seed(self.job.seed, index)],
            evaluations=spend,
            pairs=None if curvature is None else unpack_pairs(curvature),
        )
        loss = {name: float(value) for name, value in found.terms.items()}
        if not np.isfinite(sum(loss.values())):
            raise DivergedError(f"the loss is not finite: {loss}")
        if not bool(torch.isfinite(found.pixels).all()):
            raise DivergedError("the picture holds numbers that are not finite")
        pixels = (found.pixels[0] * 255).round().byte().permute(1, 2, 0).cpu().numpy()
        if links is not None and still is not None:
            pixels = np.where(still, links.previous.result, pixels)  # also where colours are kept
        pixels = np.ascontiguousarray(pixels)
        warping = None
        if links is not None and pull is not None and stage == self._last_stage:
            before = links.previous
            motion = self._motions.along((content, *before.between, before.content))
            shown = Shown(-1, before.content, before.result, {})
            warping = compare(Shown(index, content, pixels, loss), shown, motion)
        learnt = None
        if found.pairs is not None and stage != self._last_stage:
            learnt = pack_pairs(found.pairs)
        detail = detail or seen(unit(content), unit(pixels))
        trace = sampled(found.trace[:, 0])
        return Painted(pixels, found.evaluations, loss, trace, warping, learnt, detail)

    def _check(
        self, width: int, height: int, masks: int, stage: int, below: Pixels | None, *, cold: bool
    ) -> None:
        """Refuse what does not belong to a frame of `width` × `height`."""
        if masks != len(self.job.style.regions):
            raise EngineError(
                f"style.regions: {masks} masks for {len(self.job.style.regions)} regions"
            )
        if (below is None) != (stage == 0):
            raise EngineError(
                f"stage {stage} begins where the one before it ends, which is missing"
            )
        if cold and below is None and self.start is not None:
            given = self.start.shape
            check_shape(given[1], given[0], width, height, "optimize.start")

    def _warm_start(
        self, content: Pixels, links: Links, below: Pixels | None, still: BoolMap | None
    ) -> tuple[Tensor, Pull | None, Detail | None]:
        """What a frame that follows others starts from and is pulled towards; see `WarmStart`."""
        result = links.previous.result
        temporal = self.job.temporal
        if temporal.warm_start == "previous" or temporal.flow == "none":
            return to_tensor(result if below is None else below, self.device), None, None
        found = warm_start(content, links, below, self._motions)
        start, fixed = found.start, None
        if still is not None and still.any():
            start = np.where(still, unit(result), start)
            fixed = self._tensor(still)
        pull = Pull(self._tensor(found.target), self._tensor(found.weight), fixed)
        return self._tensor(start), pull, found.detail

    def _pairs_seen(self, stages: int) -> int:
        """Pairs of frames whose motion is looked at again: by other stages, or on the next frame."""
        temporal = self.job.temporal
        bridge = temporal.bridge if temporal.parallel == "anchors" else 0
        return (stages + 1) * (1 + len(gaps_back(self.job))) + bridge

    def _tensor(self, picture: FloatPixels | BoolMap) -> Tensor:
        return (
            torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None].to(self.device)
        )


def sampled(trace: Tensor) -> tuple[tuple[int, float], ...]:
    """Evaluation, from 1, and loss at `TRACE_POINTS` places, the last among them."""
    steps = sorted({*range(0, len(trace), -(-len(trace) // TRACE_POINTS)), len(trace) - 1})
    return tuple((step + 1, float(f"{float(trace[step]):.5g}")) for step in steps)


def frame_seed(seed: int, index: int) -> int:
    """The seed of a frame's random numbers: of the job's seed and the frame's index alone."""
    return int(np.random.SeedSequence((seed, index)).generate_state(1, np.uint64)[0])
