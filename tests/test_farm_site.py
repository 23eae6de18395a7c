"""Clusters that change while a job runs: nodes that join, that leave, and that do not fit."""

import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
import ray
from conftest import of, smooth_noise
from PIL import Image

from render.errors import FarmError
from render.farm import driver, hands, preflight, site
from render.farm.actor import Worker
from render.farm.cluster import Crew
from render.farm.events import FrameDone, FrameFailed, Note, WorkerLost, WorkerReady
from render.pipeline import run

FIRST = (
    "engine=passthrough",
    "farm.gpus_per_worker=0",
    "farm.cpus_per_worker=3",
    "farm.workers=auto",
)
"""Of the shared cluster's head, one worker fits; of a node with three CPUs, too."""


class Slow(Worker):
    """Takes its time, and goes on only while the gate is open."""

    def load(self, job, materials):
        self._gate = gate(job)
        return super().load(job, materials)

    def _wait(self):
        time.sleep(0.1)
        deadline = time.monotonic() + 120
        while self._gate.exists() and time.monotonic() < deadline:
            time.sleep(0.05)

    def paint(self, task):
        self._wait()
        return super().paint(task)

    def paint_batch(self, task):
        self._wait()
        return super().paint_batch(task)


def gate(job):
    """A file that is there while the gate is shut."""
    return job.output.path.parent / "gate"


@pytest.fixture(autouse=True)
def slow(farm, monkeypatch):
    monkeypatch.setattr(hands, "Worker", Slow)
    for room in (site, driver):
        monkeypatch.setattr(room, "LOOK", 0.2)


@contextmanager
def another_node(cluster, **settings):
    """A node with three CPUs, for a while."""
    node = cluster.add_node(num_cpus=3, **settings)
    try:
        yield node
    finally:
        if node in cluster.worker_nodes:
            cluster.remove_node(node, allow_graceful=False)


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(40):
        Image.fromarray(smooth_noise(8, 8, seed=number)).save(folder / f"{number:02}.png")
    return folder


def other_software(tmp_path, name="pillow"):
    """An environment in which Python believes that it has an old version of a library."""
    folder = tmp_path / "site"
    about = folder / f"{name}-0.0.1.dist-info" / "METADATA"
    about.parent.mkdir(parents=True)
    about.write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.0.1\n")
    return {"PYTHONPATH": str(folder)}


@pytest.mark.parametrize("workers", ["auto", 2])  # with two asked for, one waits for room at first
def test_a_node_that_joins_is_used_and_one_that_is_told_to_leave_gets_no_more(
    cluster, images_job, pictures, monkeypatch, workers
):
    events, told = [], []
    monkeypatch.setattr(hands, "PLACING", 0.5)
    job = images_job(pictures, *FIRST, f"farm.workers={workers}")

    def change(event):
        events.append(event)
        if isinstance(event, FrameDone) and len(of(FrameDone, events)) == 1:
            gate(job).touch()
            told.append(cluster.add_node(num_cpus=3))
        if isinstance(event, WorkerReady) and event.worker != "worker-1":
            gate(job).unlink()
        if isinstance(event, FrameDone) and event.worker != "worker-1" and len(told) == 1:
            tell_to_leave(cluster, told[0])
            told.append(len(events))

    try:
        summary = run(job, on_event=change)
    finally:
        cluster.remove_node(told[0], allow_graceful=False)
    assert (summary.status, summary.frames_done) == ("finished", 40)
    first, second = [event.worker for event in of(WorkerReady, events)]
    lost = of(WorkerLost, events)
    assert (first, [event.worker for event in lost]) == ("worker-1", [second])
    assert "told to leave" in lost[0].reason
    after = events[events.index(lost[0]) :]
    assert {event.worker for event in of(FrameDone, after)} == {"worker-1"}
    assert not of(FrameFailed, events)


