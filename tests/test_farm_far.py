"""A cluster whose nodes share no disk: what they need comes through Ray, and nothing is spilled."""

import time

import numpy as np
import pytest
import ray
from conftest import of, smooth_noise
from far import PLACES, far_nodes, kill
from PIL import Image
from ray._private.internal_api import memory_summary

from render.farm import hands
from render.farm.actor import Worker
from render.farm.events import FrameDone, FrameFailed, WorkerReady
from render.pipeline import run


def spilled():
    return (
        "spilled" in memory_summary(ray.get_runtime_context().gcs_address, stats_only=True).lower()
    )


class Patient(Worker):
    """Paints nothing before the gate is open."""

    def load(self, job, materials):
        self._gate = gate(job)
        return super().load(job, materials)

    def paint_batch(self, task):
        deadline = time.monotonic() + 120
        while not self._gate.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        return super().paint_batch(task)


def gate(job):
    """A file that all nodes see."""
    return job.output.path.parents[1] / "gate"


@pytest.fixture
def patient(farm, monkeypatch):
    monkeypatch.setattr(hands, "Worker", Patient)


@pytest.mark.slow
@pytest.mark.usefixtures("patient")
def test_three_nodes_without_a_common_disk_of_which_one_is_lost(cluster, images_job, tmp_path):
    folder = tmp_path / "hidden" / "in"
    folder.mkdir(parents=True)
    pixels = {}
    for number in range(24):
        name = f"{number:02}.png"
        pixels[name] = np.kron(smooth_noise(80, 60, seed=number), np.ones((20, 20, 1), np.uint8))
        Image.fromarray(pixels[name]).save(folder / name, compress_level=1)
    job = images_job(
        folder,
        *(
            "engine=passthrough",
            f"farm.cpus_per_worker={PLACES}",
            "farm.gpus_per_worker=0",
            "farm.workers=auto",
        ),
        *("farm.transfer=driver", "output.format=png"),
        output="hidden/out",
    )
    events = []
    with far_nodes(cluster, tmp_path / "hidden", 3) as nodes:

        def watch(event):
            events.append(event)
            if len(of(WorkerReady, events)) == 3:
                gate(job).touch()
            if isinstance(event, FrameDone) and len(of(FrameDone, events)) == 6:
                kill(nodes[0])

        summary = run(job, on_event=watch)
        assert not spilled()
    assert (summary.status, summary.frames_done) == ("finished", 24)
    assert not of(FrameFailed, events)
    assert len(of(WorkerReady, events)) >= 3
    assert len({event.worker for event in of(FrameDone, events)}) >= 3
    for name, expected in pixels.items():
        with Image.open(tmp_path / "hidden" / "out" / name) as image:
            assert np.array_equal(np.asarray(image), expected)
