"""The driver: hires workers, feeds them, commits what they paint, and replaces those that die.

Results do not depend on anything that happens here. Who paints which unit, in which order units are
begun and how many frames wait at a worker changes only the time that it takes.
"""

from __future__ import annotations

import itertools
import time
from collections import deque
from dataclasses import asdict

import ray
from ray.exceptions import RayActorError, RayError, RayTaskError

from render.errors import FarmError
from render.farm.actor import Placed, Ready, Reply
from render.farm.attempts import Attempts, failure_limit
from render.farm.cluster import muster
from render.farm.events import (
    FrameDone,
    FrameFailed,
    FrameRetried,
    FrameSent,
    Note,
    OnEvent,
    StageDone,
    WorkerLost,
    WorkerReady,
)
from render.farm.faults import cause_of_death, first_line, own_error, told, took_its_node
from render.farm.hands import Hand, hire
from render.farm.lane import Lane
from render.materials import Materials
from render.media.frames import FrameError, Source
from render.plan import Plan, Unit
from render.spec.job import Job
from render.store import Store


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
        self._gave_up = False
        self._limit = failure_limit(job.farm.max_failed, plan.total)
        self._job = job
        self._store = store
        self._attempts = Attempts(job.farm.retries, job.farm.losses)
        self._names = (f"worker-{number}" for number in itertools.count(1))
        self._hands: list[Hand] = []
        todo = [u for u in plan.units if any(frame not in store.records for frame in u.frames)]
        if any(unit.chained for unit in todo):
            todo.sort(key=lambda unit: -len(unit.frames))  # the longest chain first: it ends last
        self._waiting = deque(todo)
        self._open: list[Lane] = []
        self._source = source
        self._materials = materials

    def run(self, on_event: OnEvent) -> None:
        """Work until every frame is committed or set aside, or too many are set aside.

        Raises:
            FarmError: the cluster has not what the job needs, or its workers keep dying.
            WeightsError: a worker cannot load the model.
        """
        self._on_event = on_event
        crew = muster(self._job.farm, sum(unit.stages for unit in self._waiting))
        self.workers = crew.workers
        job, materials = ray.put(self._job), ray.put(self._materials)
        try:
            while (self._waiting or self._open) and not self._gave_up:
                while len(self._hands) < crew.workers and len(self._hands) < self._lanes_left():
                    avoided = self._attempts.avoided(_nodes())
                    self._hands.append(hire(next(self._names), crew, avoided, job, materials))
                for hand in self._hands:
                    self._feed(hand)
                self._collect()
                if not self._close_ended() and not any(hand.calls for hand in self._hands):
                    self._check_for_work()
        finally:
            for lane in self._open:
                lane.close()
            for hand in self._hands:
                ray.kill(hand.actor)

    def _lanes_left(self) -> int:
        return len(self._open) + sum(unit.stages for unit in self._waiting)

    def _feed(self, hand: Hand) -> None:
        """Give a worker frames until as many wait at it as may."""
        while hand.ready and not self._gave_up and len(hand.calls) < self._job.farm.in_flight:
            lane = self._lane_for(hand)
            if lane is None:
                return
            try:
                frame = hand.paint(lane)
            except FrameError as error:
                # What cannot be read now cannot be read by another worker either.
                self._set_aside(error.frame, str(error))
            else:
                self._on_event(FrameSent(frame, lane.stage, lane.unit.shot, hand.name))

    def _lane_for(self, hand: Hand) -> Lane | None:
        """The lane whose next frame a worker should paint, if there is one.

        A worker stays with a lane as long as frames of it wait there, because the next may start
        from a picture that only it has. Else the latest stage comes first: it finishes frames.
        """
        if hand.calls:
            lane = hand.lanes[-1]
            return lane if lane.ready() else None
        taken = {id(lane) for other in self._hands for lane in other.lanes}
        free = [lane for lane in self._open if id(lane) not in taken and lane.ready()]
        if free:
            return max(free, key=lambda lane: lane.stage)
        while self._waiting:
            unit = self._waiting.popleft()
            made = [self._lane(unit, stage) for stage in range(unit.stages)]
            self._open += made
            ready = [lane for lane in made if lane.ready()]
            if ready:
                return max(ready, key=lambda lane: lane.stage)
        return None

    def _lane(self, unit: Unit, stage: int) -> Lane:
        return Lane(self._job, unit, stage, self._source, self._store, self.failed)

    def _check_for_work(self) -> None:
        """Refuse to wait for ever: with nobody at work, some lane must have a frame to give."""
        if self._open and not self._waiting and not any(lane.ready() for lane in self._open):
            stuck = ", ".join(f"unit {one.unit.number} stage {one.stage}" for one in self._open)
            raise FarmError(f"no frame can be painted: {stuck} wait for pictures that nobody makes")

    def _close_ended(self) -> bool:
        """Let go of lanes that have nothing left to send and nothing under way, if there are any."""
        busy = {id(lane) for hand in self._hands for lane in hand.lanes}
        ended = [one for one in self._open if id(one) not in busy and one.ended()]
        for lane in ended:
            lane.close()
            self._open.remove(lane)
        return bool(ended)

    def _collect(self) -> None:
        """Wait for one call to come back and deal with it, or for a worker to be taken for hung."""
        calls = {call: hand for hand in self._hands for call in hand.calls}
        if not calls:
            return
        timeout = self._job.farm.timeout
        waits = [left for hand in self._hands if (left := hand.patience(timeout)) is not None]
        done, _ = ray.wait(list(calls), num_returns=1, timeout=min(waits, default=None))
        if not done:
            for hung in [hand for hand in self._hands if hand.patience(timeout) == 0]:
                self._lose(hung, None, f"no answer within farm.timeout ({timeout:g} s)")
            return
        hand = calls[done[0]]
        hand.since = time.monotonic()
        call = hand.calls.pop(done[0])
        try:
            answer = ray.get(done[0])
        except RayActorError as error:
            self._lose(hand, call, first_line(cause_of_death(hand.actor, error)))
        except RayTaskError as error:
            if call is None:
                raise own_error(error) from error
            self._charge(*call, told(error))
            self._release(hand, call[0])
        except RayError as error:  # the reply was lost on its way, with its node for example
            self._lose(hand, call, first_line(error))
        else:
            self._take(hand, call, answer)

    def _take(
        self, hand: Hand, call: tuple[Lane, int] | None, answer: Placed | Ready | Reply
    ) -> None:
        """Deal with what a worker says."""
        match answer:
            case Placed(node):
                hand.node = node
                hand.send(hand.actor.load.remote(), None)
            case Ready():
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
            case Reply() if call is not None:
                self._attempts.answered()
                if answer.attempt == call[0].attempt:
                    self._commit(hand, call[0], answer)
                else:  # a late report of an attempt that was given up
                    self._release(hand, call[0])

    def _commit(self, hand: Hand, lane: Lane, reply: Reply) -> None:
        unit = lane.unit
        about = {
            "unit": unit.number,
            "worker": hand.name,
            "seconds": round(reply.seconds, 3),
            "evaluations": reply.evaluations,
            "loss": reply.loss,
            "trace": reply.trace,
            "at": round(time.time(), 3),
        }
        if reply.warping is not None:
            about["warping"] = asdict(reply.warping)
        if reply.changed:
            about["changed"] = reply.changed
        if reply.source is not None:
            about["source"] = reply.source
        if reply.stage < unit.stages - 1:
            file = f"stages/{reply.frame:06}.{reply.stage}.png"
            self._store.commit(reply.frame, file, reply.data, about, stage=reply.stage)
            self._on_event(
                StageDone(reply.frame, reply.stage, hand.name, reply.evaluations, reply.seconds)
            )
            return
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

    def _lose(self, hand: Hand, call: tuple[Lane, int] | None, reason: str) -> None:
        """A worker died; the frame in its hands, the oldest one sent, is charged with it.

        Unless its node went too: that is no fault of the frame.
        """
        self._on_event(WorkerLost(hand.name, reason))
        sent = [one for one in (call, *hand.calls.values()) if one is not None]
        if sent and hand.node in _nodes() and not took_its_node(reason):
            oldest = min(sent, key=lambda one: one[1])  # all of one lane, which goes in order
            self._charge(*oldest, f"its worker died: {reason}")
        self._release(hand, *(lane for lane, _ in sent))
        self._hands.remove(hand)
        ray.kill(hand.actor)
        self._attempts.lost(hand.node, reason)

    def _release(self, hand: Hand, *lanes: Lane) -> None:
        """Take a worker's lanes back, to be gone on with from what is committed."""
        for lane in {id(lane): lane for lane in (*lanes, *hand.lanes)}.values():
            lane.rewind()
        hand.calls.clear()
        hand.held.clear()

    def _charge(self, lane: Lane, frame: int, reason: str) -> None:
        """Count a failed attempt at a frame's stage; set the frame aside when there were enough."""
        attempt = self._attempts.fault(frame, lane.stage)
        if attempt is None:
            self._set_aside(frame, reason)
        else:
            self._on_event(FrameRetried(frame, attempt, reason))

    def _set_aside(self, frame: int, reason: str) -> None:
        self.failed[frame] = reason
        self._on_event(FrameFailed(frame, reason))
        self._gave_up = self._limit is not None and len(self.failed) > self._limit
        if self._gave_up:
            self._on_event(Note("stopped: more frames failed than farm.max_failed allows"))


def _nodes() -> list[str]:
    return [node["NodeID"] for node in ray.nodes() if node["Alive"]]
