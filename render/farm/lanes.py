"""Units of a film as work: their lanes, and which of them a worker goes on with."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Container, Iterator, Sequence
from dataclasses import asdict, dataclass

from render.farm.actor import BatchReply, Reply
from render.farm.events import Event, FrameDone, StageDone
from render.farm.lane import Lane
from render.farm.work import Errand
from render.media.frames import Source
from render.plan import Plan, Unit
from render.spec.job import Job
from render.store import Store
from render.turns import foremost, gives_way, in_order


@dataclass(eq=False)
class LaneErrand(Errand):
    """A lane's next frame."""

    lane: Lane


class Lanes:
    """The lanes of all units that are not finished; see `Work`.

    Args:
        job: what is rendered.
        plan: its units.
        source: its frames.
        store: what is finished.
        failed: frames that are set aside.
    """

    def __init__(
        self, job: Job, plan: Plan, source: Source, store: Store, failed: Container[int]
    ) -> None:
        self._job = job
        self._source = source
        self._store = store
        self._failed = failed
        todo = [u for u in plan.units if any(frame not in store.records for frame in u.frames)]
        self._waiting = deque(in_order(todo))
        self._open: list[Lane] = []
        self._sent: dict[str, list[Lane]] = {}  # lanes of the errands under way, by worker
        self._own: dict[str, Lane | None] = {}  # the lane of a worker's last errand, if it had one
        self._held: dict[str, dict[tuple[int, int], tuple[int, ...]]] = {}
        """By worker, the frames of each lane (unit and stage) that it was sent last and still has."""

    def places(self) -> int:
        """Lanes that are left."""
        self._close_ended()
        return len(self._open) + sum(unit.stages for unit in self._waiting)

    def next(self, worker: str) -> LaneErrand | None:
        """The next frame of the lane that a worker should go on with.

        Raises:
            FrameError: the frame cannot be read; once it is set aside, go on.
        """
        lane = self._lane_for(worker)
        if lane is None:
            return None
        unit, held = lane.unit, self._held.get(worker, {})
        own = held.get((unit.number, lane.stage), ())
        task = lane.next(own)
        # The worker forgets other units' pictures, and all but the last of these, likewise.
        held = {line: frames for line, frames in held.items() if line[0] == unit.number}
        held[unit.number, lane.stage] = (*own, task.frame.index)[-lane.keep :]
        self._held[worker] = held
        self._sent.setdefault(worker, []).append(lane)
        self._own[worker] = lane
        return LaneErrand(task, (task.frame.index,), lane.stage, unit.shot, lane)

    def take(
        self, errand: Errand, reply: Reply | BatchReply, worker: str
    ) -> Iterator[Event] | None:
        """Commit a frame, or a stage of one; `None`: it is of an attempt that was given up."""
        assert isinstance(errand, LaneErrand)
        assert isinstance(reply, Reply)
        if reply.attempt != errand.lane.attempt:
            return None
        self._sent[worker].remove(errand.lane)
        return iter([self._commit(errand.lane.unit, reply, worker)])

    def release(self, worker: str, errands: Sequence[Errand]) -> None:
        """Take a worker's lanes back, to be gone on with from what is committed."""
        lanes = {id(e.lane): e.lane for e in errands if isinstance(e, LaneErrand)}
        for lane in lanes.values():
            lane.rewind()
        for known in (self._sent, self._own, self._held):
            known.pop(worker, None)

    def separate(self, errand: Errand) -> None:
        """An errand is one frame."""

    def stuck(self) -> str | None:
        """Lanes of which none has a frame to give."""
        self._close_ended()
        if self._waiting or not self._open or any(lane.ready() for lane in self._open):
            return None
        stuck = ", ".join(f"unit {lane.unit.number} stage {lane.stage}" for lane in self._open)
        return f"{stuck} wait for pictures that nobody makes"

    def close(self) -> None:
        """Stop reading."""
        for lane in self._open:
            lane.close()

    def _lane_for(self, worker: str) -> Lane | None:
        """The lane whose next frame a worker should paint, if there is one.

        A worker stays with a lane as long as frames of it wait there, because the next may start
        from a picture that only it has; unless a longer one waits, which nobody else is free for. Else
        the `foremost` is next.
        """
        own = self._own.setdefault(worker, None)
        while 0 < len(self._waiting) < len(self._own):
            self._open_next()
        taken = self._taken()
        free = [lane for lane in self._open if id(lane) not in taken and lane.ready()]
        busy = bool(self._sent.get(worker))
        if busy and own is not None and not own.ready():
            return None
        if own is not None and (busy or own in free):
            others = [lane.turns for lane in free if lane is not own]
            idle = any(not self._sent.get(other) for other in self._own if other != worker)
            if idle or not gives_way(own.turns, others, len(self._own)):
                return own
        while not free and self._waiting:
            free = [lane for lane in self._open_next() if lane.ready()]
        return foremost(free) if free else None

    def _open_next(self) -> list[Lane]:
        """The lanes of the next unit, from now on among those that workers are given."""
        unit = self._waiting.popleft()
        made = [self._lane(unit, stage) for stage in range(unit.stages)]
        self._open += made
        return made

    def _lane(self, unit: Unit, stage: int) -> Lane:
        return Lane(self._job, unit, stage, self._source, self._store, self._failed)

    def _taken(self) -> set[int]:
        return {id(lane) for lanes in self._sent.values() for lane in lanes}

    def _close_ended(self) -> None:
        """Let go of lanes that have nothing left to send and nothing under way."""
        taken = self._taken()
        for lane in [one for one in self._open if id(one) not in taken and one.ended()]:
            lane.close()
            self._open.remove(lane)

    def _commit(self, unit: Unit, reply: Reply, worker: str) -> Event:
        about = {
            "unit": unit.number,
            "worker": worker,
            "seconds": round(reply.seconds, 3),
            "evaluations": reply.evaluations,
            "loss": reply.loss,
            "trace": reply.trace,
            "at": round(time.time(), 3),
        }
        if reply.warping is not None:
            about["warping"] = asdict(reply.warping)
        if reply.detail is not None:
            about["detail"] = asdict(reply.detail)
        if reply.changed:
            about["changed"] = reply.changed
        if reply.source is not None:
            about["source"] = reply.source
        if reply.stage < unit.stages - 1:
            file = f"stages/{reply.frame:06}.{reply.stage}.png"
            self._store.commit(
                reply.frame,
                file,
                reply.data,
                about,
                stage=reply.stage,
                curvature=reply.curvature,
            )
            return StageDone(reply.frame, reply.stage, worker, reply.evaluations, reply.seconds)
        self._store.commit(reply.frame, f"frames/{reply.frame:06}.png", reply.data, about)
        return FrameDone(
            reply.frame,
            unit.number,
            unit.shot,
            worker,
            reply.seconds,
            reply.evaluations,
            reply.loss,
        )
