"""Workers and the driver killed at random, then one calm run: the bytes of an undisturbed job."""

import os
import random
import signal
import subprocess
import sys
import time

import psutil
import pytest

from render.pipeline import run
from render.spec.load import dump_job
from render.store import store_folder

SEEDS = [int(text) for text in os.environ.get("STORM_SEEDS", "1").split()]
SECONDS = float(os.environ.get("STORM_SECONDS", "20"))


def frame_bytes(job):
    folder = store_folder(job) / "frames"
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def kill_one(dice, driver):
    """A worker of the farm, or now and then the driver."""
    workers = [
        process
        for process in psutil.process_iter(["cmdline"])
        if " ".join(process.info["cmdline"] or []).startswith("ray::Worker")
        and process.ppid() in RAYLETS
    ]
    victims = [driver] if dice.random() < 0.2 or not workers else [dice.choice(workers)]
    for victim in victims:
        victim.send_signal(signal.SIGKILL)


RAYLETS: set[int] = set()


@pytest.fixture(scope="module")
def calm(cluster, make_data, clip, tmp_path_factory):
    """A job, and the bytes of its frames when nothing happens."""
    from render.spec.document import Document
    from render.spec.load import build_job

    RAYLETS.add(cluster.head_node.all_processes["raylet"][0].process.pid)

    def make(name):
        output = tmp_path_factory.mktemp("storm") / f"{name}.mp4"
        data = make_data({"kind": "video", "path": str(clip), "cuts": [6]}, output)
        data["farm"] = {"retries": 50, "losses": 50, "workers": 2, "address": cluster.address}
        data["optimize"] = {"evaluations": 40, "warm_evaluations": 40}
        return build_job(Document("test", data), (), output.parent)

    job = make("calm")
    run(job)
    return make, frame_bytes(job)


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_after_a_storm_the_job_has_the_bytes_of_a_calm_run(calm, seed, tmp_path):
    make, expected = calm
    dice, job = random.Random(seed), make(f"storm{seed}")
    path = tmp_path / "job.yaml"
    path.write_text(dump_job(job))
    end, driver = time.monotonic() + SECONDS, None
    while time.monotonic() < end:
        if driver is None or driver.poll() is not None:
            if driver is not None and driver.returncode == 0:
                break
            driver = subprocess.Popen(
                [sys.executable, "-m", "render", "run", str(path), "--quiet"],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        time.sleep(dice.uniform(1, 5))
        kill_one(dice, driver)
    driver.kill()
    driver.wait()
    assert run(job).status == "finished"
    assert frame_bytes(job) == expected
