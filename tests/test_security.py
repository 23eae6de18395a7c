"""What is promised to those who run a farm: no stranger gets in, no secret gets out."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import free_port, own_head

from render.places import store_folder
from render.spec.load import dump_job

SECRET = "hunter2-the-secret"
ROOT = Path(__file__).parents[1]
LISTENERS = """
import sys, psutil, ray
from render.farm.cluster import connected
from render.spec.farm import Farm

@ray.remote
class Worker:
    def answer(self):
        return 1

with connected(Farm(workers=1)):
    worker = Worker.remote()
    ray.get(worker.answer.remote())
    me = psutil.Process()
    for process in (me, *me.children(recursive=True)):
        for found in process.net_connections("inet"):
            if found.status == psutil.CONN_LISTEN:
                print(found.laddr.ip)
"""


def python(*arguments, **environment):
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_ray_of_our_own_listens_on_loopback_only():
    done = python("-c", LISTENERS)
    addresses = set(done.stdout.split())
    assert addresses, done.stderr
    assert {address.removeprefix("::ffff:") for address in addresses} == {"127.0.0.1"}


def test_secrets_of_the_environment_show_nowhere(cluster, video_job, tmp_path):
    job = video_job("engine=passthrough", f"farm.address={cluster.address}")
    path = tmp_path / "job.yaml"
    path.write_text(dump_job(job))
    done = python(
        "-m", "render", "run", str(path), AWS_SECRET_ACCESS_KEY=SECRET, RAY_AUTH_TOKEN=SECRET
    )
    assert done.returncode == 0, done.stderr
    assert SECRET not in done.stdout + done.stderr
    written = [file for file in store_folder(job).rglob("*") if file.is_file()]
    assert len(written) > 12
    assert not any(SECRET.encode() in file.read_bytes() for file in [*written, job.output.path])


@pytest.fixture
def guarded(tmp_path):
    """Address of the dashboard of a Ray that asks for a token."""
    port = free_port()
    options = (
        "--include-dashboard=true",
        "--dashboard-host=127.0.0.1",
        f"--dashboard-port={port}",
        f"--port={free_port()}",
        f"--dashboard-agent-listen-port={free_port()}",
    )
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": SECRET}
    with own_head(tmp_path / "ray.log", *options, **token):
        yield f"http://127.0.0.1:{port}"


def test_a_cluster_with_a_token_takes_no_job_without_it(guarded, monkeypatch):
    def submit(**environment):
        arguments = ("submit", "jobs/quickstart.yaml", "--no-wait", "--address", guarded)
        return python("-m", "render", *arguments, "engine=passthrough", **environment)

    def until_up(**environment):
        deadline = time.monotonic() + 60
        while (done := submit(**environment)).returncode and time.monotonic() < deadline:
            time.sleep(1)
        return done

    taken = until_up(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=SECRET)
    assert taken.returncode == 0, taken.stderr
    assert "submitted as" in taken.stdout
    for stranger in (
        {"RAY_AUTH_MODE": "disabled"},
        {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "x"},
    ):
        refused = submit(**stranger)
        assert refused.returncode == 2, refused.stdout
        assert "did not take the job" in refused.stderr
        assert SECRET not in refused.stdout + refused.stderr
