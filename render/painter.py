"""One worker's trade, without the farm: a frame and its predecessor in, a painted frame out.

Everything that a worker does to pixels is here and depends on the arguments alone, so that a frame
comes out the same on any worker, in a test, or in a preview.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from render.assembly import Extras, Mask, build_stylizer, check_shape, mask_tensor
from render.errors import EngineError
from render.metrics import Comparison, Motion, Shown, compare
from render.motion.detail import detail, keep_detail
from render.motion.flow import FloatMap, estimate_flow
from render.motion.reliability import BoolMap, reliability_mask
from render.motion.still import standing_still
from render.motion.warp import warp
from render.spec.job import Job
from render.spec.stages import stage_count, stage_evaluations
from render.style.objective import Pull
from render.style.pyramid import to_tensor

Pixels = npt.NDArray[np.uint8]
FloatPixels = npt.NDArray[np.float32]

TRACE_POINTS = 32
"""Losses that are kept of a frame: a curve's worth, not a million frames' burden."""


BLEND = 0.5
"""Share of the same stage of the frame before in what a later stage starts from."""


@dataclass(frozen=True)
class Previous:
    """The frame before.

    Attributes:
        content: H×W×3.
        result: its committed picture after the same stage, H×W×3.
        level: detail that its chain began with and is to keep, as `picture_level` gives it for the
            first frame after the same stage; `None`: that of `result`.
    """

    content: Pixels
    result: Pixels
    level: float | None = None


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
    """

    pixels: Pixels
    evaluations: int
    loss: dict[str, float]
    trace: tuple[tuple[int, float], ...] = ()
    warping: Comparison | None = None


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
        self._evaluations = {
            cold: stage_evaluations(job, stages, cold=cold) for cold in (False, True)
        }
        self._motions: OrderedDict[bytes, tuple[FloatMap, FloatMap]] = OrderedDict()
        self._motions_kept = stages + 1
        self.stylizer = (
            None if job.engine == "passthrough" else build_stylizer(job, styles, device, extras)
        )

    def paint(
        self,
        content: Pixels,
        previous: Previous | None = None,
        *,
        index: int = 0,
        alpha: Mask | None = None,
        masks: Sequence[Mask] = (),
        stage: int = 0,
        below: Pixels | None = None,
        evaluations: int | None = None,
    ) -> Painted:
        """Paint one stage of a frame, started as `temporal.warm_start` says.

        Args:
            content: H×W×3.
            previous: the frame before, if this one follows it.
            index: of the frame, which with the job's seed makes its noise.
            alpha: H×W; where it is 0 the content stays as it is.
            masks: that of each of `job.style.regions`, of the frame's shape and any size.
            stage: of the job's `stage_count`; where that is 1, the whole frame is painted.
            below: the frame after the stage before this one, for all stages but the first.
            evaluations: to spend, instead of what the job says.

        Raises:
            EngineError: the frame cannot be painted.
            DivergedError: the optimiser left the finite numbers.
        """
        if self.stylizer is None:
            return Painted(content, 0, {})
        if len(masks) != len(self.job.style.regions):
            raise EngineError(
                f"style.regions: {len(masks)} masks for {len(self.job.style.regions)} regions"
            )
        height, width = content.shape[:2]
        start, pull, still = None, None, None
        temporal = self.job.temporal
        cold = previous is None or temporal.warm_start == "none"
        if (below is None) != (stage == 0):
            raise EngineError(
                f"stage {stage} begins where the one before it ends, which is missing"
            )
        if previous is not None and not cold:
            if alpha is None and not masks:  # which may change where the content does not
                still = standing_still(content, previous.content)[..., None]
            start, pull = self._warm_start(content, previous, below, still)
        elif below is not None:
            start = to_tensor(below, self.device)
        elif self.start is not None:
            given = self.start.shape
            check_shape(given[1], given[0], width, height, "optimize.start")
        evaluations = evaluations or self._evaluations[cold][stage]
        if still is not None and still.all():
            evaluations = 1  # to know the loss; nothing will move
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
            evaluations=evaluations,
        )
        loss = {name: float(value) for name, value in found.terms.items()}
        if not np.isfinite(sum(loss.values())):
            raise DivergedError(f"the loss is not finite: {loss}")
        if not bool(torch.isfinite(found.pixels).all()):
            raise DivergedError("the picture holds numbers that are not finite")
        pixels = (found.pixels[0] * 255).round().byte().permute(1, 2, 0).cpu().numpy()
        if previous is not None and still is not None:
            pixels = np.where(still, previous.result, pixels)  # also where colours are kept
        pixels = np.ascontiguousarray(pixels)
        warping = None
        if previous is not None and pull is not None and stage == self._last_stage:
            motion = Motion(*self._motion(content, previous.content))
            before = Shown(-1, previous.content, previous.result, {})
            warping = compare(Shown(index, content, pixels, loss), before, motion)
        return Painted(pixels, found.evaluations, loss, sampled(found.trace[:, 0]), warping)

    def _warm_start(
        self, content: Pixels, previous: Previous, below: Pixels | None, still: BoolMap | None
    ) -> tuple[Tensor, Pull | None]:
        """What a frame that follows another starts from, and what it is pulled towards.

        Where the content stands `still` (H×W×1), the result is held: painting on would let it drift.
        """
        temporal = self.job.temporal
        if temporal.warm_start == "previous" or temporal.flow == "none":
            return to_tensor(previous.result if below is None else below, self.device), None
        backward, mask = self._motion(content, previous.content)
        result = _unit(previous.result)
        warped = keep_detail(warp(result, backward), result, backward, mask, previous.level)
        if below is None:
            start = np.where(mask[..., None] > 0, warped, recolour(content, previous))
        else:
            base = _unit(below)
            start = base + np.float32(BLEND) * mask[..., None] * (warped - base)
        fixed = None
        if still is not None and still.any():
            start = np.where(still, result, start)
            fixed = self._tensor(still)
        pull = Pull(self._tensor(warped), self._tensor(mask[..., None]), fixed)
        return self._tensor(start), pull

    def _motion(self, content: Pixels, before: Pixels) -> tuple[FloatMap, FloatMap]:
        """Flow from a frame to the one before and its mask; the stages of a frame share them."""
        digest = hashlib.sha256(content.tobytes())
        digest.update(before.tobytes())
        key = digest.digest()
        found = self._motions.get(key)
        if found is None:
            backward = estimate_flow(content, before)
            found = backward, reliability_mask(backward, estimate_flow(before, content))
            self._motions[key] = found
            if len(self._motions) > self._motions_kept:
                self._motions.popitem(last=False)
        return found

    def _tensor(self, picture: FloatPixels | BoolMap) -> Tensor:
        return (
            torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None].to(self.device)
        )


