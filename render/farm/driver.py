"""The driver: hires workers, feeds them, has committed what they paint, and replaces those that die.

Results do not depend on anything that happens here. Who paints which unit, in which order units are
begun and how many frames wait at a worker changes only the time that it takes.
"""

from __future__ import annotations

import time

import ray
from ray.exceptions import RayActorError, RayError, RayTaskError

from render.errors import FarmError, OutputError
from render.farm.actor import BatchReply, Placed, Ready, Reply
from render.farm.attempts import Attempts, failure_limit
from render.farm.cluster import Crew
from render.farm.events import (
    Event,
    FrameFailed,
    FrameRetried,
    FrameSent,
    Note,
    OnEvent,
    WorkerLost,
    WorkerReady,
)
from render.farm.faults import cause_of_death, first_line, own_error, told, took_its_node
from render.farm.flight import Flight, object_stores
from render.farm.hands import Hand
from render.farm.lanes import Lanes
from render.farm.pictures import Pictures, PictureSource
from render.farm.pool import Pool
from render.farm.preflight import Preflight, Reach, reach_of
from render.farm.site import LOOK, Site, alive
from render.farm.transfer import keeper_of
from render.farm.work import Errand, Fault, Work
from render.materials import Materials
from render.media.frames import FrameError
from render.media.source import MovingSource
from render.places import store_place
from render.plan import Plan
from render.spec.job import Job
from render.store import Store
from render.together import Keeper

Answer = Placed | Ready | Reply | BatchReply


