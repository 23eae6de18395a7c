"""Workers as the driver sees them."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import ray

from render.farm.actor import BatchTask, Worker
from render.farm.cluster import Crew
from render.farm.work import Errand
from render.settle import tunables

PLACING = 20.0
"""Seconds after which a worker that does not run yet is taken to wait for room."""
ASK_AGAIN = 0.5
"""Seconds after which a worker is heard again whose node is being looked at."""


@dataclass(eq=False)
class Hand:
    """A worker.

    Attributes:
        name: what people call it.
        actor: its process.
        avoided: nodes that it is never put on.
        node: number that Ray gave the node that it runs on; `None` until it runs.
        ready: whether its model is loaded.
        leaving: whether its node was told to leave, so that it gets no more work.
        since: when it was last idle or gave an answer, on the monotonic clock.
        calls: those under way, the oldest first, with the errand of each (`None`: hiring). What a call
            that is taken out of here may still bring is not looked at.
    """

    name: str
    actor: ray.actor.ActorHandle
    avoided: Collection[str] = ()
    node: str | None = None
    ready: bool = False
    leaving: bool = False
    since: float = 0.0
    calls: dict[ray.ObjectRef, Errand | None] = field(default_factory=dict)

    @property
    def errands(self) -> list[Errand]:
        """Those under way, the oldest first."""
        return [errand for errand in self.calls.values() if errand is not None]

    def send(self, call: ray.ObjectRef, errand: Errand | None) -> None:
        """Note a call."""
        if not self.calls:
            self.since = time.monotonic()
        self.calls[call] = errand

    def give(self, errand: Errand) -> ray.ObjectRef:
        """Have it paint; the call."""
        task = errand.task
        paint = self.actor.paint_batch if isinstance(task, BatchTask) else self.actor.paint
        call = paint.remote(task)
        self.send(call, errand)
        return call

    def ask_again(self) -> None:
        """Where it runs, after a while."""
        self.send(self.actor.place.remote(ASK_AGAIN), None)

    def patience(self, timeout: float) -> float | None:
        """Seconds until it is to be taken for hung; `None` if it has nothing to do, or waits for a node.

        The clock is one that nobody sets.
        """
        if self.node is None or not self.calls:
            return None
        return max(0.0, self.since + timeout - time.monotonic())

    def waits(self) -> bool:
        """Whether it does not run yet, and has not for so long that there is no room for it."""
        return self.node is None and time.monotonic() > self.since + PLACING


def hire(name: str, crew: Crew, avoided: Collection[str]) -> Hand:
    """A new worker, not on one of the avoided nodes, that is about to say where it runs."""
    # Restarts and retries are the driver's: Ray's own would run a constructor and know no chain.
    options: dict[str, Any] = {"max_restarts": 0, "max_task_retries": 0}
    if not crew.gpus:
        options["runtime_env"] = {"env_vars": tunables()}
    if avoided:
        options["label_selector"] = {"ray.io/node-id": not_in(avoided)}
    actor = ray.remote(num_cpus=crew.cpus, num_gpus=crew.gpus, **options)(Worker)
    hand = Hand(name, actor.remote(), avoided)
    hand.send(hand.actor.place.remote(), None)
    return hand


def not_in(nodes: Collection[str]) -> str:
    """What Ray is asked for to keep a worker off nodes; to Ray a space is a part of a name."""
    return f"!in({','.join(sorted(nodes))})"
