"""What happens during a run, as frozen values: for progress bars, logs and notebooks.

Every event is handed to `on_event` in the driver's thread, in the order in which things happened.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from render.spec.url import AnyPath


@dataclass(frozen=True)
class RunStarted:
    """The plan stands and the output folder is taken.

    Attributes:
        frames: frames of the job.
        reused: of those, finished by an earlier run.
        shots: number of shots.
        units: number of units.
        folder: where the frames and the ledger lie.
        evaluations: that are still to be made, at most.
        by_shot: frames of each shot, and how many of them are finished.
    """

    frames: int
    reused: int
    shots: int
    units: int
    folder: AnyPath
    evaluations: int = 0
    by_shot: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Note:
    """Something that a person should know; no fault.

    Attributes:
        text: what.
        shared: whether it is of the farm or of an input, which the cells of a study have in common.
    """

    text: str
    shared: bool = False


@dataclass(frozen=True)
class WorkerReady:
    """A worker has loaded its model.

    Attributes:
        worker: its name.
        node: the host that it runs on.
        device: `cpu` or the GPU's name.
        gpus: indices of the GPUs that Ray gave it.
        process: its process number there.
        seconds: how long it took to load.
    """

    worker: str
    node: str
    process: int
    device: str
    gpus: tuple[str, ...]
    seconds: float


@dataclass(frozen=True)
class FrameSent:
    """A frame, or a stage of it, went to a worker, which paints it after those that it has already.

    Attributes:
        frame: index in the source.
        stage: from 0.
        shot: number of its shot.
        worker: who paints it.
        cell: label of the study's cell that it belongs to; empty: there is no study.
    """

    frame: int
    stage: int
    shot: int
    worker: str
    cell: str = ""


@dataclass(frozen=True)
class FrameDone:
    """A frame is committed.

    Attributes:
        frame: index in the source.
        unit: number of its unit.
        shot: number of its shot.
        worker: who painted it.
        seconds: time that painting took.
        evaluations: evaluations that it took.
        loss: parts of the final loss by name.
        cell: label of the study's cell that it belongs to; empty: there is no study.
    """

    frame: int
    unit: int
    shot: int
    worker: str
    seconds: float
    evaluations: int
    loss: Mapping[str, float]
    cell: str = ""


@dataclass(frozen=True)
class StageDone:
    """A stage of a frame is committed, not the last.

    Attributes:
        frame: index in the source.
        stage: from 0.
        worker: who painted it.
        evaluations: evaluations that it took.
        seconds: time that painting took.
        cell: label of the study's cell that it belongs to; empty: there is no study.
    """

    frame: int
    stage: int
    worker: str
    evaluations: int
    seconds: float
    cell: str = ""


@dataclass(frozen=True)
class FrameRetried:
    """A frame failed and will be tried again.

    Attributes:
        frame: index in the source.
        attempt: number of the attempt that failed, from 1.
        reason: why.
        cell: label of the study's cell that it belongs to; empty: there is no study.
    """

    frame: int
    attempt: int
    reason: str
    cell: str = ""


@dataclass(frozen=True)
class FrameFailed:
    """A frame was set aside.

    Attributes:
        frame: index in the source.
        reason: why.
        cell: label of the study's cell that it belongs to; empty: there is no study.
    """

    frame: int
    reason: str
    cell: str = ""


@dataclass(frozen=True)
class WorkerLost:
    """A worker died; its unit goes on elsewhere.

    Attributes:
        worker: its name.
        reason: what Ray says of it.
    """

    worker: str
    reason: str


@dataclass(frozen=True)
class OutputWritten:
    """The final file is in place.

    Attributes:
        path: the file.
        frames: frames in it, counted by reading it back.
    """

    path: AnyPath
    frames: int


Event = (
    RunStarted
    | Note
    | WorkerReady
    | FrameSent
    | FrameDone
    | StageDone
    | FrameRetried
    | FrameFailed
    | WorkerLost
    | OutputWritten
)
OnEvent = Callable[[Event], None]
