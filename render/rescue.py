"""Painting a frame that went wrong once more, with settings that ask for less.

A frame that does not fit into the device's memory is painted with a shorter history, one whose
numbers ran away in float32 and with a shorter history. What was changed is recorded with the frame. The
ways out depend on the frame and the device alone, so they are the same on every worker like it.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import TypeVar

import torch

from render.errors import EngineError
from render.painted import DivergedError
from render.painter import Painter
from render.spec.job import Job

SHORT_HISTORY = 2
ADVICE = (
    "the device's memory is too small for this frame even with optimize.history "
    f"{SHORT_HISTORY}; set a smaller output.size, or model.precision: bfloat16"
)

T = TypeVar("T")


class Rescuer:
    """Paints frames with a job's painter and, where that fails, with safer ones.

    Args:
        job: what to paint and how.
        build: makes a painter for a job like it.

    Attributes:
        job: what to paint and how.
    """

    def __init__(self, job: Job, build: Callable[[Job], Painter]) -> None:
        self.job = job
        self._build = build
        self._painter = build(job)

    def paint(self, paint: Callable[[Painter], T]) -> tuple[T, dict[str, object]]:
        """What was painted, and the settings that were changed to get it.

        Raises:
            EngineError: the frame cannot be painted, not in a safer way either.
        """
        try:
            return paint(self._painter), {}
        except torch.OutOfMemoryError:
            model, said = {}, ""
        except DivergedError as error:
            model, said = {"precision": "float32"}, str(error)
        # Only here, where the error is gone, does nothing hold the failed attempt's tensors any more.
        self._painter.forget()
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        optimize = {"history": min(SHORT_HISTORY, self.job.optimize.history)}
        changed: dict[str, object] = {f"optimize.{key}": value for key, value in optimize.items()}
        changed |= {f"model.{key}": value for key, value in model.items()}
        job = self.job.model_copy(
            update={
                "optimize": self.job.optimize.model_copy(update=optimize),
                "model": self.job.model.model_copy(update=model),
            }
        )
        try:
            return paint(self._build(job)), changed
        except torch.OutOfMemoryError as error:
            raise EngineError(ADVICE) from error
        except DivergedError as error:
            raise DivergedError(f"{said or error}; with safer settings: {error}") from error
