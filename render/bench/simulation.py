"""A farm of any size on a simulated clock: real plan, real dispatch, simulated workers and losses.

The driver is one, and takes its time over every picture; workers load their model, paint, are lost and
come back. What is simulated is only how long things take.
"""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from render.batches import Batch, Size, portions
from render.dispatch import Dispatch, Given
from render.spec.job import Job


@dataclass(frozen=True)
class World:
    """What is assumed.

    Attributes:
        workers: of the farm.
        seconds: that a batch takes, on any worker; `None`: what the plan assumes.
        lost_an_hour: share of the workers that is lost in an hour.
        away: seconds until one is replaced.
        load: seconds until a new one has its model.
        driver: seconds that the driver has to do with a picture.
        in_flight: batches that wait at a worker, the one in hand included.
        seed: of the losses.
    """

    workers: int
    seconds: Callable[[Batch], float] | None = None
    lost_an_hour: float = 0.0
    away: float = 120.0
    load: float = 0.0
    driver: float = 0.0
    in_flight: int = 2
    seed: int = 0


@dataclass(frozen=True)
class Outcome:
    """How it went.

    Attributes:
        seconds: until the last picture.
        ideal: the work of all pictures, shared out evenly, with nothing lost and nothing waited for.
        losses: workers that were lost.
        pictures: that were painted.
        painted_in_vain: seconds of painting that were lost with a worker.
    """

    seconds: float
    ideal: float
    losses: int
    pictures: int
    painted_in_vain: float

    @property
    def efficiency(self) -> float:
        """Share of the ideal: 1 is perfect."""
        return self.ideal / self.seconds if self.seconds else 1.0


@dataclass
class _Worker:
    """One of the simulated; `era` tells what was expected of it from what came after a loss."""

    held: deque[Given] = field(default_factory=deque)
    begun: float | None = None
    era: int = 0


def simulate(job: Job, sizes: Sequence[Size], world: World) -> Outcome:
    """Render pictures of these sizes, as rendered."""
    return _Simulation(job, sizes, world).run()


class _Simulation:
    def __init__(self, job: Job, sizes: Sequence[Size], world: World) -> None:
        self.world = world
        self.done: set[int] = set()
        units = portions(job, enumerate(sizes), len(sizes))
        self.dispatch = Dispatch(units, lambda frame: frame not in self.done)
        self.seconds = world.seconds or (lambda batch: batch.seconds)
        self.crew = {f"worker-{n}": _Worker() for n in range(world.workers)}
        self.idle: dict[str, None] = {}
        self.events: list[tuple[float, int, str, str, int]] = []
        self.count = 0
        self.now = self.driver_free = self.work = self.vain = 0.0
        self.losses = 0
        self.dice = random.Random(world.seed)

    def run(self) -> Outcome:
        for name in self.crew:
            self._at(self.world.load, "ready", name)
            self._doom(name)
        end = 0.0
        while self.dispatch.left:
            self.now, _, what, name, era = heapq.heappop(self.events)
            worker = self.crew[name]
            if era != worker.era:
                continue
            match what:
                case "ready":
                    self._feed(name)
                case "painted":
                    self._painted(name, worker)
                    end = self.now
                case "lost":
                    self._lose(name, worker)
        ideal = self.work / self.world.workers
        return Outcome(end, ideal, self.losses, len(self.done), self.vain)

    def _at(self, time: float, what: str, name: str) -> None:
        self.count += 1
        era = self.crew[name].era
        heapq.heappush(self.events, (time, self.count, what, name, era))

    def _doom(self, name: str) -> None:
        """Draw when a worker will be lost."""
        if self.world.lost_an_hour:
            life = self.dice.expovariate(self.world.lost_an_hour / 3600)
            self._at(self.now + life, "lost", name)

    def _feed(self, name: str) -> None:
        """Send a worker what it may have, as the driver does: it takes its time."""
        worker = self.crew[name]
        while len(worker.held) < self.world.in_flight:
            given = self.dispatch.next(name)
            if given is None:
                break
            takes = self.world.driver * len(given.batch.frames)
            self.driver_free = max(self.driver_free, self.now) + takes
            worker.held.append(given)
            if worker.begun is None:
                self._begin(name, worker, self.driver_free)
        if worker.held:
            self.idle.pop(name, None)
        else:
            self.idle[name] = None

    def _begin(self, name: str, worker: _Worker, time: float) -> None:
        worker.begun = time
        self._at(time + self.seconds(worker.held[0].batch), "painted", name)

    def _painted(self, name: str, worker: _Worker) -> None:
        given = worker.held.popleft()
        self.dispatch.done(name, given)
        self.done.update(given.batch.frames)
        self.work += self.seconds(given.batch)
        worker.begun = None
        if worker.held:
            self._begin(name, worker, self.now)
        self._feed(name)

    def _lose(self, name: str, worker: _Worker) -> None:
        self.losses += 1
        if worker.begun is not None:
            self.vain += max(0.0, self.now - worker.begun)
        self.dispatch.release(name, list(worker.held))
        worker.held.clear()
        worker.begun = None
        worker.era += 1
        self.idle.pop(name, None)
        self._at(self.now + self.world.away + self.world.load, "ready", name)
        self._doom(name)
        for other in list(self.idle):  # what it had is there for them
            self._feed(other)
