"""One worker's trade, without the farm: a frame and its predecessor in, a painted frame out.

Everything that a worker does to pixels is here and depends on the arguments alone, so that a frame
comes out the same on any worker, in a test, or in a preview.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from render.assembly import Extras, Mask, build_stylizer, check_shape, mask_tensor
from render.curvature import pack_pairs, unpack_pairs
from render.errors import EngineError
from render.metrics import Shown, compare
from render.motion.detail import Detail, anew, known, seen
from render.motion.flow import estimate_flow
from render.motion.paths import Motions
from render.painted import Below, Painted, committed
from render.pixels import BoolMap, FloatMap, Pixels, unit
from render.raft import load_raft
from render.spec.job import Job
from render.spec.stages import (
    AHEAD,
    EFFORTS,
    Effort,
    gaps_back,
    is_carried,
    probe_evaluations,
    stage_count,
    stage_evaluations,
)
from render.style.objective import Pull
from render.style.pyramid import to_tensor
from render.style.stylizer import Stylized
from render.warm import Links, WarmStart, warm_start
from render.weights import find_raft

NEW = 0.75
"""A frame of which more than this share is new takes the evaluations of an anchor."""


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
        self._probe_evaluations = probe_evaluations(job)
        self._carries = is_carried(job.temporal)
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
        below: Below | None = None,
        probe: bool = False,
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
            probe: whether to paint it by itself too, to see what detail it has then.
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
        scene = self._scene(content, index, alpha, masks)
        effort: Effort = "first" if links is None else links.effort
        start, pull, still, carried = None, None, None, None
        line, detail, foretold, probed = None, None, False, 0
        if below is not None:
            start, line = to_tensor(below.pixels, self.device), below.detail
        if links is not None and alpha is None and not masks:  # which may change by themselves
            still = links.held(content)
        unchanged = still is not None and bool(still.all())
        last = stage == self._last_stage
        if links is not None and unchanged and not last:  # nothing else can come of it
            return Painted(links.previous.result, 0, {}, detail=links.previous.detail)
        if probe and self._probe_evaluations and not unchanged:
            line, probed = self._probe(content, scene)
        if links is not None:
            detail = known(links.previous.detail, line)
            start, pull, carried = self._warm_start(content, links, below, still, detail)
            if carried is not None:
                foretold = carried.known
                effort = "anchor" if carried.new > NEW else effort
        # Where nothing will move, one to know the loss.
        spend = 1 if unchanged else evaluations or self._evaluations[effort][stage]
        curvature = None if below is None else below.curvature
        found = scene(
            start,
            pull,
            evaluations=spend,
            pairs=None if curvature is None else unpack_pairs(curvature),
        )
        [done] = committed(found)
        pixels = done.pixels
        if links is not None and still is not None:
            # Also where colours are kept.
            pixels = np.ascontiguousarray(np.where(still, links.previous.result, pixels))
        warping = None
        if links is not None and carried is not None and last:
            before = Shown(-1, links.previous.content, links.previous.result, {})
            warping = compare(Shown(index, content, pixels, {}), before, carried.motion)
        learnt = None
        if found.pairs is not None and not last:
            learnt = pack_pairs(found.pairs)
        if not foretold:
            detail = anew(unit(content), unit(pixels), line) if self._carries else None
        spent = probed + found.evaluations
        return replace(
            done, pixels=pixels, evaluations=spent, warping=warping, curvature=learnt, detail=detail
        )

    def _scene(
        self, content: Pixels, index: int, alpha: Mask | None, masks: Sequence[Mask]
    ) -> Callable[..., Stylized]:
        """The engine, told all of a frame but what it starts from and how long it is painted."""
        assert self.stylizer is not None
        height, width = content.shape[:2]
        return partial(
            self.stylizer.stylize,
            to_tensor(content, self.device),
            areas=[
                mask_tensor(mask, width, height, f"style.regions.{n}.content", self.device)
                for n, mask in enumerate(masks)
            ],
            opaque=None
            if alpha is None
            else mask_tensor(alpha, width, height, "the frame's alpha", self.device),
            seeds=[frame_seed(self.job.seed, index)],
        )

    def _probe(self, content: Pixels, scene: Callable[..., Stylized]) -> tuple[Detail, int]:
        """What detail a painting of a frame has by itself, and the evaluations that this took."""
        [done] = committed(scene(evaluations=self._probe_evaluations))
        return seen(unit(content), unit(done.pixels)), done.evaluations

    def _check(
        self, width: int, height: int, masks: int, stage: int, below: Below | None, *, cold: bool
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
        self,
        content: Pixels,
        links: Links,
        below: Below | None,
        still: BoolMap | None,
        detail: Detail | None,
    ) -> tuple[Tensor, Pull | None, WarmStart | None]:
        """What a frame that follows others starts from and is pulled towards; see `WarmStart`."""
        result = links.previous.result
        pixels = None if below is None else below.pixels
        if not self._carries:
            return to_tensor(result if pixels is None else pixels, self.device), None, None
        found = warm_start(content, links, pixels, self._motions, detail)
        start, fixed = found.start, None
        if still is not None and still.any():
            start = np.where(still, unit(result), start)
            fixed = self._tensor(still)
        pull = Pull(self._tensor(found.target), self._tensor(found.weight), fixed)
        return self._tensor(start), pull, found

    def _pairs_seen(self, stages: int) -> int:
        """Pairs of frames whose motion is looked at again: by other stages, or on the next frame."""
        temporal = self.job.temporal
        bridge = temporal.bridge if temporal.parallel == "anchors" else 0
        apart = max(stages, AHEAD) if stages > 1 else 1
        return (apart + 1) * (1 + len(gaps_back(self.job))) + bridge

    def _tensor(self, picture: FloatMap | BoolMap) -> Tensor:
        return (
            torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None].to(self.device)
        )


def frame_seed(seed: int, index: int) -> int:
    """The seed of a frame's random numbers: of the job's seed and the frame's index alone."""
    return int(np.random.SeedSequence((seed, index)).generate_state(1, np.uint64)[0])
