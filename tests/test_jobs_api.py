"""The quickstart handed to a real cluster through Ray's Jobs API, both ways that the README shows."""

import json
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ray.job_submission import JobStatus, JobSubmissionClient

from render.errors import OutputError
from render.pipeline import run
from render.places import store_folder
from render.spec.load import load_job
from render.store import Store

ROOT = Path(__file__).parents[1]
SHORT = [
    "input.frames=12-15",
    "output.size=64",
    "optimize.evaluations=3",
    "optimize.warm_evaluations=2",
    "style.layers={relu1_1: 1, relu2_1: 1}",
    "content.layers={relu2_2: 1}",
]


def call(*command):
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def outcome_in(log):
    lines = [line for line in log.splitlines() if line.startswith('{"status"')]
    return json.loads(lines[-1])


@pytest.mark.slow
def test_ray_job_submit_renders_the_quickstart(dashboard, tmp_path):
    output = tmp_path / "clip.mp4"
    log = call(
        *("ray", "job", "submit", "--address", dashboard, "--working-dir", "."),
        *("--", "python", "-m", "render", "run", "jobs/quickstart.yaml"),
        *SHORT,
        "farm.gpus_per_worker=0",  # whose workers add something to the job's environment
        f"output.path={output}",
    )
    outcome = outcome_in(log)
    assert (outcome["status"], outcome["frames_done"]) == ("finished", 4)
    assert output.is_file()


@pytest.mark.slow
def test_render_submit_does_the_same_also_with_odd_file_names(dashboard, tmp_path):
    output = tmp_path / "it's a $(clip); really.mp4"
    log = call(
        *(sys.executable, "-m", "render", "submit", "jobs/quickstart.yaml", "--address", dashboard),
        "engine=passthrough",
        f"output.path={output}",
    )
    outcome = outcome_in(log)
    assert (outcome["status"], outcome["frames_done"]) == ("finished", 28)
    assert output.is_file()


@pytest.mark.slow
def test_a_job_that_is_stopped_leaves_a_sound_ledger_and_is_gone_on_with(dashboard, tmp_path):
    settings = [*SHORT, f"output.path={tmp_path}/clip.mp4", *LONG]
    client = JobSubmissionClient(dashboard)
    number = client.submit_job(
        entrypoint=shlex.join([*RENDER, *settings]), runtime_env={"working_dir": str(ROOT)}
    )
    job = load_job(ROOT / "jobs/quickstart.yaml", settings)
    frames = store_folder(job) / "frames"
    wait_until(lambda: list(frames.glob("*.png")))
    asked = time.time()
    client.stop_job(number)
    wait_until(lambda: client.get_job_status(number).is_terminal())
    assert client.get_job_status(number) == JobStatus.STOPPED
    assert (store_folder(job) / "ledger/frames.jsonl").stat().st_mtime < asked + 3
    wait_until(lambda: is_free(job))
    with Store(job) as store:
        assert not store.damaged
        done = len(store.records)
    assert 1 <= done < 14
    summary = run(job)
    assert (summary.status, summary.frames_reused) == ("finished", done)


LONG = ["input.frames=0-13", "optimize.warm_evaluations=80", "farm.workers=1"]
"""Changes that leave five seconds of work when the first frame is done."""
RENDER = ["python", "-m", "render", "run", "jobs/quickstart.yaml"]


def is_free(job):
    """Whether the run is gone: Ray calls it stopped a moment before it is."""
    try:
        with Store(job):
            return True
    except OutputError:
        return False


def wait_until(happened):
    deadline = time.monotonic() + 120
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.02)
