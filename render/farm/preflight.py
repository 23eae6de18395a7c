"""A look at every node before the first frame, so that what would fail or differ there is known then."""

from __future__ import annotations

import math
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayError, RayTaskError, TaskUnschedulableError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from render import storage
from render.assembly import fastest_precision
from render.errors import FarmError, RenderError
from render.farm.cluster import Crew
from render.farm.faults import first_line, told
from render.farm.transfer import direct
from render.settle import settle
from render.spec.job import Job
from render.spec.url import AnyPath
from render.versions import code_digest, versions
from render.weights import check_weights

PATIENCE = 180.0
"""Seconds in which a node has to start a process that looks around."""


Nodes = Mapping[str, Mapping[str, Any]]
"""What Ray says of nodes, by their numbers."""


@dataclass(frozen=True)
class Reach:
    """Places that workers use themselves, with `farm.transfer: direct`.

    Attributes:
        read: one that has to be there for them, if they read.
        write: a folder that they have to be able to write to, where the driver sees it, if they write.
    """

    read: AnyPath | None
    write: AnyPath | None


@dataclass(frozen=True)
class Found:
    """What a node says about itself.

    Attributes:
        versions: by name.
        code: digest of this program's code.
        precision: what `model.precision: auto` is there.
        faults: what would not work there, one sentence each.
        mark: a file that it wrote for the driver to see, if it was asked to.
    """

    versions: Mapping[str, str]
    code: str
    precision: str
    faults: tuple[str, ...]
    mark: AnyPath | None


def reach_of(job: Job, first: AnyPath, store: AnyPath) -> Reach | None:
    """What workers use themselves, for every node to try; `None`: nothing.

    Args:
        job: what is rendered.
        first: one of its pictures.
        store: folder of the job's store, in which nodes may leave a mark.
    """
    read = first if direct(job, first) else None
    write = store if direct(job, job.output.path) else None
    return Reach(read, write) if read is not None or write is not None else None


def look(
    job: Job, weights: Mapping[str, str], reach: Reach | None, *, gpu: bool, node: str
) -> Found:
    """What a job would meet on this node.

    Args:
        job: what is to be rendered.
        weights: digests of the driver's files of weights, by key.
        reach: what workers read and write themselves, if they do.
        gpu: workers will paint on GPUs.
        node: number that Ray gave this node.
    """
    faults = []
    mark = None
    device = settle(job.farm.cpus_per_worker, gpu=gpu)
    try:
        check_weights(job, weights)
        if reach is not None and reach.read is not None and storage.facts(reach.read) is None:
            faults.append(
                f"{reach.read} is not there; use a common disk or a URL, or farm.transfer=driver"
            )
        if reach is not None and reach.write is not None:
            mark = reach.write / f"preflight-{node}"
            storage.write(mark, b"seen")
    except RenderError as error:
        faults.append(str(error))
    precision = str(fastest_precision(device)).removeprefix("torch.")
    return Found(versions(), code_digest(), precision, tuple(faults), mark)


