"""Workers, nodes and the driver killed at random, then one calm run: the bytes of an undisturbed job.

One seed is run with the others; more, and longer storms, by `STORM_SEEDS="1 2 3" STORM_SECONDS=120`.
"""

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress

import psutil
import pytest

from render.pipeline import run
from render.places import store_folder
from render.plan import PROBED
from render.sample import SampleClip
from render.sample.write import write_clip
from render.spec.document import Document
from render.spec.load import build_job, dump_job
from render.spec.stages import LEAST_PROBED

SEEDS = [int(text) for text in os.environ.get("STORM_SEEDS", "4").split()]
SECONDS = float(os.environ.get("STORM_SECONDS", "15"))
FRAMES = PROBED * 3 // 2 + 1
GPUS = 6
"""Pretended GPUs of a worker: only the nodes of the storm have so many."""


def frame_bytes(job):
    folder = store_folder(job) / "frames"
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


class Storm:
    """Two nodes with a worker each, and a driver; something of it is killed now and then."""

    def __init__(self, cluster, path, folder, seed):
        self.cluster = cluster
        self.folder = folder
        self.dice = random.Random(seed)
        self.command = [sys.executable, "-m", "render", "run", str(path), "--quiet"]
        self.nodes = [self.new_node(), self.new_node()]
        self.driver = None
        self.killed = []

    def new_node(self):
        return self.cluster.add_node(num_cpus=1, num_gpus=GPUS)

    def rage(self, seconds):
        """Go on for so long, or until the job is finished for all that."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.driver is None or self.driver.poll() is not None:
                if self.driver is not None and self.driver.returncode == 0:
                    break
                self.driver = subprocess.Popen(
                    self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
                )
            self.wait_for_work(end)
            time.sleep(self.dice.uniform(0, 2))
            self.strike()
        self.driver.kill()
        self.driver.wait()

    def wait_for_work(self, end):
        """Let a picture more be committed than when something was killed last."""
        before = self.pictures()
        while time.monotonic() < end and self.pictures() == before and self.driver.poll() is None:
            time.sleep(0.05)

    def pictures(self):
        return len(list(self.folder.glob("*/*.png")))

    def strike(self):
        victim = self.dice.choices(["worker", "node", "driver"], [6, 2, 2])[0]
        workers = self.workers()
        if victim == "worker" and workers:
            with suppress(psutil.NoSuchProcess):
                self.dice.choice(workers).kill()
        elif victim == "node":
            lost = self.nodes.pop(self.dice.randrange(2))
            self.cluster.remove_node(lost, allow_graceful=False)
            self.nodes.append(self.new_node())
        else:
            self.driver.send_signal(signal.SIGKILL)
            self.driver.wait()
        self.killed.append(victim)

    def workers(self):
        found = []
        for node in self.nodes:
            raylet = psutil.Process(node.all_processes["raylet"][0].process.pid)
            for process in raylet.children():
                with suppress(psutil.NoSuchProcess):
                    if process.cmdline()[0].startswith("ray::Worker"):
                        found.append(process)
        return found

    def clear(self):
        for node in self.nodes:
            self.cluster.remove_node(node)


@pytest.fixture(scope="module")
def make(cluster, make_data, tmp_path_factory):
    """Makes a job of one shot, painted in waves of three stages, long enough for a probe on the way."""
    clip = tmp_path_factory.mktemp("clip") / "clip.mp4"
    write_clip(SampleClip(width=96, height=54, frames=FRAMES), clip)

    def make(name, *overrides):
        output = tmp_path_factory.mktemp("storm") / f"{name}.mp4"
        data = make_data({"kind": "video", "path": str(clip), "cuts": []}, output)
        data["optimize"] = {"evaluations": LEAST_PROBED, "warm_evaluations": LEAST_PROBED}
        data["output"]["size"] = 40
        data["temporal"] = {"stages": 3}
        data["farm"] = {"retries": 99, "losses": 99, "workers": 2, "address": cluster.address}
        return build_job(Document("test", data), overrides, output.parent)

    return make


@pytest.fixture(scope="module")
def calm(make):
    """The bytes of the frames when nothing happens."""
    job = make("calm", "farm.workers=1")
    run(job)
    return frame_bytes(job)


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_after_a_storm_the_job_has_the_bytes_of_a_calm_run(make, calm, cluster, seed, tmp_path):
    job = make(f"storm{seed}", f"farm.gpus_per_worker={GPUS}")
    path = tmp_path / "job.yaml"
    path.write_text(dump_job(job))
    storm = Storm(cluster, path, store_folder(job), seed)
    try:
        storm.rage(SECONDS)
        assert storm.killed
        summary = run(job)
    finally:
        storm.clear()
    print(seed, storm.killed, f"{summary.frames_reused} frames outlived the storm")
    assert summary.status == "finished"
    assert len(frame_bytes(job)) == FRAMES
    assert frame_bytes(job) == calm
