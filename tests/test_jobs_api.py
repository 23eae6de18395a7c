"""The quickstart handed to a real cluster through Ray's Jobs API, both ways that the README shows."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

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