class Preflight:
    """Looks at nodes, by a short process on each.

    A cluster of one node has nothing on it to differ from, and the driver has read all that the job
    needs there itself: it is not asked.

    Args:
        job: what is to be rendered.
        weights: digests of the driver's files of weights, by key.
        reach: what workers read and write themselves, if they do.

    Attributes:
        unfit: nodes on which frames would fail or come out different.
        unknown: nodes that have not answered yet.
    """

    def __init__(self, job: Job, weights: Mapping[str, str], reach: Reach | None = None) -> None:
        self.unfit: set[str] = set()
        self.unknown: set[str] = set()
        self._job = job
        self._weights = weights
        self._reach = reach
        self._known: set[str] = set()
        self._asked: dict[str, ray.ObjectRef] = {}
        self._due: dict[str, float] = {}  # when those that joined are overdue, which is said once
        self._found: dict[str, Found] = {}

    def all(self, nodes: Nodes, crew: Crew) -> None:
        """Look at all nodes before the first frame.

        Raises:
            FarmError: a line for each fault that was found.
        """
        if set(nodes) == {ray.get_runtime_context().get_node_id()}:
            self._known |= set(nodes)
            return
        self._ask(nodes, crew)
        faults = [fault for number, node in nodes.items() for fault in self._answer(number, node)]
        if faults:
            raise FarmError("\n".join(faults))

    def more(self, nodes: Nodes, crew: Crew) -> list[str]:
        """Look at nodes that have joined since, without waiting; what is wrong with any of them."""
        self._ask({n: node for n, node in nodes.items() if n not in self._known}, crew)
        self.unknown &= set(nodes)
        notes, now = [], time.monotonic()
        for number in sorted(self.unknown):
            node = nodes[number]
            if ray.wait([self._asked[number]], timeout=0)[0]:
                notes += [f"{fault}; this node is left out" for fault in self._answer(number, node)]
            elif now > self._due.setdefault(number, now + PATIENCE):
                self._due[number] = math.inf
                notes.append(
                    f"{_name(node)}: no answer within {PATIENCE:g} s; this node is left out until it "
                    "answers"
                )
        return notes

    def admits(self, node: str) -> bool:
        """Whether a node was looked at and found fit."""
        return node in self._known and node not in self.unknown and node not in self.unfit

    def awaits(self, node: str) -> bool:
        """Whether a node was asked, and its answer is not overdue."""
        return node in self.unknown and not math.isinf(self._due.get(node, 0))

    def _ask(self, nodes: Nodes, crew: Crew) -> None:
        for number in nodes:
            task = ray.remote(num_cpus=0, max_calls=1)(look).options(
                scheduling_strategy=NodeAffinitySchedulingStrategy(number, soft=False)
            )
            self._asked[number] = task.remote(
                self._job, self._weights, self._reach, gpu=crew.gpus > 0, node=number
            )
            self._known.add(number)
            self.unknown.add(number)

    def _answer(self, number: str, node: Mapping[str, Any]) -> list[str]:
        """What is wrong with a node."""
        faults: list[str] = []
        try:
            found = ray.get(self._asked[number], timeout=PATIENCE)
        except GetTimeoutError:
            faults.append(f"no answer within {PATIENCE:g} s")
        except RayTaskError as error:
            faults.append(told(error).splitlines()[0])
        except TaskUnschedulableError:
            pass  # it has gone, which Ray's list of nodes learns later
        except RayError as error:
            faults.append(first_line(error))
        else:
            faults += [*found.faults, *_differences(found), *_unseen(found), *self._other(found)]
            self._found[_name(node)] = found
        self.unknown.discard(number)
        if faults:
            self.unfit.add(number)
        return [f"{_name(node)}: {fault}" for fault in faults]

    def _other(self, found: Found) -> Iterator[str]:
        """Frames would come out different from those of the nodes before."""
        if self._job.model.precision != "auto" or self._job.engine != "vgg":
            return
        for name, other in self._found.items():
            if other.precision != found.precision:
                yield (
                    f"model.precision: auto is {found.precision} here, but {other.precision} on {name}; "
                    "set it to one that all have, such as float32"
                )
                return


def _name(node: Mapping[str, Any]) -> str:
    return f"node {node['NodeManagerHostname']} ({node['NodeManagerAddress']})"


def _differences(one: Found) -> Iterator[str]:
    """Where a node's software is not the driver's."""
    ours = versions()
    for name, theirs in one.versions.items():
        if theirs != ours[name]:
            yield f"{name} {theirs}, but {ours[name]} on {socket.gethostname()}; make them alike"
    if one.versions == ours and one.code != code_digest():
        yield "its code of render is not the driver's; install the same on all"


def _unseen(one: Found) -> Iterator[str]:
    """A file that a node wrote, but that is not where the driver looks for it."""
    if one.mark is None:
        return
    if storage.facts(one.mark) is None:
        yield (
            f"what it writes into {one.mark.parent} is not seen by the driver; use a common disk or a "
            "URL, or farm.transfer=driver"
        )
    else:
        storage.remove(one.mark)
