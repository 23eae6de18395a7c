"""What painting a frame gives: what is committed, and what is known of its making."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from render.errors import EngineError
from render.metrics import Comparison
from render.motion.detail import Detail
from render.pixels import Pixels
from render.style.stylizer import Stylized

TRACE_POINTS = 32
"""Losses that are kept of a frame: a curve's worth, not a million frames' burden."""


@dataclass(frozen=True)
class Painted:
    """A finished frame, or a stage of it.

    Attributes:
        pixels: H×W×3, as they are committed.
        evaluations: evaluations made, those of a probe among them.
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


@dataclass(frozen=True)
class Below:
    """A frame after the stage before the one that is to be painted; see `Painted`."""

    pixels: Pixels
    curvature: bytes | None = None
    detail: Detail | None = None


_WEIGHT_OF = {
    "content": "content.weight",
    "style": "style.weight",
    "tv": "optimize.tv_weight",
    "temporal": "temporal.weight",
}
"""The setting that weighs each term of the loss."""


class DivergedError(EngineError):
    """The optimiser left the finite numbers."""


def committed(found: Stylized) -> list[Painted]:
    """What the engine found for each picture of a batch, as it is committed.

    Raises:
        DivergedError: a loss or a picture is not finite.
    """
    losses = [
        {name: float(values[n]) for name, values in found.terms.items()}
        for n in range(len(found.pixels))
    ]
    for loss in losses:
        wild = [name for name, value in loss.items() if not np.isfinite(value)]
        if wild:
            raise DivergedError(
                f"the loss is not finite ({wild[0]}: {loss[wild[0]]}); lower {_WEIGHT_OF[wild[0]]}"
            )
    if not bool(torch.isfinite(found.pixels).all()):
        raise DivergedError("the picture holds numbers that are not finite")
    pixels = (found.pixels * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    return [
        Painted(
            np.ascontiguousarray(pixels[n]), found.evaluations, loss, sampled(found.trace[:, n])
        )
        for n, loss in enumerate(losses)
    ]


def sampled(trace: Tensor) -> tuple[tuple[int, float], ...]:
    """Evaluation, from 1, and loss at `TRACE_POINTS` places, the last among them."""
    steps = sorted({*range(0, len(trace), -(-len(trace) // TRACE_POINTS)), len(trace) - 1})
    return tuple((step + 1, float(f"{float(trace[step]):.5g}")) for step in steps)
