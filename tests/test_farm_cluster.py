"""Starting and joining Ray: what goes wrong there is told like any other error."""

import sys

import pytest
import ray
from ray._private import utils

from render.errors import FarmError
from render.farm.cluster import connected, muster
from render.farm.hands import not_in
from render.spec.farm import Farm

SLOW = "The current node timed out during startup."


def test_a_ray_that_does_not_start_is_an_error_of_the_farm(monkeypatch):
    """Ray's own words for a machine that is too busy; a busy machine is not to be had in a test."""

    def init(**_):
        raise Exception(SLOW)

    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", init)
    with (
        pytest.raises(FarmError, match=f"cannot be started on this machine: {SLOW}"),
        connected(Farm()),
    ):
        pass


def test_a_command_line_that_is_no_text_keeps_no_ray_from_starting(monkeypatch):
    """Ray sends it to its cluster; a name on it may be bytes that are no UTF-8."""
    sent = []
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", lambda **_: sent.append(utils.get_entrypoint_name().encode()))
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    monkeypatch.setattr(
        utils, "get_entrypoint_name", lambda: "render run output.path=caf\udce9.mp4"
    )
    monkeypatch.setattr(sys, "orig_argv", ["render", "run", "output.path=caf\udce9.mp4"])
    theirs = utils.get_entrypoint_name
    for farm in (Farm(), Farm(address="ray-head:6379")):
        with connected(farm):
            pass
    assert sent == 2 * [rb"render run output.path=caf\udce9.mp4"]
    assert utils.get_entrypoint_name is theirs


def nodes(*resources):
    """What Ray says of nodes with so many CPUs and GPUs."""
    return {
        str(n): {"Resources": {"CPU": cpus, "GPU": gpus}}
        for n, (cpus, gpus) in enumerate(resources)
    }


@pytest.mark.parametrize(
    ("farm", "there", "workers"),
    [
        ({}, [(8, 0)], 8),
        ({"cpus_per_worker": 3}, [(8, 0), (4, 0)], 3),
        ({}, [(8, 2), (8, 0)], 2),
        ({"cpus_per_worker": 4}, [(8, 4)], 2),
        ({"gpus_per_worker": 2}, [(8, 3), (8, 3)], 2),
        ({"gpus_per_worker": 0.2}, [(8, 1)], 5),
        ({"gpus_per_worker": 0.6}, [(8, 2)], 2),
        ({"gpus_per_worker": 0}, [(8, 2)], 8),
    ],
)
def test_there_is_a_worker_for_each_place_that_a_node_has(farm, there, workers):
    assert muster(Farm(**farm), 100, nodes(*there)).workers == workers
    assert muster(Farm(**farm), 1, nodes(*there)).workers == 1


def test_a_worker_is_kept_off_each_of_several_nodes():
    """Ray took the space before a second one for a part of its name, and let workers onto it."""
    assert not_in({"b", "a", "c"}) == "!in(a,b,c)"


def test_a_crew_of_which_the_cluster_has_nothing_is_refused():
    with pytest.raises(FarmError, match="gpus_per_worker: 3 asked for, but the cluster has 2 GPUs"):
        muster(Farm(gpus_per_worker=3), 10, nodes((8, 2)))
    with pytest.raises(FarmError, match="cpus_per_worker: 9 asked for, but the cluster has 8 CPUs"):
        muster(Farm(cpus_per_worker=9), 10, nodes((8, 2)))


@pytest.mark.parametrize("workers", ["auto", 3])
@pytest.mark.parametrize(
    ("farm", "there", "said"),
    [
        (
            {"cpus_per_worker": 4},
            [(2, 0), (2, 0)],
            "4 CPUs and 0 GPUs.* nodes of 2 CPUs and 0 GPUs$",
        ),
        ({"gpus_per_worker": 2}, [(8, 1), (8, 1)], "1 CPUs and 2 GPUs"),
        (
            {"cpus_per_worker": 4},
            [(16, 0), (2, 1)],
            "nodes of 16 CPUs and 0 GPUs, 2 CPUs and 1 GPUs$",
        ),
    ],
)
def test_a_crew_for_which_no_single_node_has_room_is_refused(farm, there, said, workers):
    with pytest.raises(FarmError, match=said):
        muster(Farm(workers=workers, **farm), 10, nodes(*there))
