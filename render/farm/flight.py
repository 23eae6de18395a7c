"""Bytes on their way between the driver and its workers: never more than object stores hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass

import numpy as np
import ray

SHARE = 0.25
"""Of a node's object store that what is sent may fill. What comes back takes about as much again, and
the rest is for others, and for what Ray has not let go of yet."""


class Flight:
    """Counts what is under way, in all and by node.

    So that nobody waits for ever, something may always be sent where nothing is under way.

    Args:
        here: number of the driver's node, through whose object store everything goes.
        stores: gives the bytes of each node's object store; asked again where a node is new.
    """

    def __init__(self, here: str, stores: Callable[[], Mapping[str, float]]) -> None:
        self._here = here
        self._ask = stores
        self._stores: dict[str, float] = {}
        self._under_way: dict[object, tuple[str, int]] = {}
        self._by_node: Counter[str] = Counter()
        self._largest = 0

    def may(self, node: str) -> bool:
        """Whether there is room to send something more to a node."""
        return self._has_room(self._here, sum(self._by_node.values())) and self._has_room(
            node, self._by_node[node]
        )

    def sent(self, call: object, node: str, task: object) -> None:
        """A task is on its way."""
        weight = weigh(task)
        self._largest = max(self._largest, weight)
        self._under_way[call] = node, weight
        self._by_node[node] += weight

    def back(self, call: object) -> None:
        """It is done with, or given up."""
        node, weight = self._under_way.pop(call, ("", 0))
        self._by_node[node] -= weight

    def _has_room(self, node: str, filled: int) -> bool:
        if filled == 0:
            return True
        if node not in self._stores:
            self._stores = {node: 0.0, **self._ask()}
        return filled + self._largest <= SHARE * self._stores[node]


def weigh(task: object) -> int:
    """Bytes of all pictures and files in a task."""
    if isinstance(task, np.ndarray):
        return task.nbytes
    if isinstance(task, bytes):
        return len(task)
    if isinstance(task, (list, tuple)):
        return sum(map(weigh, task))
    if is_dataclass(task):
        return sum(weigh(getattr(task, field.name)) for field in fields(task))
    return 0


def object_stores() -> dict[str, float]:
    """Bytes of the object store of each node that is alive."""
    return {
        node["NodeID"]: node["Resources"].get("object_store_memory", 0.0)
        for node in ray.nodes()
        if node["Alive"]
    }
