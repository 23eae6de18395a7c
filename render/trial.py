"""A short trial of a job's painting on this machine: how long an evaluation takes, and how much memory.

Trials run in processes of their own, as workers do: their memory can then be told from that of this
program, several can run at once, and one that the system kills for its memory takes nothing with it.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from multiprocessing.synchronize import Barrier
from pathlib import Path

import numpy as np
import torch

from render.errors import EngineError, RenderError
from render.materials import Materials
from render.media.stills import encode_png
from render.painter import Painter
from render.pixels import Pixels
from render.settle import beginning_tuned, settle
from render.spec.job import Job
from render.warm import Links, Neighbour

FEW, MORE = 2, 5
"""Evaluations of the two paintings whose difference gives the time of one evaluation."""
SHIFT = 3
"""Pixels by which the trial's content moves, so that there is motion to be found."""
PATIENCE = 120.0
"""Seconds that a trial may wait for those beside it."""


@dataclass(frozen=True)
class Trial:
    """What painting one frame of one size took.

    Attributes:
        pixels: of the frame.
        evaluation: seconds of one evaluation at full size.
        around: seconds that a frame takes beside its evaluations: motion, targets, writing.
        memory: bytes that the process held at most; on a GPU, of its memory.
        load: seconds until the process was ready to paint.
    """

    pixels: int
    evaluation: float
    around: float
    memory: int
    load: float


def try_painting(
    job: Job, materials: Materials, contents: Sequence[Pixels], at_once: int
) -> list[Trial]:
    """Paint a little in so many processes at once.

    Args:
        job: what to paint and how; its masks and alpha are left out.
        materials: its pictures.
        contents: H×W×3 each, the smallest first; every process paints them all.
        at_once: processes side by side.

    Returns:
        A trial of each of `contents`, the means over the processes.

    Raises:
        EngineError: a process died, which is most often for want of memory.
        RenderError: the job cannot be painted.
    """
    job = job.model_copy(update={"style": job.style.model_copy(update={"regions": ()})})
    materials = replace(materials, extras=replace(materials.extras, parts=()))
    context = multiprocessing.get_context("spawn")
    begun = time.time()
    given = (job, materials, context.Barrier(at_once), begun)
    executor = ProcessPoolExecutor(at_once, context, _load, given)
    with beginning_tuned(), executor as pool:
        calls = [pool.submit(_paint, list(contents)) for _ in range(at_once)]
        try:
            tries = [call.result() for call in calls]
        except BrokenProcessPool as error:
            raise EngineError(
                "a process that tried to paint died, most likely for want of memory"
            ) from error
    return [_mean(each) for each in zip(*tries, strict=True)]


_painter: Painter | RenderError
"""Or why there is none: what is raised while a process begins, its pool does not hand on."""
_loaded = 0.0


def _load(job: Job, materials: Materials, others: Barrier, begun: float) -> None:
    global _painter, _loaded  # noqa: PLW0603 - what a process of a pool keeps between its tasks
    device = settle(job.farm.cpus_per_worker, gpu=job.farm.gpus_per_worker != 0)
    try:
        _painter = Painter(job, materials.styles, device, materials.extras)
    except RenderError as error:
        _painter = error
    _loaded = time.time() - begun
    others.wait(PATIENCE)


def _paint(contents: list[Pixels]) -> list[Trial]:
    painter = _painter
    if isinstance(painter, RenderError):
        raise painter
    found = []
    for content in contents:
        _timed(painter, content, 0, 1)  # style targets, and whatever else is made but once
        few, more = (_timed(painter, content, n, steps) for n, steps in ((1, FEW), (2, MORE)))
        each = max(more - few, 0.0) / (MORE - FEW)
        pixels = content.shape[0] * content.shape[1]
        found.append(Trial(pixels, each, max(few - FEW * each, 0.0), _peak(painter), _loaded))
    return found


def _timed(painter: Painter, content: Pixels, turn: int, evaluations: int) -> float:
    """Seconds of painting a frame that follows another, which it has not seen before."""
    before = np.roll(content, SHIFT * (turn + 1), 1) ^ np.uint8(
        1
    )  # a plain frame is not to stand still
    begun = time.monotonic()
    painted = painter.paint(content, Links(Neighbour(before, before)), evaluations=evaluations)
    encode_png(painted.pixels, None)
    return time.monotonic() - begun


def _peak(painter: Painter) -> int:
    if painter.device.type == "cuda":
        return torch.cuda.max_memory_reserved(painter.device)
    status = Path("/proc/self/status")
    if status.is_file():  # of this process alone; `getrusage` begins with that of its parent
        lines = (line.split() for line in status.read_text().splitlines())
        return next(int(words[1]) for words in lines if words[0] == "VmHWM:") * 1024
    unit = 1 if os.uname().sysname == "Darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _mean(trials: Sequence[Trial]) -> Trial:
    count = len(trials)
    return Trial(
        trials[0].pixels,
        sum(each.evaluation for each in trials) / count,
        sum(each.around for each in trials) / count,
        max(each.memory for each in trials),
        max(each.load for each in trials),
    )
