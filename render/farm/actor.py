"""A worker: one process that holds one model and paints the frames that it is sent."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import ray
import torch

from render.assembly import Mask
from render.errors import FarmError
from render.materials import Materials
from render.media.frames import Frame
from render.media.stills import encode_png
from render.metrics import Comparison
from render.motion.detail import Detail
from render.painted import Below
from render.painter import Painter
from render.pixels import Pixels
from render.rescue import Rescuer
from render.settle import settle
from render.spec.job import Job
from render.spec.stages import frames_kept
from render.together import Finished, Keeper, Wanted, paint_pictures
from render.warm import Bridge, Links, Neighbour
from render.weights import check_weights


@dataclass(frozen=True)
class Placed:
    """What a worker says as soon as it runs: where.

    Attributes:
        node: number that Ray gave the node.
    """

    node: str


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
    """A painted frame or stage of one: the bytes to commit, and what is known of their making.

    Attributes:
        attempt: that of the task.
        warping: how far it is from the frame before, of a frame's last stage; see `Painted`.
        changed: settings that were changed to get it, by key.
        source: digest of the file that the frame was read from, if that holds it alone.
        curvature: of a stage that was not the last, for the next one; see `Painted`.
        detail: see `Painted`.
    """

    frame: int
    stage: int
    data: bytes
    seconds: float
    evaluations: int
    loss: dict[str, float]
    trace: tuple[tuple[int, float], ...]
    attempt: int
    warping: Comparison | None
    changed: dict[str, object]
    source: str | None
    curvature: bytes | None
    detail: Detail | None


@dataclass(frozen=True)
class Task:
    """A frame to paint.

    Attributes:
        frame: its content.
        masks: those of the job's regions in this frame.
        chain: what it is started from: a given frame, one by its index that the worker painted itself,
            or nothing.
        between: contents of the frames from this one back to that, exclusive.
        earlier: likewise further frames of the chain, the nearest first.
        bridge: the frame that it is led to.
        unit: number of the unit that the frame belongs to.
        stage: which part of its evaluations to do.
        below: the frame after the stage before this one; `None` for the first.
        probe: whether to paint it by itself too, see `Unit.probed`.
        attempt: number of the attempt at the unit's stage, which the reply repeats.
    """

    frame: Frame
    masks: Sequence[Mask]
    chain: Neighbour | int | None
    between: Sequence[Pixels]
    earlier: Sequence[Neighbour | int]
    bridge: Bridge | None
    unit: int
    stage: int
    below: Below | None
    probe: bool
    attempt: int


@dataclass(frozen=True)
class BatchTask:
    """Pictures to paint together.

    Attributes:
        pictures: they.
        attempt: number of the attempt at them, which the reply repeats.
        keeper: keeps the finished files; `None`: they come with the reply.
    """

    pictures: tuple[Wanted, ...]
    attempt: int
    keeper: Keeper | None


@dataclass(frozen=True)
class BatchReply:
    """What became of the pictures of a task with its `attempt`."""

    pictures: list[Finished]
    attempt: int


class Worker:
    """The actor's body; `farm.hands` makes it a Ray actor with the job's resources."""

    def __init__(self) -> None:
        self._rescuer: Rescuer | None = None
        self._keep = 1
        self._recent: dict[tuple[int, int], dict[int, Neighbour]] = {}

    def place(self, pause: float = 0.0) -> Placed:
        """Where this worker runs, after so many seconds."""
        time.sleep(pause)
        return Placed(ray.get_runtime_context().get_node_id())

    def load(self, job: Job, materials: Materials) -> Ready:
        """Make ready for a job, after another it may be, whose model is kept if it is the same.

        Raises:
            WeightsError: the model cannot be loaded, or its weights are not those of the driver.
        """
        started = time.monotonic()
        self._rescuer = None
        self._recent.clear()
        self._keep = frames_kept(job)
        # Ray hides no GPU from a worker that asked for none.
        device = settle(job.farm.cpus_per_worker, gpu=bool(ray.get_gpu_ids()))
        check_weights(job, materials.weights)
        self._rescuer = Rescuer(
            job, lambda job: Painter(job, materials.styles, device, materials.extras)
        )
        name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
        gpus = tuple(str(gpu) for gpu in ray.get_gpu_ids())
        return Ready(socket.gethostname(), name, gpus, os.getpid(), time.monotonic() - started)

    def paint(self, task: Task) -> Reply:
        """Paint a frame, or a stage of it.

        Raises:
            EngineError: the frame cannot be painted.
            FarmError: a frame that was said to be here is not.
        """
        if self._rescuer is None:
            raise FarmError("a frame was sent to a worker that has loaded no model")
        started = time.monotonic()
        frame = task.frame
        line = task.unit, task.stage
        recent = {
            unit_stage: kept
            for unit_stage, kept in self._recent.items()
            if unit_stage[0] == task.unit
        }
        self._recent = recent
        own = recent.pop(line, {})  # should this frame fail, its line is sent anew
        links = None if task.chain is None else _links(task, task.chain, own)
        painted, changed = self._rescuer.paint(
            lambda painter: painter.paint(
                frame.pixels,
                links,
                index=frame.index,
                alpha=frame.alpha,
                masks=task.masks,
                stage=task.stage,
                below=task.below,
                probe=task.probe,
            )
        )
        # What the next frame starts from is what was committed: 8-bit pixels, as they are in the PNG.
        own.pop(frame.index, None)  # it may have been painted here before: now it is the newest
        own[frame.index] = Neighbour(frame.pixels, painted.pixels, detail=painted.detail)
        recent[line] = dict(list(own.items())[-self._keep :])
        data = encode_png(painted.pixels, frame.alpha)
        seconds = time.monotonic() - started
        return Reply(
            frame.index,
            task.stage,
            data,
            seconds,
            painted.evaluations,
            painted.loss,
            painted.trace,
            task.attempt,
            painted.warping,
            changed,
            frame.digest,
            painted.curvature,
            painted.detail,
        )

    def paint_batch(self, task: BatchTask) -> BatchReply:
        """Paint pictures together; what is wrong with one of them is in the reply.

        Raises:
            FarmError: no model was loaded.
            OutputError: a finished file cannot be kept here.
        """
        if self._rescuer is None:
            raise FarmError("pictures were sent to a worker that has loaded no model")
        found = paint_pictures(self._rescuer, task.pictures)
        if task.keeper is not None:
            names = {wanted.frame: wanted.name for wanted in task.pictures}
            for one in found:
                if not one.reason:
                    task.keeper.keep(names[one.frame], one.data)
            found = [replace(one, data=b"") for one in found]
        return BatchReply(found, task.attempt)


def _links(task: Task, chain: Neighbour | int, own: Mapping[int, Neighbour]) -> Links:
    """What a task is linked to, with the worker's own frames put in.

    Raises:
        FarmError: one of them is not there.
    """
    index = task.frame.index
    previous = replace(_given(chain, own, index), between=tuple(task.between))
    return Links(previous, [_given(one, own, index) for one in task.earlier], task.bridge)


def _given(frame: Neighbour | int, own: Mapping[int, Neighbour], of: int) -> Neighbour:
    if isinstance(frame, Neighbour):
        return frame
    if frame not in own:
        raise FarmError(f"frame {frame}, which was painted here, is missing")
    return replace(own[frame], steps=abs(of - frame))
