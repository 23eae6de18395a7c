"""What the driver asks of a job's work: what a worker can be given next, and what comes of it.

Frames that follow each other and pictures that do not are different work, but one driver: it hires,
sends, waits, counts faults and replaces the dead, and knows nothing of what is inside.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from render.farm.actor import BatchReply, BatchTask, Reply, Task
from render.farm.events import Event


@dataclass(eq=False)
class Errand:
    """One call to a worker.

    Attributes:
        task: what it is sent.
        frames: that it is to paint, by index.
        stage: of these frames.
        shot: that they belong to.
    """

    task: Task | BatchTask
    frames: tuple[int, ...]
    stage: int
    shot: int


@dataclass(frozen=True)
class Fault:
    """A frame of an errand that went wrong, while others did not.

    Attributes:
        frame: its index.
        stage: of it.
        reason: why.
        final: trying again would be of no use.
    """

    frame: int
    stage: int
    reason: str
    final: bool


class Work(Protocol):
    """All of a job that is not committed yet.

    What was sent is either taken or released. Frames that the driver sets aside it adds to the
    container that the work was made with; they are then nobody's any more.
    """

    def places(self) -> int:
        """How many workers could be busy at once, at most; 0 once all is done."""

    def next(self, worker: str) -> Errand | None:
        """What a worker should be sent behind what it has; `None`: nothing for now.

        Raises:
            FrameError: a frame cannot be read; once it is set aside, go on.
        """

    def take(
        self, errand: Errand, reply: Reply | BatchReply, worker: str
    ) -> Iterable[Event | Fault] | None:
        """Commit what a worker brings, and say what happened; `None`: it is of an attempt given up.

        When the next one is asked for, the driver has done what it does about a fault.
        """

    def release(self, worker: str, errands: Sequence[Errand]) -> None:
        """Take back what a worker was sent and will not bring any more, to be sent again."""

    def separate(self, errand: Errand) -> None:
        """From now on, send each frame of an errand that is about to be released by itself."""

    def stuck(self) -> str | None:
        """With nobody at work: what waits for something that nobody makes; `None`: nothing does."""

    def close(self) -> None:
        """Let go of what is open."""
