"""Peak memory of both, each in a process of its own."""

from __future__ import annotations

import multiprocessing
import resource
import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from render.bench.problem import Problem, convolutions
from render.bench.reference import HISTORY, Reference, ReferenceRun
from render.settle import beginning_tuned, settle
from render.style.stylizer import MARGIN
from render.style.vgg import Convolutions

_STATUS = Path("/proc/self/status")
_EVALUATIONS = 30
"""Of the engine, which sets aside its whole history at once; the fewest go to the largest scale."""


@dataclass(frozen=True)
class Memory:
    """Peak of a run in bytes, beyond the libraries and the weights as they were loaded."""

    ours: int
    reference: int


def memory(size: int, device: torch.device, precision: torch.dtype) -> Memory:
    """Measure both at a canvas of `size` pixels a side, with their histories full."""
    context = multiprocessing.get_context("spawn")  # a fork would begin with our own pages
    peaks = []
    for run, surroundings in ((_ours, beginning_tuned()), (_reference, nullcontext())):
        with surroundings, context.Pool(1) as pool:
            peaks.append(pool.apply(_measured, (run, size, device, precision)))
    return Memory(*peaks)


def _measured(
    run: Callable[[Problem], None], size: int, device: torch.device, precision: torch.dtype
) -> int:
    task = _noise(convolutions(), size, device, precision)
    _forget_peak(device)
    before = _peak(device)
    run(task)
    return _peak(device) - before


def _noise(
    network: Convolutions, size: int, device: torch.device, precision: torch.dtype
) -> Problem:
    """A problem of noise: drawing pictures would leave traces in the memory."""
    generator = torch.Generator().manual_seed(0)
    side = size - 2 * MARGIN
    content, style = (
        torch.rand(1, 3, side, side, generator=generator).to(device) for _ in range(2)
    )
    canvas = functional.pad(content, (MARGIN,) * 4, "reflect")
    return Problem(network, canvas, content, style, precision)


def _ours(task: Problem) -> None:
    settle(torch.get_num_threads(), gpu=task.canvas.is_cuda)
    task.stylizer().stylize(task.content, evaluations=_EVALUATIONS)


def _reference(task: Problem) -> None:
    rehearsed = _Rehearsed(task.reference(), task.canvas)
    run = ReferenceRun(rehearsed.loss, task.canvas)
    run.evaluate(HISTORY + HISTORY // 4)
    rehearsed.over = True
    run.evaluate(2)


class _Rehearsed:
    """A loss that is cheap until the history is full: what fills it does not matter to memory."""

    def __init__(self, reference: Reference, like: Tensor) -> None:
        self.over = False
        self._reference = reference
        self._curvature = torch.logspace(-4, 0, like.numel(), device=like.device).view_as(like)

    def loss(self, pixels: Tensor) -> Tensor:
        if self.over:
            return self._reference.loss(pixels)
        return (self._curvature * (pixels - 0.5).square()).sum()


def _forget_peak(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    elif _STATUS.exists():
        Path("/proc/self/clear_refs").write_text("5")


def _peak(device: torch.device) -> int:
    """Most bytes that were in use at once."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if _STATUS.exists():
        # Not ru_maxrss, which on Linux begins with what the parent process held.
        lines = _STATUS.read_text().splitlines()
        return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM:"))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
        1 if sys.platform == "darwin" else 1024
    )
