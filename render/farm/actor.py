"""A worker: one process that holds one model and paints the frames that it is sent."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import ray
import torch

from render.errors import FarmError
from render.materials import Materials
from render.media.frames import Frame
from render.media.stills import encode_png
from render.painter import Painter, Previous
from render.pixels import Mask
from render.spec.job import Job


@dataclass(frozen=True)
class Ready:
    """What a worker says when its model is loaded."""

    node: str
    device: str
    gpus: tuple[str, ...]
    process: int
    seconds: float


@dataclass(frozen=True)
class Reply:
    """A painted frame: the bytes to commit, and what is known of their making."""

    frame: int
    data: bytes
    seconds: float
    evaluations: int
    loss: dict[str, float]


@dataclass(frozen=True)
class Task:
    """A frame to paint.

    Attributes:
        frame: its content.
        masks: those of the job's regions in this frame.
        chain: what it is started from: a given result, the worker's own last one, or nothing.
        predecessor: index of the frame before it, if `chain` is `"last"`.
    """

    frame: Frame
    masks: Sequence[Mask]
    chain: Previous | Literal["last"] | None
    predecessor: int | None


class Worker:
    """The actor's body; `farm.driver` makes it a Ray actor with the job's resources."""

    def __init__(self, job: Job, materials: Materials) -> None:
        self._job = job
        self._materials = materials
        self._painter: Painter | None = None
        self._last: tuple[int, Previous] | None = None

    def load(self) -> Ready:
        """Load the model, once; apart from the constructor so that its errors arrive as themselves.

        Raises:
            WeightsError: the model cannot be loaded.
        """
        started = time.monotonic()
        device = _settle(self._job)
        materials = self._materials
        self._painter = Painter(self._job, materials.styles, device, materials.extras)
        name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
        gpus = tuple(str(gpu) for gpu in ray.get_gpu_ids())
        return Ready(socket.gethostname(), name, gpus, os.getpid(), time.monotonic() - started)

    def paint(self, task: Task) -> Reply:
        """Paint a frame.

        Raises:
            EngineError: the frame cannot be painted.
            FarmError: the last frame painted here is not the predecessor.
        """
        if self._painter is None:
            raise FarmError("a frame was sent to a worker that has loaded no model")
        started = time.monotonic()
        frame = task.frame
        if task.chain == "last":
            if self._last is None or self._last[0] != task.predecessor:
                raise FarmError(
                    f"frame {task.predecessor}, which frame {frame.index} follows, is missing"
                )
            previous: Previous | None = self._last[1]
        else:
            previous = task.chain
        self._last = None
        painted = self._painter.paint(
            frame.pixels, previous, index=frame.index, alpha=frame.alpha, masks=task.masks
        )
        # What the next frame starts from is what was committed: 8-bit pixels, as they are in the PNG.
        self._last = (frame.index, Previous(frame.pixels, painted.pixels))
        data = encode_png(painted.pixels, frame.alpha)
        seconds = time.monotonic() - started
        return Reply(frame.index, data, seconds, painted.evaluations, painted.loss)


def _settle(job: Job) -> torch.device:
    """Make this process compute as the job says and always the same, and choose its device."""
    torch.set_num_threads(job.farm.cpus_per_worker)
    cv2.setNumThreads(1)
    # Ray hides no GPU from a worker that asked for none.
    gpu = bool(ray.get_gpu_ids()) and torch.cuda.is_available()
    if gpu:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
    torch.use_deterministic_algorithms(True)
    return torch.device("cuda" if gpu else "cpu")