def test_a_worker_that_runs_before_its_node_was_looked_at_is_kept(
    cluster, images_job, pictures, monkeypatch
):
    honest, waiting = preflight.look, "farm.workers=2"
    job, events, joined = images_job(pictures, *FIRST, waiting), [], []

    def look(*given, **more):
        time.sleep(5)
        return honest(*given, **more)

    def join(event):
        events.append(event)
        if isinstance(event, FrameDone) and not joined:
            gate(job).touch()
            joined.append(cluster.add_node(num_cpus=3))
        if isinstance(event, WorkerReady) and joined:
            gate(job).unlink()

    monkeypatch.setattr(preflight, "look", look)
    try:
        assert run(job, on_event=join).status == "finished"
    finally:
        cluster.remove_node(joined[0], allow_graceful=False)
    assert [event.worker for event in of(WorkerReady, events)] == ["worker-1", "worker-2"]


def tell_to_leave(cluster, node):
    command = [
        *(str(Path(sys.executable).with_name("ray")), "drain-node"),
        *("--address", cluster.address, "--node-id", node.node_id),
        *("--reason", "DRAIN_NODE_REASON_PREEMPTION", "--reason-message", "spot"),
        *("--deadline-remaining-seconds", "120"),
    ]
    subprocess.run(command, check=True, capture_output=True)


def test_a_node_with_other_software_is_refused_before_any_frame(
    cluster, images_job, pictures, tmp_path
):
    events = []
    software = other_software(tmp_path)
    with (
        another_node(cluster, env_vars=software),
        pytest.raises(FarmError, match=r"^node .*: pillow 0\.0\.1, but .* make them alike$"),
    ):
        run(images_job(pictures, *FIRST), on_event=events.append)
    assert not of(FrameDone, events)
    assert run(images_job(pictures, *FIRST)).status == "finished"


def test_a_node_with_other_software_that_joins_later_is_left_out(
    cluster, images_job, pictures, tmp_path
):
    events, joined = [], []
    job = images_job(pictures, *FIRST, "farm.workers=2")  # of which one waits for room

    def join(event):
        events.append(event)
        if isinstance(event, FrameDone) and not joined:
            gate(job).touch()
            joined.append(cluster.add_node(num_cpus=3, env_vars=other_software(tmp_path)))
        if isinstance(event, Note) and "left out" in event.text:
            gate(job).unlink()

    try:
        assert run(job, on_event=join).status == "finished"
    finally:
        cluster.remove_node(joined[0], allow_graceful=False)
    assert [event.worker for event in of(WorkerReady, events)] == ["worker-1"]
    notes = [note.text for note in of(Note, events) if "left out" in note.text]
    assert len(notes) == 1
    assert "pillow 0.0.1" in notes[0]


def test_a_node_that_joins_and_does_not_answer_is_named_once_and_used_when_it_does(
    images_job, tmp_path, monkeypatch
):
    job, here = images_job(tmp_path), ray.get_runtime_context().get_node_id()
    nodes = {here: next(node for node in ray.nodes() if node["NodeID"] == here)}
    honest = preflight.look
    gate(job).touch()

    def look(job, *given, **more):
        while gate(job).exists():
            time.sleep(0.05)
        return honest(job, *given, **more)

    monkeypatch.setattr(preflight, "look", look)
    monkeypatch.setattr(preflight, "PATIENCE", 0.5)
    looks, crew = preflight.Preflight(job, {}), Crew(1, 1, 0)
    assert looks.more(nodes, crew) == []
    time.sleep(0.6)
    (said,) = looks.more(nodes, crew)
    assert "no answer within 0.5 s; this node is left out until it answers" in said
    assert looks.more(nodes, crew) == []
    assert looks.unknown == {here}
    gate(job).unlink()
    deadline = time.monotonic() + 120
    while looks.unknown and time.monotonic() < deadline:
        assert looks.more(nodes, crew) == []
    assert looks.unknown | looks.unfit == set()
