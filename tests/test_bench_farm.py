"""The benchmark of the farm: its numbers come from real runs, and its simulated farm is a farm."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from render import inputs
from render.bench import farm
from render.bench.simulation import World, simulate
from render.farm.events import FrameDone, WorkerReady
from render.spec.job import Job


def job(**settings):
    return Job.model_validate(
        {
            "input": {"kind": "images", "path": "/in"},
            "output": {"path": "/out"},
            "style": {"images": [{"path": "/s.png"}]},
            **settings,
        }
    )


def sizes(count, seed=0):
    dice = random.Random(seed)
    return [(dice.choice((64, 256, 640)), 256) for _ in range(count)]


@given(
    st.integers(1, 200), st.integers(1, 12), st.sampled_from([0.0, 5.0, 60.0]), st.integers(0, 9)
)
def test_whatever_is_lost_every_picture_is_painted_once(count, workers, lost, seed):
    world = World(workers, lost_an_hour=lost, away=30, load=5, driver=0.001, seed=seed)
    found = simulate(job(), sizes(count), world)
    assert found.pictures == count
    assert found.seconds >= found.ideal
    assert found.losses == 0 or lost


def test_one_worker_takes_the_sum_and_two_take_half():
    one, two = (simulate(job(), sizes(400), World(workers)) for workers in (1, 2))
    assert one.seconds == pytest.approx(one.ideal)
    assert two.seconds == pytest.approx(one.seconds / 2, rel=0.02)


def test_a_driver_that_takes_long_over_a_picture_is_what_all_wait_for():
    slow = simulate(job(), sizes(500), World(50, driver=1.0))
    assert slow.seconds == pytest.approx(500, rel=0.1)


def test_lost_workers_cost_what_they_had_in_hand_and_their_time_away():
    calm = simulate(job(), sizes(3000), World(20))
    rough = simulate(job(), sizes(3000), World(20, lost_an_hour=20, away=60))
    assert rough.losses > 5
    assert calm.seconds < rough.seconds < 1.5 * calm.seconds
    assert rough.painted_in_vain > 0


def test_pictures_that_are_only_scheduled_go_through_the_real_farm(cluster, tmp_path, monkeypatch):
    monkeypatch.setattr(inputs, "FEW", 100)
    found = farm.schedule(tmp_path, 600)
    assert found.images == 600
    assert found.seconds > 0
    assert found.memory > 10
    assert (tmp_path / "out/.render/ledger/frames.jsonl").read_text().count("\n") == 600


def test_the_clock_begins_when_the_last_worker_is_ready(monkeypatch):
    now = iter([0.0, 10.0, 14.0, 20.0])
    monkeypatch.setattr(farm.time, "monotonic", lambda: next(now))
    clock = farm.Clock()
    clock(WorkerReady("a", "n", 1, "cpu", (), 0.0))
    clock(WorkerReady("b", "n", 2, "cpu", (), 0.0))
    clock(FrameDone(0, 0, 0, "a", 8.0, 1, {}))  # from 6 to 14: half of it before
    clock(FrameDone(1, 0, 0, "b", 8.0, 1, {}))
    assert clock.span == 10
    assert clock.share == 0.75
    assert clock.mean == 8
