"""The cluster as a job finds it: which nodes it may use, what it asks for, and how that changes."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import ray
from ray.autoscaler.sdk import request_resources
from ray.exceptions import RayError
from ray.experimental.internal_kv import _internal_kv_get

from render.errors import FarmError
from render.farm.cluster import Crew, muster
from render.farm.preflight import Preflight
from render.spec.farm import Farm

LOOK = 5.0
"""Seconds after which the cluster is looked at again."""
GROWING = 1800.0
"""Seconds in which a cluster that can grow has to give a first worker its place."""
MOST_ASKED = 1000
"""Workers that are asked for at once where the job names no number."""

_STATUS = "__autoscaling_status"
_UNNAMED = "node_"
"""How Ray names the type of a node that no autoscaler started, before the node's number."""


class Site:
    """Sizes a crew by what the cluster has, and asks an autoscaler for what the job could use.

    A node is used once it has been looked at and found fit, and until it is told to leave. What was
    asked for is given back when the context ends, however it ends.

    Args:
        farm: what the job says of its workers.
        preflight: looks at nodes.

    Attributes:
        nodes: those that were alive at the last look.
    """

    def __init__(self, farm: Farm, preflight: Preflight) -> None:
        self.nodes: set[str] = set()
        self._farm = farm
        self._preflight = preflight
        self._grows = grows()
        self._due = 0.0
        self._leaving: set[str] = set()
        self._crew: Crew | None = None

    def __enter__(self) -> Site:
        return self

    def __exit__(self, *_: object) -> None:
        if self._grows:
            _give_back()

    def open(self, places: int) -> Iterator[str]:
        """Wait until there is room for a worker, and see that all nodes are fit; says what it waits for.

        Args:
            places: workers that could be busy at once.

        Raises:
            FarmError: the cluster has not what a worker needs, or one of its nodes is unfit.
        """
        crew = yield from await_room(self._farm, places)
        self._preflight.all(_fitting(alive(), crew), crew)
        self._crew = crew

    def look(self, places: int) -> tuple[Crew, Iterator[str]]:
        """The crew as it should be now, and what a person should know, by a look that is not too old."""
        if self._crew is not None and time.monotonic() < self._due:
            return self._crew, iter(())
        self._due = time.monotonic() + LOOK
        there = alive()
        self.nodes = set(there)
        self._leaving = set(ray._private.state.state.get_draining_nodes()) & there.keys()
        usable = {n: has for n, has in there.items() if n not in self._leaving}
        assert self._crew is not None, "opened first"
        notes = self._preflight.more(_fitting(usable, self._crew), self._crew)
        usable = {n: has for n, has in usable.items() if self._preflight.admits(n)}
        with suppress(FarmError):  # all nodes may be leaving, and others come
            self._crew = muster(self._farm, places, usable)
        if self._grows:
            most = MOST_ASKED if self._farm.workers == "auto" else self._farm.workers
            _ask(min(places, most), self._crew.cpus, self._crew.gpus)
        return self._crew, iter(notes)

    def admits(self, node: str) -> bool:
        """Whether workers may be on a node: it was looked at, is fit, and is not told to leave."""
        return node not in self._leaving and self._preflight.admits(node)

    def awaits(self, node: str) -> bool:
        """Whether it will soon be known if a node is fit: it has just joined."""
        return node not in self.nodes or (
            node not in self._leaving and self._preflight.awaits(node)
        )

    @property
    def barred(self) -> set[str]:
        """Nodes, as far as it knows of them, on which no worker is to be hired."""
        return {node for node in self.nodes if not self.admits(node)}

    @property
    def leaving(self) -> Collection[str]:
        """Nodes that were told to leave, which get no more work."""
        return self._leaving


def await_room(farm: Farm, places: int) -> Generator[str, None, Crew]:
    """Wait until there is room for a worker, if the cluster can grow; says what it waits for.

    What it asks an autoscaler for is for the caller to give back.

    Args:
        farm: what the job says of its workers.
        places: workers that could be busy at once.

    Returns:
        The crew, as it could be now.

    Raises:
        FarmError: the cluster has not what a worker needs.
    """
    growing, told = grows(), False
    deadline = time.monotonic() + GROWING
    while True:
        try:
            return muster(farm, places, alive())
        except FarmError:
            if not growing or time.monotonic() > deadline:
                raise
        if not told:
            yield "waiting for the cluster to start a node with room for a worker"
        told = True
        _ask(1, farm.cpus_per_worker, _gpus(farm))
        time.sleep(min(LOOK, 1.0))


@contextmanager
def growth() -> Iterator[bool]:
    """Whether an autoscaler looks after the cluster; in the end it gets back what it was asked for."""
    growing = grows()
    try:
        yield growing
    finally:
        if growing:
            _give_back()


def grows() -> bool:
    """Whether an autoscaler looks after the cluster: it gives its nodes types with names."""
    names: list[str] = []
    with suppress(ValueError, KeyError, TypeError, RayError):
        status = _internal_kv_get(_STATUS)
        if status:
            names += json.loads(status)["autoscaler_report"]["node_type_mapping"].values()
    return any(not name.startswith(_UNNAMED) for name in names)


def _ask(workers: int, cpus: int, gpus: float) -> None:
    # Asked for again at every look: another job on the cluster may have asked for something else.
    shape: dict[str, float] = {"CPU": cpus, **({"GPU": gpus} if gpus else {})}
    request_resources(bundles=[shape] * workers)


def _give_back() -> None:
    with suppress(RayError, ConnectionError):  # of a cluster that has gone
        request_resources(bundles=[])


def _gpus(farm: Farm) -> float:
    return 0.0 if farm.gpus_per_worker == "auto" else farm.gpus_per_worker


def alive() -> dict[str, Mapping[str, Any]]:
    """What Ray says of each node that is alive, by its number."""
    return {node["NodeID"]: node for node in ray.nodes() if node["Alive"]}


def _fitting(nodes: Mapping[str, Mapping[str, Any]], crew: Crew) -> dict[str, Mapping[str, Any]]:
    """Those of the nodes that would have room for a worker, were they idle."""
    return {
        number: node
        for number, node in nodes.items()
        if node["Resources"].get("CPU", 0) >= crew.cpus
        and node["Resources"].get("GPU", 0) >= crew.gpus
    }