class Driver:
    """Renders all frames of a plan that the store has not.

    Args:
        job: what to render.
        plan: in which order.
        source: the input.
        materials: what the workers need beside it.
        store: takes what is finished.
        keeper: see `Pictures`; `None`: as the job says.

    Attributes:
        failed: frames that were set aside, with the reason.
        workers: how many workers there were at most.
    """

    def __init__(
        self,
        job: Job,
        plan: Plan,
        source: MovingSource | PictureSource,
        materials: Materials,
        store: Store,
        keeper: Keeper | None = None,
    ) -> None:
        self.failed: dict[int, str] = {}
        self.workers = 0
        self._gave_up = False
        self._limit = failure_limit(job.farm.max_failed, plan.total)
        self._job = job
        self._attempts = Attempts(job.farm.retries, job.farm.losses)
        self._hands: list[Hand] = []
        self._materials = materials
        self._work: Work
        self._reach: Reach | None = None
        if isinstance(source, MovingSource):
            self._work = Lanes(job, plan, source, store, self.failed)
        else:
            keeper = keeper or keeper_of(job)
            self._work = Pictures(job, source, store, self.failed, keeper)
            self._reach = reach_of(job, source.path(source.frames[0]), store_place(job))

    def run(self, pool: Pool, on_event: OnEvent) -> None:
        """Work until every frame is committed or set aside, or too many are set aside.

        Args:
            pool: where workers come from; they go back to it, or it ends them.
            on_event: is told what happens.

        Raises:
            FarmError: the cluster has not what the job needs, or its workers keep dying.
            WeightsError: a worker cannot load the model.
            OutputError: what is finished cannot be kept, here or by a worker.
        """
        self._on_event = on_event
        self._pool = pool
        self._flight = Flight(ray.get_runtime_context().get_node_id(), object_stores)
        self._given = ray.put(self._job), ray.put(self._materials)
        preflight = Preflight(self._job, self._materials.weights, self._reach)
        with Site(self._job.farm, preflight) as self._site:
            try:
                for note in self._site.open(self._work.places()):
                    on_event(Note(note, shared=True))
                while (places := self._work.places()) and not self._gave_up:
                    self._staff(places)
                    for hand in self._hands:
                        self._feed(hand)
                    self._collect()
                    # Nobody waits for ever: with nobody at work, there must be something to give.
                    if not any(hand.calls for hand in self._hands) and (why := self._work.stuck()):
                        raise FarmError(f"no frame can be painted: {why}")
            finally:
                self._work.close()
                for hand in self._hands:
                    pool.give_back(hand)

    def _staff(self, places: int) -> None:
        """Hire whom there is room for, and let those go whose node is told to leave."""
        crew, notes = self._site.look(places)
        for note in notes:
            self._on_event(Note(note, shared=True))
        for hand in [hand for hand in self._hands if hand.node in self._site.leaving]:
            hand.leaving = True
            if not hand.calls:
                self._dismiss(hand, "its node is told to leave")
        self._hire(crew, min(crew.workers, places))
        self.workers = max(self.workers, len(self._hands))

    def _hire(self, crew: Crew, most: int) -> None:
        """Take so many workers, as far as there are; other jobs may have those that are left over."""
        avoided = self._site.barred.union(self._attempts.avoided(self._site.nodes))
        self._pool.relieve(self._hands, avoided)
        while len(self._hands) < most:
            hand = self._pool.take(crew, avoided, wait=not self._hands)
            if hand is None:
                break
            self._hands.append(hand)
            if hand.node is not None:  # it runs already, for another job until now
                hand.send(hand.actor.load.remote(*self._given), None)
        idle = [hand for hand in self._hands if hand.ready and not hand.calls]
        spare = [hand for hand in self._hands if hand.node is None] + idle  # waiting ones go first
        for hand in spare[: max(0, len(self._hands) - most)]:
            self._hands.remove(hand)
            self._release(hand)
            self._pool.give_back(hand)

    def _feed(self, hand: Hand) -> None:
        """Give a worker errands until as many wait at it as may."""
        if hand.node is None or not hand.ready or hand.leaving:
            return
        while (
            not self._gave_up
            and len(hand.calls) < self._job.farm.in_flight
            and self._flight.may(hand.node)
        ):
            try:
                errand = self._work.next(hand.name)
            except FrameError as error:
                # What cannot be read now cannot be read by another worker either.
                self._set_aside(error.frame, str(error))
                continue
            if errand is None:
                return
            self._flight.sent(hand.give(errand), hand.node, errand.task)
            for frame in errand.frames:
                self._on_event(FrameSent(frame, errand.stage, errand.shot, hand.name))

    def _collect(self) -> None:
        """Wait until some calls come back and deal with them, or for a worker to be taken for hung."""
        calls = {call: hand for hand in self._hands for call in hand.calls}
        if not calls:
            return
        timeout = self._job.farm.timeout
        waits = [left for hand in self._hands if (left := hand.patience(timeout)) is not None]
        done, _ = ray.wait(list(calls), num_returns=1, timeout=min([*waits, LOOK]))
        if not done:
            for hung in [hand for hand in self._hands if hand.patience(timeout) == 0]:
                self._lose(hung, f"no answer within farm.timeout ({timeout:g} s)")
        # Of a thousand workers many have answered meanwhile; asking once for each takes its time.
        more, _ = ray.wait(list(calls), num_returns=len(calls), timeout=0) if done else ([], [])
        for call in more:
            hand = calls[call]
            if call in hand.calls and not self._gave_up:  # else it was released with another one
                self._receive(hand, call)

    def _receive(self, hand: Hand, call: ray.ObjectRef) -> None:
        """Deal with one call that came back."""
        hand.since = time.monotonic()
        errand = hand.calls[call]
        try:
            answer = ray.get(call)
        except RayActorError as error:
            self._lose(hand, first_line(cause_of_death(hand.actor, error)))
        except RayTaskError as error:
            if errand is None or isinstance(error.cause, OutputError):
                raise own_error(error) from error
            self._charge_all(errand, told(error))
            self._release(hand)
        except RayError as error:  # the reply was lost on its way, with its node for example
            self._lose(hand, first_line(error))
        else:
            del hand.calls[call]
            self._flight.back(call)
            self._take(hand, errand, answer)

    def _take(self, hand: Hand, errand: Errand | None, answer: Answer) -> None:
        """Deal with what a worker says."""
        match answer:
            case Placed(node) if self._site.awaits(node):  # one that joined after it was hired
                hand.ask_again()
            case Placed(node) if not self._site.admits(node):
                self._hands.remove(hand)
                self._pool.end(hand)
            case Placed(node):
                hand.node = node
                hand.send(hand.actor.load.remote(*self._given), None)
            case Ready():
                hand.ready = True
                about = answer.node, answer.process, answer.device, answer.gpus, answer.seconds
                self._on_event(WorkerReady(hand.name, *about))
            case Reply() | BatchReply() if errand is not None:
                self._attempts.answered()
                events = self._work.take(errand, answer, hand.name)
                if events is None:  # a late report of an attempt that was given up
                    self._release(hand, errand)
                else:
                    for event in events:
                        self._hear(event)

    def _hear(self, what: Event | Fault) -> None:
        """Hand on what happened to a frame, or deal with it."""
        match what:
            case Fault(frame, stage, reason, final=True):
                self._set_aside(frame, reason)
            case Fault(frame, stage, reason):
                self._charge(frame, stage, reason)
            case _:
                self._on_event(what)

    def _lose(self, hand: Hand, reason: str) -> None:
        """A worker died; what was in its hands, the oldest errand, is charged with it.

        Unless its node went too: that is no fault of the frame.
        """
        if hand.errands and hand.node in alive() and not took_its_node(reason):
            self._charge_all(hand.errands[0], f"its worker died: {reason}")
        self._dismiss(hand, reason)
        self._attempts.lost(hand.node, reason)

    def _dismiss(self, hand: Hand, reason: str) -> None:
        """Take back what a worker has, and forget it."""
        self._on_event(WorkerLost(hand.name, reason))
        self._release(hand)
        self._hands.remove(hand)
        self._pool.end(hand)

    def _release(self, hand: Hand, *others: Errand) -> None:
        """Take back what a worker has, and `others` that it had."""
        self._work.release(hand.name, [*others, *hand.errands])
        for call in hand.calls:
            self._flight.back(call)
        hand.calls.clear()

    def _charge_all(self, errand: Errand, reason: str) -> None:
        """Count a failed attempt at all of an errand that is about to be released.

        After enough of them, each of several frames is tried by itself: one of them may be at fault.
        """
        if len(errand.frames) == 1:
            self._charge(errand.frames[0], errand.stage, reason)
        elif (attempt := self._attempts.fault(errand.frames, errand.stage)) is None:
            self._work.separate(errand)
        else:
            for frame in errand.frames:
                self._on_event(FrameRetried(frame, attempt, reason))

    def _charge(self, frame: int, stage: int, reason: str) -> None:
        """Count a failed attempt at a frame; set it aside when there were enough."""
        attempt = self._attempts.fault((frame,), stage)
        if attempt is None:
            self._set_aside(frame, reason)
        else:
            self._on_event(FrameRetried(frame, attempt, reason))

    def _set_aside(self, frame: int, reason: str) -> None:
        self.failed[frame] = reason
        self._on_event(FrameFailed(frame, reason))
        if self._limit is not None and len(self.failed) > self._limit and not self._gave_up:
            self._gave_up = True
            self._on_event(Note("stopped: more frames failed than farm.max_failed allows"))
