"""What the driver asks of a job's work: what a worker can be given next, and what comes of it.

Frames that follow each other and pictures that do not are different work, but one driver: it hires,
sends, waits, counts faults and replaces the dead, and knows nothing of what is inside.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from render.farm.actor import Reply, Task
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

    task: Task
    frames: tuple[int, ...]
    stage: int
    shot: int


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

    def take(self, errand: Errand, reply: Reply, worker: str) -> Iterable[Event] | None:
        """Commit what a worker brings, and say what happened; `None`: it is of an attempt given up."""

    def release(self, worker: str, errands: Sequence[Errand]) -> None:
        """Take back what a worker was sent and will not bring any more, to be sent again."""

    def stuck(self) -> str | None:
        """With nobody at work: what waits for something that nobody makes; `None`: nothing does."""

    def close(self) -> None:
        """Let go of what is open."""
