"""The driver: hires workers, feeds them, commits what they paint, and replaces those that die.

Results do not depend on anything that happens here. Who paints which unit, in which order units are
begun and how many frames wait at a worker changes only the time that it takes.
"""

from __future__ import annotations

import itertools
import re
import time
from collections import Counter, deque
from dataclasses import dataclass, field

import ray
from ray.exceptions import RayActorError, RayError, RayTaskError

from render.errors import FarmError, RenderError
from render.farm.actor import Ready, Reply, Worker
from render.farm.cluster import Crew, muster
from render.farm.events import (
    FrameDone,
    FrameFailed,
    FrameRetried,
    FrameSent,
    OnEvent,
    WorkerLost,
    WorkerReady,
)
from render.farm.gauges import measured
from render.farm.lane import Lane
from render.materials import Materials
from render.media.frames import FrameError, Source
from render.plan import Plan
from render.spec.job import Job
from render.store import Store


@dataclass(eq=False)
class _Hand:
    """A worker as the driver sees it."""

    name: str
    actor: ray.actor.ActorHandle
    ready: bool = False
    lane: Lane | None = None
    calls: dict[ray.ObjectRef, int | None] = field(default_factory=dict)
    """Calls under way, and the frame of each (`None`: loading). A call that is taken out of here has
    lost its frame: what it may still bring is not looked at."""


