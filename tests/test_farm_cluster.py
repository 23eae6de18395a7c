"""Starting and joining Ray: what goes wrong there is told like any other error."""

import pytest
import ray

from render.errors import FarmError
from render.farm.cluster import connected
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
