"""Workers as the driver sees them."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import ray

from render.farm.actor import Worker
from render.farm.cluster import Crew
from render.farm.lane import Lane


@dataclass(eq=False)
class Hand:
    """A worker.

    Attributes:
        name: what people call it.
        actor: its process.
        node: number that Ray gave the node that it runs on; `None` until it runs.
        ready: whether its model is loaded.
        since: when it was last idle or gave an answer, on the monotonic clock.
        calls: those under way, with the lane and the frame of each (`None`: hiring). A call that is
            taken out of here has lost its frame: what it may still bring is not looked at.
        held: the frame of each lane, by unit and stage, that it was sent last and still has.
    """

    name: str
    actor: ray.actor.ActorHandle
    node: str | None = None
    ready: bool = False
    since: float = 0.0
    calls: dict[ray.ObjectRef, tuple[Lane, int] | None] = field(default_factory=dict)
    held: dict[tuple[int, int], int] = field(default_factory=dict)

    @property
    def lanes(self) -> list[Lane]:
        """Lanes of which frames wait here, the one sent last at the end."""
        return [call[0] for call in self.calls.values() if call is not None]

    def send(self, call: ray.ObjectRef, work: tuple[Lane, int] | None) -> None:
        """Note a call."""
        if not self.calls:
            self.since = time.monotonic()
        self.calls[call] = work

    def paint(self, lane: Lane) -> int:
        """Send it a lane's next frame, and say which.

        Raises:
            FrameError: the frame cannot be read.
        """
        unit, stage = lane.unit.number, lane.stage
        task = lane.next(self.held.get((unit, stage)))
        # The worker forgets other units' pictures likewise.
        self.held = {line: frame for line, frame in self.held.items() if line[0] == unit}
        self.held[unit, stage] = task.frame.index
        self.send(self.actor.paint.remote(task), (lane, task.frame.index))
        return task.frame.index

    def patience(self, timeout: float) -> float | None:
        """Seconds until it is to be taken for hung; `None` if it has nothing to do, or waits for a node.

        The clock is one that nobody sets.
        """
        if self.node is None or not self.calls:
            return None
        return max(0.0, self.since + timeout - time.monotonic())


def hire(
    name: str, crew: Crew, avoided: Collection[str], job: ray.ObjectRef, materials: ray.ObjectRef
) -> Hand:
    """A new worker, not on one of the avoided nodes, that is about to say where it runs."""
    # Restarts and retries are the driver's: Ray's own would run a constructor and know no chain.
    options: dict[str, Any] = {"max_restarts": 0, "max_task_retries": 0}
    if avoided:
        options["label_selector"] = {"ray.io/node-id": f"!in({', '.join(avoided)})"}
    actor = ray.remote(num_cpus=crew.cpus, num_gpus=crew.gpus, **options)(Worker)
    hand = Hand(name, actor.remote(job, materials))
    hand.send(hand.actor.place.remote(), None)
    return hand