def sampled(trace: Tensor) -> tuple[tuple[int, float], ...]:
    """Evaluation, from 1, and loss at `TRACE_POINTS` places, the last among them."""
    steps = sorted({*range(0, len(trace), -(-len(trace) // TRACE_POINTS)), len(trace) - 1})
    return tuple((step + 1, float(f"{float(trace[step]):.5g}")) for step in steps)


def picture_level(picture: Pixels) -> float:
    """The detail of an H×W×3 picture, see `Previous.level`."""
    return detail(_unit(picture))


def _unit(picture: Pixels) -> FloatPixels:
    return picture.astype(np.float32) / np.float32(255)


def frame_seed(seed: int, index: int) -> int:
    """The seed of a frame's random numbers: of the job's seed and the frame's index alone."""
    return int(np.random.SeedSequence((seed, index)).generate_state(1, np.uint64)[0])


def recolour(content: Pixels, previous: Previous) -> FloatPixels:
    """`content` in the colours of the previous result: what uncovered areas start from.

    The affine map of colours that best takes the previous content to the previous result, in the
    sense of least squares, takes this content near to where the optimiser will end: raw content
    would keep its own colours for many evaluations, and a warp would smear what is not there.

    Returns:
        H×W×3, float32, 0 to 1.
    """
    before = previous.content.reshape(-1, 3).astype(np.float64) / 255
    after = previous.result.reshape(-1, 3).astype(np.float64) / 255
    mean_before, mean_after = before.mean(0), after.mean(0)
    before -= mean_before
    spread = before.T @ before / len(before) + 1e-4 * np.eye(3)
    matrix = np.linalg.solve(spread, before.T @ (after - mean_after) / len(before))
    moved = (content.astype(np.float64) / 255 - mean_before) @ matrix + mean_after
    return np.asarray(moved.clip(0, 1), dtype=np.float32)