class Driver:
    """Renders all frames of a plan that the store has not.

    Attributes:
        failed: frames that were set aside, with the reason.
        workers: how many workers there were at most.
    """

    def __init__(
        self, job: Job, plan: Plan, source: Source, materials: Materials, store: Store
    ) -> None:
        self.failed: dict[int, str] = {}
        self.workers = 0
        self._job = job
        self._store = store
        self._attempts: Counter[int] = Counter()
        self._losses_in_a_row = 0
        self._names = (f"worker-{number}" for number in itertools.count(1))
        self._hands: list[_Hand] = []
        todo = [u for u in plan.units if any(frame not in store.records for frame in u.frames)]
        if any(unit.chained for unit in todo):
            todo.sort(key=lambda unit: -len(unit.frames))  # the longest chain first: it ends last
        self._waiting = deque(Lane(job, unit, source, store, self.failed) for unit in todo)
        self._materials = materials

    def run(self, on_event: OnEvent) -> None:
        """Work until every frame is committed or set aside.

        Raises:
            FarmError: the cluster has not what the job needs, or its workers keep dying.
            WeightsError: a worker cannot load the model.
        """
        self._on_event = measured(on_event)
        crew = muster(self._job.farm, len(self._waiting))
        self.workers = crew.workers
        actor = _actor_class(crew)
        job, materials = ray.put(self._job), ray.put(self._materials)
        try:
            while self._waiting or any(hand.lane for hand in self._hands):
                while len(self._hands) < min(crew.workers, self._open_lanes()):
                    self._hire(actor, job, materials)
                for hand in list(self._hands):
                    self._feed(hand)
                self._collect()
        finally:
            for hand in self._hands:
                if hand.lane is not None:
                    hand.lane.close()
                ray.kill(hand.actor)

    def _open_lanes(self) -> int:
        return len(self._waiting) + sum(hand.lane is not None for hand in self._hands)

    def _hire(
        self, actor: ray.actor.ActorClass, job: ray.ObjectRef, materials: ray.ObjectRef
    ) -> None:
        hand = _Hand(next(self._names), actor.remote(job, materials))
        hand.calls[hand.actor.load.remote()] = None
        self._hands.append(hand)

    def _feed(self, hand: _Hand) -> None:
        """Give a worker frames until as many wait at it as may."""
        while hand.ready and len(hand.calls) < self._job.farm.in_flight:
            if hand.lane is None:
                if not self._waiting:
                    return
                hand.lane = self._waiting.popleft()
            try:
                task = hand.lane.next()
            except FrameError as error:
                # What cannot be read now cannot be read by another worker either.
                self._set_aside(error.frame, str(error))
                continue
            if task is None:
                if hand.calls:
                    return
                self._finish(hand)
                continue
            call = hand.actor.paint.remote(task)
            hand.calls[call] = task.frame.index
            unit = hand.lane.unit
            self._on_event(FrameSent(task.frame.index, unit.shot, hand.name))

    def _collect(self) -> None:
        """Wait for one call to come back and deal with it."""
        calls = {call: hand for hand in self._hands for call in hand.calls}
        if not calls:
            return
        done, _ = ray.wait(list(calls), num_returns=1)
        hand = calls[done[0]]
        frame = hand.calls.pop(done[0])
        try:
            answer = ray.get(done[0])
        except RayActorError as error:
            self._lose(hand, frame, _first_line(error))
        except RayTaskError as error:
            if frame is None:
                raise _own_error(error) from error
            self._charge(frame, _reason(error))
            self._release(hand)
        except RayError as error:  # the reply was lost on its way, with its node for example
            self._lose(hand, frame, _first_line(error))
        else:
            self._losses_in_a_row = 0
            if isinstance(answer, Ready):
                hand.ready = True
                self._on_event(
                    WorkerReady(
                        hand.name,
                        answer.node,
                        answer.process,
                        answer.device,
                        answer.gpus,
                        answer.seconds,
                    )
                )
            else:
                self._commit(hand, answer)

    def _commit(self, hand: _Hand, reply: Reply) -> None:
        assert hand.lane is not None
        unit = hand.lane.unit
        about = {
            "unit": unit.number,
            "worker": hand.name,
            "seconds": round(reply.seconds, 3),
            "evaluations": reply.evaluations,
            "loss": reply.loss,
            "trace": reply.trace,
            "at": round(time.time(), 3),
        }
        self._store.commit(reply.frame, f"frames/{reply.frame:06}.png", reply.data, about)
        self._on_event(
            FrameDone(
                reply.frame,
                unit.number,
                unit.shot,
                hand.name,
                reply.seconds,
                reply.evaluations,
                reply.loss,
            )
        )

    def _lose(self, hand: _Hand, frame: int | None, reason: str) -> None:
        """A worker died; the frame in its hands, the oldest one sent, is charged with it."""
        self._on_event(WorkerLost(hand.name, reason))
        sent = [f for f in (frame, *hand.calls.values()) if f is not None]
        if sent:
            self._charge(min(sent), f"its worker died: {reason}")
        self._release(hand)
        self._hands.remove(hand)
        ray.kill(hand.actor)
        self._losses_in_a_row += 1
        if self._losses_in_a_row > (self._job.farm.retries + 1) * self.workers:
            raise FarmError(f"{self._losses_in_a_row} workers in a row died; the last: {reason}")

    def _release(self, hand: _Hand) -> None:
        """Take a worker's unit back, to be gone on with from what is committed."""
        hand.calls.clear()
        if hand.lane is not None:
            hand.lane.rewind()
            self._waiting.appendleft(hand.lane)
            hand.lane = None

    def _finish(self, hand: _Hand) -> None:
        assert hand.lane is not None
        hand.lane.close()
        hand.lane = None

    def _charge(self, frame: int, reason: str) -> None:
        """Count a failed attempt at a frame; set it aside when there were enough."""
        self._attempts[frame] += 1
        if self._attempts[frame] > self._job.farm.retries:
            self._set_aside(frame, reason)
        else:
            self._on_event(FrameRetried(frame, self._attempts[frame], reason))

    def _set_aside(self, frame: int, reason: str) -> None:
        self.failed[frame] = reason
        self._on_event(FrameFailed(frame, reason))


def _actor_class(crew: Crew) -> ray.actor.ActorClass:
    # Restarts and retries are the driver's: Ray's own would run a constructor and know no chain.
    return ray.remote(num_cpus=crew.cpus, num_gpus=crew.gpus, max_restarts=0, max_task_retries=0)(
        Worker
    )


def _own_error(error: RayTaskError) -> Exception:
    cause = error.cause
    return (
        cause if isinstance(cause, RenderError) else FarmError(f"a worker failed: {_reason(error)}")
    )


def _reason(error: RayTaskError) -> str:
    cause = error.cause
    text = str(cause).strip() or "no message"
    return text if isinstance(cause, RenderError) else f"{type(cause).__name__}: {text}"


def _first_line(error: RayError) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", str(error)).strip().splitlines()[0]
