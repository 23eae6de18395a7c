"""The driver: hires workers, feeds them, commits what they paint, and replaces those that die.

Results do not depend on anything that happens here. Who paints which unit, in which order units are
begun and how many frames wait at a worker changes only the time that it takes.
"""

from __future__ import annotations

import itertools
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.exceptions import RayActorError, RayError, RayTaskError

from render.farm.actor import Ready, Reply, Worker
from render.farm.attempts import Attempts
from render.farm.cluster import Crew, muster
from render.farm.events import (
    FrameDone,
    FrameFailed,
    FrameRetried,
    OnEvent,
    WorkerLost,
    WorkerReady,
)
from render.farm.faults import NODE_DIED, cause_of_death, first_line, own_error, told
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
    node: str | None = None
    ready: bool = False
    since: float = 0.0
    """When it was last idle or gave an answer, on the monotonic clock."""
    lane: Lane | None = None
    calls: dict[ray.ObjectRef, int | None] = field(default_factory=dict)
    """Calls under way, and the frame of each (`None`: loading). A call that is taken out of here has
    lost its frame: what it may still bring is not looked at."""


class Driver:
    """Renders all frames of a plan that the store has not.

    Attributes:
        failed: frames that were set aside, with the reason.
        workers: how many workers there were at most.
        gave_up: whether more frames failed than `farm.max_failed` allows.
    """

    def __init__(
        self, job: Job, plan: Plan, source: Source, materials: Materials, store: Store
    ) -> None:
        self.failed: dict[int, str] = {}
        self.workers = 0
        self.gave_up = False
        self._limit = _limit(job.farm.max_failed, plan.total)
        self._job = job
        self._store = store
        self._attempts = Attempts(job.farm.retries, job.farm.losses)
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
        self._on_event = on_event
        crew = muster(self._job.farm, len(self._waiting))
        self.workers = crew.workers
        job, materials = ray.put(self._job), ray.put(self._materials)
        try:
            while not self.gave_up and (self._waiting or any(hand.lane for hand in self._hands)):
                while len(self._hands) < min(crew.workers, self._open_lanes()):
                    self._hire(crew, job, materials)
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

    def _hire(self, crew: Crew, job: ray.ObjectRef, materials: ray.ObjectRef) -> None:
        nodes = [node["NodeID"] for node in ray.nodes() if node["Alive"]]
        actor = _actor_class(crew, self._attempts.avoided(nodes))
        hand = _Hand(next(self._names), actor.remote(job, materials))
        hand.calls[hand.actor.load.remote()] = None
        self._hands.append(hand)

    def _feed(self, hand: _Hand) -> None:
        """Give a worker frames until as many wait at it as may."""
        room = self._job.farm.in_flight
        while hand.ready and not self.gave_up and len(hand.calls) < room:
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
            if not hand.calls:
                hand.since = time.monotonic()
            call = hand.actor.paint.remote(task)
            hand.calls[call] = task.frame.index

    def _collect(self) -> None:
        """Wait for one call to come back and deal with it."""
        calls = {call: hand for hand in self._hands for call in hand.calls}
        if not calls:
            return
        done, _ = ray.wait(list(calls), num_returns=1, timeout=self._patience())
        if not done:
            self._drop_hung()
            return
        hand = calls[done[0]]
        hand.since = time.monotonic()
        frame = hand.calls.pop(done[0])
        try:
            answer = ray.get(done[0])
        except RayActorError as error:
            self._lose(hand, frame, first_line(cause_of_death(hand.actor, error)))
        except RayTaskError as error:
            if frame is None:
                raise own_error(error) from error
            self._charge(frame, told(error))
            self._release(hand)
        except RayError as error:  # the reply was lost on its way, with its node for example
            self._lose(hand, frame, first_line(error))
        else:
            if isinstance(answer, Ready):
                hand.ready, hand.node = True, answer.node_id
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
                self._attempts.answered()
                self._commit(hand, answer)

    def _patience(self) -> float | None:
        """Seconds until the first of the workers at work is to be taken for hung."""
        busy = [hand.since for hand in self._hands if hand.ready and hand.calls]
        if not busy:
            return None
        return max(0.0, min(busy) + self._job.farm.timeout - time.monotonic())

    def _drop_hung(self) -> None:
        now = time.monotonic()
        for hand in list(self._hands):
            if hand.ready and hand.calls and now - hand.since >= self._job.farm.timeout:
                silent = f"no answer within farm.timeout ({self._job.farm.timeout:g} s)"
                self._lose(hand, None, silent)

    def _commit(self, hand: _Hand, reply: Reply) -> None:
        if hand.lane is None or reply.attempt != hand.lane.attempt:
            return  # a late report of an attempt that was given up
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
        if reply.changed:
            about["changed"] = reply.changed
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
        """A worker died; the frame in its hands, the oldest one sent, is charged with it.

        Unless its node went too: that is no fault of the frame.
        """
        self._on_event(WorkerLost(hand.name, reason))
        sent = [f for f in (frame, *hand.calls.values()) if f is not None]
        alive = {node["NodeID"] for node in ray.nodes() if node["Alive"]}
        if sent and hand.node in alive and NODE_DIED not in reason:
            self._charge(min(sent), f"its worker died: {reason}")
        self._release(hand)
        self._hands.remove(hand)
        ray.kill(hand.actor)
        self._attempts.lost(hand.node, reason)

    def _release(self, hand: _Hand) -> None:
        """Take a worker's unit back, to be gone on with from what is committed."""
        hand.calls.clear()
        if hand.lane is not None:
            hand.lane.rewind()
            self._waiting.appendleft(hand.lane)
            hand.lane = None

    def _finish(self, hand: _Hand) -> None:
        assert hand.lane is not None
        if not hand.lane.finished():  # a report was ignored: nothing is lost for all that
            self._release(hand)
            return
        hand.lane.close()
        hand.lane = None

    def _charge(self, frame: int, reason: str) -> None:
        """Count a failed attempt at a frame; set it aside when there were enough."""
        attempt = self._attempts.fault(frame)
        if attempt is None:
            self._set_aside(frame, reason)
        else:
            self._on_event(FrameRetried(frame, attempt, reason))

    def _set_aside(self, frame: int, reason: str) -> None:
        self.failed[frame] = reason
        self._on_event(FrameFailed(frame, reason))
        self.gave_up = self._limit is not None and len(self.failed) > self._limit


def _actor_class(crew: Crew, avoided: list[str]) -> ray.actor.ActorClass:
    # Restarts and retries are the driver's: Ray's own would run a constructor and know no chain.
    options: dict[str, Any] = {"num_cpus": crew.cpus, "num_gpus": crew.gpus}
    if avoided:
        options["label_selector"] = {"ray.io/node-id": f"!in({', '.join(avoided)})"}
    return ray.remote(max_restarts=0, max_task_retries=0, **options)(Worker)


def _limit(text: str | None, frames: int) -> float | None:
    """How many frames may fail, of a job with so many; `None`: any number."""
    if text is None:
        return None
    return float(text[:-1]) / 100 * frames if text.endswith("%") else float(text)
