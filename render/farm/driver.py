"""The driver: hires workers, feeds them, has committed what they paint, and replaces those that die.

Results do not depend on anything that happens here. Who paints which unit, in which order units are
begun and how many frames wait at a worker changes only the time that it takes.
"""

from __future__ import annotations

import itertools
import time

import ray
from ray.exceptions import RayActorError, RayError, RayTaskError

from render.errors import FarmError
from render.farm.actor import Placed, Ready, Reply
from render.farm.attempts import Attempts, failure_limit
from render.farm.cluster import muster
from render.farm.events import (
    FrameFailed,
    FrameRetried,
    FrameSent,
    Note,
    OnEvent,
    WorkerLost,
    WorkerReady,
)
from render.farm.faults import cause_of_death, first_line, own_error, told, took_its_node
from render.farm.hands import Hand, hire
from render.farm.lanes import Lanes
from render.farm.work import Errand, Work
from render.materials import Materials
from render.media.frames import FrameError, Source
from render.plan import Plan
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
        self._attempts = Attempts(job.farm.retries, job.farm.losses)
        self._names = (f"worker-{number}" for number in itertools.count(1))
        self._hands: list[Hand] = []
        self._materials = materials
        self._work: Work = Lanes(job, plan, source, store, self.failed)

    def run(self, on_event: OnEvent) -> None:
        """Work until every frame is committed or set aside, or too many are set aside.

        Raises:
            FarmError: the cluster has not what the job needs, or its workers keep dying.
            WeightsError: a worker cannot load the model.
        """
        self._on_event = on_event
        crew = muster(self._job.farm, self._work.places())
        self.workers = crew.workers
        job, materials = ray.put(self._job), ray.put(self._materials)
        try:
            while (places := self._work.places()) and not self._gave_up:
                while len(self._hands) < min(crew.workers, places):
                    avoided = self._attempts.avoided(_nodes())
                    self._hands.append(hire(next(self._names), crew, avoided, job, materials))
                for hand in self._hands:
                    self._feed(hand)
                self._collect()
                # Nobody waits for ever: with nobody at work, there must be something to give.
                if not any(hand.calls for hand in self._hands) and (why := self._work.stuck()):
                    raise FarmError(f"no frame can be painted: {why}")
        finally:
            self._work.close()
            for hand in self._hands:
                ray.kill(hand.actor)

    def _feed(self, hand: Hand) -> None:
        """Give a worker errands until as many wait at it as may."""
        while hand.ready and not self._gave_up and len(hand.calls) < self._job.farm.in_flight:
            try:
                errand = self._work.next(hand.name)
            except FrameError as error:
                # What cannot be read now cannot be read by another worker either.
                self._set_aside(error.frame, str(error))
                continue
            if errand is None:
                return
            hand.send(hand.actor.paint.remote(errand.task), errand)
            for frame in errand.frames:
                self._on_event(FrameSent(frame, errand.stage, errand.shot, hand.name))

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
                self._lose(hung, f"no answer within farm.timeout ({timeout:g} s)")
            return
        hand = calls[done[0]]
        hand.since = time.monotonic()
        errand = hand.calls[done[0]]
        try:
            answer = ray.get(done[0])
        except RayActorError as error:
            self._lose(hand, first_line(cause_of_death(hand.actor, error)))
        except RayTaskError as error:
            if errand is None:
                raise own_error(error) from error
            self._charge(errand, told(error))
            self._release(hand)
        except RayError as error:  # the reply was lost on its way, with its node for example
            self._lose(hand, first_line(error))
        else:
            del hand.calls[done[0]]
            self._take(hand, errand, answer)

    def _take(self, hand: Hand, errand: Errand | None, answer: Placed | Ready | Reply) -> None:
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
            case Reply() if errand is not None:
                self._attempts.answered()
                events = self._work.take(errand, answer, hand.name)
                if events is None:  # a late report of an attempt that was given up
                    self._release(hand, errand)
                else:
                    for event in events:
                        self._on_event(event)

    def _lose(self, hand: Hand, reason: str) -> None:
        """A worker died; what was in its hands, the oldest errand, is charged with it.

        Unless its node went too: that is no fault of the frame.
        """
        self._on_event(WorkerLost(hand.name, reason))
        if hand.errands and hand.node in _nodes() and not took_its_node(reason):
            self._charge(hand.errands[0], f"its worker died: {reason}")
        self._release(hand)
        self._hands.remove(hand)
        ray.kill(hand.actor)
        self._attempts.lost(hand.node, reason)

    def _release(self, hand: Hand, *others: Errand) -> None:
        """Take back what a worker has, and `others` that it had."""
        self._work.release(hand.name, [*others, *hand.errands])
        hand.calls.clear()

    def _charge(self, errand: Errand, reason: str) -> None:
        """Count a failed attempt at an errand; set its frame aside when there were enough."""
        attempt = self._attempts.fault(errand.frames, errand.stage)
        for frame in errand.frames:
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
