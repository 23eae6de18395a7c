"""A cluster that starts nodes when they are asked for."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import own_head

from render.spec.load import dump_job

HEAD, PORT = "ray.head.default", 6379
"""Ray's pretended machines join the head at this port, and no other."""
CONFIG = {
    "cluster_name": "pretended",
    "max_workers": 2,
    "idle_timeout_minutes": 0.05,
    "upscaling_speed": 100,
    "provider": {"type": "fake_multinode"},
    "available_node_types": {
        HEAD: {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0},
        "worker": {
            "resources": {"CPU": 1, "object_store_memory": 80 * 2**20},
            "node_config": {},
            "min_workers": 0,
            "max_workers": 2,
        },
    },
    "head_node_type": HEAD,
    "auth": {},
    "file_mounts": {},
    "cluster_synced_files": [],
    "file_mounts_sync_continuously": False,
    "rsync_exclude": [],
    "rsync_filter": [],
    "initialization_commands": [],
    "setup_commands": [],
    "head_setup_commands": [],
    "worker_setup_commands": [],
    "head_start_ray_commands": [],
    "worker_start_ray_commands": [],
}
ASKED = f"""
import ray
from ray._private.ray_constants import AUTOSCALER_RESOURCE_REQUEST_CHANNEL
from ray.experimental.internal_kv import _internal_kv_get
ray.init(address="127.0.0.1:{PORT}", log_to_driver=False)
print((_internal_kv_get(AUTOSCALER_RESOURCE_REQUEST_CHANNEL) or b"nothing yet").decode())
"""


@pytest.mark.slow
def test_a_job_asks_for_what_it_can_use_and_gives_it_back_also_after_a_failure(video_job, tmp_path):
    config = tmp_path / "cluster.json"
    config.write_text(json.dumps(CONFIG))
    path = tmp_path / "job.yaml"
    path.write_text(dump_job(video_job("engine=passthrough", "farm.gpus_per_worker=0")))
    fake = {"RAY_FAKE_CLUSTER": "1", "AUTOSCALER_UPDATE_INTERVAL_S": "1"}
    options = (f"--port={PORT}", "--num-cpus=0", f"--autoscaling-config={config}")
    weights = tmp_path / "weights.pth"
    weights.write_bytes(b"no weights")
    with own_head(tmp_path / "head.log", *options, **fake):
        assert asked() == "nothing yet"
        done = render(path)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout.splitlines()[-1])["frames_done"] == 12
        assert "waiting for the cluster to start a node" in done.stderr
        assert asked() == "[]"
        failed = render(path, "--fresh", "engine=vgg", f"model.weights={weights}")
        assert failed.returncode == 2
        assert "no state dict" in failed.stderr
        assert asked() == "[]"


def render(path, *more):
    return subprocess.run(
        [sys.executable, "-m", "render", "run", str(path), *more],
        env={**os.environ, "RAY_ADDRESS": f"127.0.0.1:{PORT}"},
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


def asked():
    done = subprocess.run([sys.executable, "-c", ASKED], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1]
