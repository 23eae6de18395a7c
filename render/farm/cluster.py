"""Starting or joining Ray, and what a job may ask of it."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

# Set before Ray reads them: no telemetry, and no shouting about calls that the driver gave up.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_IGNORE_UNHANDLED_ERRORS", "1")

import ray
from ray._private import ray_constants
from ray._private import utils as ray_utils
from ray.exceptions import RayError

from render.errors import FarmError
from render.spec.farm import Farm


@dataclass(frozen=True)
class Crew:
    """How many workers a job gets, and what each asks of Ray."""

    workers: int
    cpus: int
    gpus: float


@contextmanager
def connected(farm: Farm) -> Iterator[None]:
    """Join the cluster that `farm.address` or the surroundings name, or start Ray on this machine.

    A Ray that this starts ends with the context; one that was already there is left as it is.

    Raises:
        FarmError: Ray cannot be started or joined.
    """
    if ray.is_initialized():
        yield
        return
    # `ray job submit` puts the cluster's address into RAY_ADDRESS.
    address = farm.address or os.environ.get("RAY_ADDRESS")
    on_terminate = signal.getsignal(signal.SIGTERM)
    try:
        with _command_line_in_ascii():
            if address:
                ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
            else:
                _start_here(farm)
    except Exception as error:  # which is what Ray raises where a node of its own starts too slowly
        where = f"joined at {address}" if address else "started on this machine"
        raise FarmError(f"Ray cannot be {where}: {error}") from error
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, on_terminate)  # Ray puts its own in, which exits at once
    try:
        yield
    finally:
        ray.shutdown()


@contextmanager
def _command_line_in_ascii() -> Iterator[None]:
    """Have Ray tell its cluster of a command line that it can send.

    It sends text, and names of files on the line may be bytes that are none. Only then is Ray's own
    function touched, which no release promises to keep.
    """
    if all(word.isascii() for word in sys.orig_argv):
        yield
        return
    theirs = ray_utils.get_entrypoint_name

    def ours() -> str:
        return str(theirs()).encode("ascii", "backslashreplace").decode()

    ray_utils.get_entrypoint_name = ours
    try:
        yield
    finally:
        ray_utils.get_entrypoint_name = theirs


def _start_here(farm: Farm) -> None:
    cpus = os.cpu_count() or 1
    if farm.workers != "auto":  # more workers than cores is slow, but what was asked for
        cpus = max(cpus, farm.workers * farm.cpus_per_worker)
    # Ray listens on loopback alone only if it believes that this machine is in no cluster, as it does
    # on macOS and Windows; given 127.0.0.1 as the node's address, it looks for an outer one instead.
    elsewhere = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        ray.init(
            address="local",
            num_cpus=cpus,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = elsewhere


class _Probe:
    """The smallest actor."""

    def answer(self) -> str:
        """The version of Ray over there."""
        return str(ray.__version__)


def try_actor(timeout: float = 60.0) -> str:
    """Start a real actor and ask it something; what the cluster has, in words.

    Raises:
        FarmError: no actor started in time, or it died.
    """
    probe = ray.remote(num_cpus=1)(_Probe).remote()
    try:
        answer = ray.get(probe.answer.remote(), timeout=timeout)
    except RayError as error:
        raise FarmError(f"Ray runs, but an actor did not start: {error}") from error
    finally:
        ray.kill(probe)
    there = ray.cluster_resources()
    cpus, gpus = there.get("CPU", 0), there.get("GPU", 0)
    return f"Ray {answer}, {cpus:g} CPUs, {gpus:g} GPUs; an actor started and answered"


def muster(farm: Farm, units: int, nodes: Mapping[str, Mapping[str, Any]] | None = None) -> Crew:
    """Size the crew from the job and the cluster; never more workers than units.

    Args:
        farm: what the job says of its workers.
        units: places that there are for workers.
        nodes: what Ray says of the nodes that may be used; `None`: all.

    Raises:
        FarmError: the cluster has not what one worker needs.
    """
    if nodes is None:
        nodes = {node["NodeID"]: node for node in ray.nodes() if node["Alive"]}
    cpus, gpus = (
        sum(node["Resources"].get(kind, 0.0) for node in nodes.values()) for kind in ("CPU", "GPU")
    )
    wanted = farm.gpus_per_worker
    gpus_each = float(gpus > 0) if wanted == "auto" else wanted
    if gpus_each > gpus:
        raise FarmError(
            f"farm.gpus_per_worker: {gpus_each:g} asked for, but the cluster has {gpus:g} GPUs; "
            f"ask for 0 to render on the CPU"
        )
    if farm.cpus_per_worker > cpus:
        raise FarmError(
            f"farm.cpus_per_worker: {farm.cpus_per_worker} asked for, but the cluster has {cpus:g} CPUs"
        )
    there = [node["Resources"] for node in nodes.values()]
    room = sum(places_on(each, farm.cpus_per_worker, gpus_each) for each in there)
    if not room:
        sizes = ", ".join(sorted({_size(each) for each in there}))
        raise FarmError(
            f"farm.cpus_per_worker, farm.gpus_per_worker: no node has room for a worker with "
            f"{farm.cpus_per_worker} CPUs and {gpus_each:g} GPUs; there are nodes of {sizes}"
        )
    workers = room if farm.workers == "auto" else farm.workers
    return Crew(max(1, min(workers, units)), farm.cpus_per_worker, gpus_each)


def _size(resources: Mapping[str, float]) -> str:
    return f"{resources.get('CPU', 0.0):g} CPUs and {resources.get('GPU', 0.0):g} GPUs"


def places_on(resources: Mapping[str, float], cpus_each: int, gpus_each: float) -> int:
    """Workers that there is room for on one node; several may share a GPU, none has parts of two."""
    cpus, gpus = resources.get("CPU", 0.0), resources.get("GPU", 0.0)
    places = int(cpus // cpus_each)
    if gpus_each:
        on_gpus = gpus // gpus_each if gpus_each >= 1 else gpus * int(round(1 / gpus_each, 4))
        places = min(places, int(on_gpus))
    return places
