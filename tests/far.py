"""Nodes of a cluster that have no disk in common with the driver."""

import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import ray

PLACES = 5
"""CPUs of a worker and of each far node; the shared cluster's own node has fewer."""
STORE = 80 * 2**20
"""Bytes of a far node's object store: far less than all pictures."""


@contextmanager
def far_nodes(cluster, hidden, count):
    """Nodes on which a folder is another, empty one: they have no disk in common with the driver."""
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode:
        pytest.skip("only the administrator may hide a folder from a process")
    ray_command = Path(sys.executable).with_name("ray")
    join = (
        f"mount -t tmpfs tmpfs {hidden} && exec {ray_command} start --address={cluster.address} "
        f"--num-cpus={PLACES} --num-gpus=0 --object-store-memory={STORE} --block"
    )
    nodes = []
    try:
        for number in range(count):
            before = {node["NodeID"] for node in alive()}
            log = hidden.with_name(f"node{number}.log")
            with log.open("wb") as file:
                command = ["unshare", "--mount", "bash", "-c", join]
                nodes.append(psutil.Popen(command, stdout=file, stderr=file))
            deadline = time.monotonic() + 120
            while {node["NodeID"] for node in alive()} <= before:
                assert nodes[-1].poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.1)
        yield nodes
    finally:
        for node in nodes:
            kill(node)


def kill(node):
    if node.poll() is None:
        for member in [*node.children(recursive=True), node]:
            member.kill()
    node.wait()


def alive():
    return [node for node in ray.nodes() if node["Alive"]]
