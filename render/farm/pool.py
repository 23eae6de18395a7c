"""Workers that jobs share: a process, and what it has loaded, outlives the job that hired it."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Collection
from typing import Self

import ray

from render.farm.cluster import Crew
from render.farm.hands import Hand, hire


class Pool:
    """Lends workers to jobs, which may run side by side in threads; a context manager, which ends them.

    Args:
        most: workers at most, of all jobs together; `None`: as many as the jobs ask for.

    Attributes:
        peak: how many workers ran at once at most, once it is closed.
    """

    def __init__(self, most: int | None = None) -> None:
        self.peak = 0
        self._most = most
        self._names = (f"worker-{number}" for number in itertools.count(1))
        self._changed = threading.Condition()
        self._hired: list[Hand] = []
        self._idle: list[Hand] = []
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def take(self, crew: Crew, avoided: Collection[str], *, wait: bool) -> Hand | None:
        """A worker that is nobody else's: one that another job gave back, else a new one.

        Args:
            crew: what it needs; the same for all jobs.
            avoided: nodes that it must not be on.
            wait: until one is given back, if all are taken; else it is `None` then.

        Raises:
            KeyboardInterrupt: the pool was closed, by whoever was interrupted.
        """
        with self._changed:
            while not self._closed:
                for hand in self._idle:
                    if hand.node not in avoided:
                        self._idle.remove(hand)
                        return hand
                if self._most is None or len(self._hired) - len(self._idle) < self._most:
                    if self._idle:  # only ones that are avoided, whose places are wanted
                        self.end(self._idle.pop())
                    hand = hire(next(self._names), crew, avoided)
                    self._hired.append(hand)
                    return hand
                if not wait:
                    return None
                self._changed.wait()
            raise KeyboardInterrupt

    def relieve(self, hands: list[Hand], avoided: Collection[str]) -> None:
        """Let a job's workers go that wait for room, where the next `take` finds some.

        Workers that nobody has may hold it, and would for ever. Or a worker avoids a node that is to be
        avoided no longer: Ray never asks again what it avoids.

        Args:
            hands: all workers of the job, less those that are let go.
            avoided: nodes whose workers the job has no use for.
        """
        with self._changed:
            spare = sum(hand.node not in avoided for hand in self._idle)
            waiting = [hand for hand in hands if hand.waits()]
            for place, hand in enumerate(waiting):
                if place < spare or not set(hand.avoided) <= set(avoided):
                    hands.remove(hand)
                    self.end(hand)

    def give_back(self, hand: Hand) -> None:
        """Let other jobs have a worker; one that has work in its hands, or has not begun, is ended."""
        with self._changed:
            if not hand.ready or hand.calls or self._closed:
                self.end(hand)
                return
            hand.ready = False  # until it has loaded what the next job needs
            self._idle.append(hand)
            self._changed.notify()

    def end(self, hand: Hand) -> None:
        """End a worker; another may take its place."""
        with self._changed:
            self.peak = max(self.peak, sum(hand.node is not None for hand in self._hired))
            if hand in self._hired:
                self._hired.remove(hand)
            ray.kill(hand.actor)
            self._changed.notify()

    def close(self) -> None:
        """End all workers, whoever has them, and let nobody wait."""
        with self._changed:
            self._closed = True
            while self._hired:
                self.end(self._hired[-1])
            self._changed.notify_all()
