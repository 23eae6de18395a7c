"""What a job will take: time and memory by the number of workers, from a trial on this machine."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np
import torch
from PIL import Image

from render.assembly import scales_of, smallest_side_of
from render.errors import SourceError
from render.farm.cluster import places_on
from render.machine import free_memory
from render.materials import read_materials
from render.media.frames import going_on
from render.media.images import ImageSource
from render.media.source import MovingSource
from render.pixels import Pixels
from render.plan import Plan
from render.schedule import CREWS, Part, makespans
from render.spec.job import Job
from render.spec.stages import EFFORTS, probe_evaluations, stage_count, stage_evaluations
from render.trial import Trial, try_painting

LARGEST = 512
"""Long side up to which a frame is tried at its own size; what a larger one takes is worked out."""
MOST_AT_ONCE = 16
"""Processes that are tried side by side."""
MOST_SIZES = 32
"""Pictures of a folder whose sizes are looked at."""
RAY_START = 3.0
"""Seconds that Ray takes to start, before a worker does."""


@dataclass(frozen=True)
class Ahead:
    """One part of an estimate: a job, its plan, and the size of its frames.

    Attributes:
        job: what is to be painted.
        plan: its frames.
        width: of a frame; of pictures of several sizes, of one of the mean number of pixels.
        height: likewise.
        largest: pixels of the largest frame.
        content: one of the frames, H×W×3.
    """

    job: Job
    plan: Plan
    width: int
    height: int
    largest: int
    content: Pixels


@dataclass(frozen=True)
class Estimate:
    """What to expect.

    Attributes:
        seconds: from the command to the last frame, by the number of workers.
        first: seconds of work on a frame that follows no other.
        later: seconds of work on one that does; 0 if none does.
        memory: bytes that one worker takes.
        room: bytes that there are here, of the GPU if there is one.
        here: workers that this machine would have; times for more assume machines like this one.
        warnings: what will not fit, and what to do.
    """

    seconds: dict[int, float]
    first: float
    later: float
    memory: int
    room: int
    here: int
    warnings: tuple[str, ...]

    def to_data(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "seconds": {str(crew): round(time, 1) for crew, time in self.seconds.items()},
            "seconds_first_frame": round(self.first, 3),
            "seconds_later_frame": round(self.later, 3),
            "memory_per_worker": self.memory,
            "memory_here": self.room,
            "workers_here": self.here,
            "warnings": list(self.warnings),
        }


def look_ahead(job: Job, plan: Plan, source: ImageSource | MovingSource) -> Ahead:
    """Read what an estimate needs of a source: sizes, and its first frame.

    Frames that cannot be read are passed over: a run sets them aside.

    Raises:
        SourceError: none can be read.
    """
    frames = source.frames
    first = next((one for one in going_on(source.read, frames) if one is not None), None)
    if first is None:
        raise SourceError(f"{job.input.path}: none of its frames can be read")
    content = first.pixels
    chosen = frames[:: max(1, len(frames) // MOST_SIZES)] if plan.rate is None else frames[:0]
    sizes = [source.size(first.index)]
    for frame in chosen:
        with suppress(SourceError):
            sizes.append(source.size(frame))
    mean = fmean(width * height for width, height in sizes)
    height, width = content.shape[:2]
    factor = (mean / (width * height)) ** 0.5
    return Ahead(
        job,
        plan,
        max(1, round(width * factor)),
        max(1, round(height * factor)),
        max(width * height for width, height in sizes),
        content,
    )


def estimate(parts: Sequence[Ahead]) -> Estimate:
    """Try a little painting, and work out what all of it takes.

    Args:
        parts: the job; of a study, its cells, of which the first is tried.

    Raises:
        RenderError: the job cannot be painted here.
    """
    one = parts[0]
    farm = one.job.farm
    gpu = farm.gpus_per_worker != 0 and torch.cuda.is_available()
    units = sum(unit.stages for part in parts for unit in part.plan.units)
    has = {"CPU": float(os.cpu_count() or 1), "GPU": float(torch.cuda.device_count())}
    gpus_each = 1.0 if farm.gpus_per_worker == "auto" else farm.gpus_per_worker
    cores = max(1, places_on(has, farm.cpus_per_worker, 0.0))
    here = max(1, places_on(has, farm.cpus_per_worker, gpus_each)) if gpu else cores
    here = min(here if farm.workers == "auto" else farm.workers, units)
    materials = read_materials(one.job)
    contents = _contents(one.content, smallest_side_of(one.job))
    alone = Line(try_painting(one.job, materials, contents, 1))
    # On one processor workers wait for each other's memory; GPUs do not.
    beside = 1 if gpu else min(here, cores, MOST_AT_ONCE)
    together = Line(try_painting(one.job, materials, contents, beside)) if beside > 1 else alone
    if together.evaluation(one.largest) < alone.evaluation(one.largest):
        alone = together  # nobody is slower alone: others were using this machine
    memory = int(max(alone.memory(part.largest) for part in parts))
    sharing = min(here, max(1, int(1.0001 / gpus_each))) if gpu else here
    room = torch.cuda.get_device_properties(0).total_memory if gpu else free_memory()
    costs = [[_costs(line, part) for part in parts] for line in (alone, together)]
    crews = sorted({*CREWS, here})
    lows, highs = (makespans(each, crews) for each in costs)
    seconds = {}
    for crew in crews:
        share = 0.0 if beside == 1 else min(1.0, (crew - 1) / (beside - 1))
        line = together if share else alone
        work = lows[crew] + share * (highs[crew] - lows[crew])
        seconds[crew] = RAY_START + line.load + work
    first = costs[0][0]
    return Estimate(
        seconds,
        sum(first.efforts["first"]),
        sum(first.efforts["later"]) if any(unit.chained for unit in one.plan.units) else 0.0,
        memory,
        room,
        here,
        tuple(_warnings(one, alone, memory, room, sharing, gpu=gpu)),
    )


class Line:
    """Trials of two sizes, and what follows from them for any size: all grow with the pixels.

    Args:
        trials: of one or two sizes, the smaller first.
    """

    def __init__(self, trials: Sequence[Trial]) -> None:
        self.load = trials[0].load
        self._trials = trials

    def evaluation(self, pixels: float) -> float:
        """Seconds of an evaluation of a frame of so many pixels."""
        return self._at(pixels, *(trial.evaluation for trial in self._trials))

    def around(self, pixels: float) -> float:
        """Seconds of all else."""
        return self._at(pixels, *(trial.around for trial in self._trials))

    def memory(self, pixels: float) -> float:
        """Bytes of a process."""
        return self._at(pixels, *(float(trial.memory) for trial in self._trials))

    def most_pixels(self, room: float) -> float:
        """Pixels of the largest frame for which so many bytes suffice."""
        low, high = self.memory(0), self.memory(1e6)
        return (room - low) / (high - low) * 1e6 if high > low else float("inf")

    def _at(self, pixels: float, *values: float) -> float:
        if len(values) == 1:
            return values[0]
        small, large = self._trials[0].pixels, self._trials[1].pixels
        slope = max(0.0, (values[1] - values[0]) / (large - small))
        return max(values[1] - slope * (large - pixels), 0.0)


def _contents(content: Pixels, least: int) -> list[Pixels]:
    """The frame, or as large as is tried quickly, and at half that, with sides of `least` or more."""
    height, width = content.shape[:2]
    side = max(min(LARGEST, max(width, height)), max(width, height) * least / min(width, height))
    image = Image.fromarray(content)
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    if min(image.size) < 2 * least:
        return [np.asarray(image)]
    half = image.resize((image.width // 2, image.height // 2))
    return [np.asarray(half), np.asarray(image)]


def _costs(line: Line, ahead: Ahead) -> Part:
    """Seconds of each stage."""
    job, pixels = ahead.job, ahead.width * ahead.height
    stages = stage_count(job)
    around = line.around(pixels)
    if job.engine == "passthrough":
        return Part(ahead.plan, dict.fromkeys(EFFORTS, (around,) * stages))
    budgets = {effort: stage_evaluations(job, stages, effort) for effort in EFFORTS}
    costs = {
        effort: [around + n * line.evaluation(pixels) for n in budget]
        for effort, budget in budgets.items()
    }

    def alone(evaluations: int) -> float:
        scales = scales_of(job, ahead.width, ahead.height, evaluations)
        return sum(share * line.evaluation(width * height) for (width, height), share in scales)

    costs["first"][0] = around + alone(budgets["first"][0])
    probe = probe_evaluations(job)
    return Part(ahead.plan, costs, alone(probe) if probe else 0.0)


def _warnings(
    ahead: Ahead, line: Line, memory: int, room: int, workers: int, *, gpu: bool
) -> list[str]:
    where = "the GPU" if gpu else "this machine"
    if memory > room:
        shape = ahead.width * ahead.height / max(ahead.width, ahead.height) ** 2
        side = int((max(line.most_pixels(0.9 * room), 0) / shape) ** 0.5)
        what = f"set output.size to {side} or less" if side >= 64 else "use a larger machine"
        return [
            f"a frame will not fit: it takes about {memory / 1e9:.1f} GB, and {where} has "
            f"{room / 1e9:.1f} GB free; {what}"
        ]
    if memory * workers > room:
        return [
            f"{workers} workers take about {memory * workers / 1e9:.1f} GB, and {where} has "
            f"{room / 1e9:.1f} GB free; set farm.workers={max(1, room // memory)}"
        ]
    return []
