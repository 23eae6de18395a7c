"""What the tests share: a quiet Ray, tiny media, and jobs made of them."""

import os

# Before anything imports Ray or torch: no telemetry, no token file in the user's home, and one thread,
# so that tests side by side do not wait for each other's.
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ["RAY_AUTH_MODE"] = "disabled"
os.environ["OMP_NUM_THREADS"] = "1"
os.environ.pop("RAY_ADDRESS", None)
# Tests run in several processes, each with a Ray of its own: jobs find theirs by a file in this folder.
os.environ["RAY_TMPDIR"] = f"/tmp/ray-tests-{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}"

import atexit
import itertools
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import psutil
import pytest
import ray
import torch
from hypothesis import settings
from object_storage import Misbehaving, start_moto
from PIL import Image
from ray.cluster_utils import Cluster
from ray.job_submission import JobSubmissionClient

from render import remote
from render.sample import SampleClip
from render.sample.write import write_clip
from render.spec.document import Document
from render.spec.load import build_job
from render.spec.url import Url

torch.set_num_threads(1)
settings.register_profile("shared machine", deadline=None)
settings.register_profile("long", deadline=None, max_examples=5000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "shared machine"))

JOB_TEXT = """\
version: 1
input:
  kind: video
  path: clip.mp4
  frames: 0-10
output:
  path: ../out/clip.mp4
  size: 256
style:
  images:
    - path: a.jpg
optimize:
  evaluations: 100
farm:
  workers: auto
"""
"""A job file without a fault."""

JOBS = Path(__file__).parents[1] / "jobs"


@pytest.fixture(autouse=True)
def one_thread():
    """What one test settles for its process must not change the next one's bits."""
    torch.set_num_threads(1)


def free_port():
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


# Ray's workers inherit where the object storage of the tests is, though it starts later than they do:
# held from here on, or one of their many connections takes the port in the meantime.
STORAGE_DOOR = socket.socket()
STORAGE_DOOR.bind(("127.0.0.1", 0))
atexit.register(STORAGE_DOOR.close)
os.environ["AWS_ENDPOINT_URL"] = "http://{}:{}".format(*STORAGE_DOOR.getsockname())
os.environ["AWS_ACCESS_KEY_ID"] = os.environ["AWS_SECRET_ACCESS_KEY"] = "test"
os.environ["AWS_DEFAULT_REGION"] = "us-east-1"


def of(kind, events):
    """Those of the events that are of one kind."""
    return [event for event in events if isinstance(event, kind)]


def smooth_noise(width, height, seed):
    """H×W×3 uint8 pixels with forms of several sizes."""
    generator = np.random.default_rng(seed)
    picture = np.zeros((height, width, 3))
    for cells in (3, 7, 15):
        coarse = generator.integers(0, 256, (cells, cells, 3), dtype=np.uint8)
        layer = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
        picture += np.asarray(layer, dtype=float) / 3
    return picture.clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def cluster():
    """One Ray for all tests, joined by this process: four CPUs, four pretended GPUs, a dashboard."""
    patch = pytest.MonkeyPatch()
    # Jobs handed in find this Python as `python`.
    patch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    cluster = Cluster(
        initialize_head=True,
        head_node_args={
            "num_cpus": 4,
            "num_gpus": 4,
            "include_dashboard": True,
            "dashboard_host": "127.0.0.1",
            "dashboard_port": free_port(),
            # Jobs go through an agent, of which all Rays on a machine want the same port.
            "dashboard_agent_listen_port": free_port(),
        },
    )
    ray.init(address=cluster.address, log_to_driver=False)
    yield cluster
    ray.shutdown()
    cluster.shutdown()
    patch.undo()


@pytest.fixture(scope="session")
def object_storage():
    """An S3 server that fails when it is told to."""
    port = free_port()
    process = start_moto(port)
    with Misbehaving(STORAGE_DOOR, port) as server:
        yield server
        server.shutdown()
    process.kill()
    process.wait()


@pytest.fixture
def bucket(object_storage):
    """A new bucket on that server, which behaves until a test tells it otherwise."""
    object_storage.behave()
    bucket = Url(f"s3://bucket-{next(_numbers)}")
    remote.patiently(bucket, lambda system: system.call_s3("create_bucket", Bucket=bucket.bucket))
    yield bucket
    object_storage.behave()


_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def farm(cluster, request):
    """The shared Ray, whose workers get what a test's module defines by value: they cannot import it."""
    ray.cloudpickle.register_pickle_by_value(request.module)
    yield
    ray.cloudpickle.unregister_pickle_by_value(request.module)


@contextmanager
def own_head(log, *options, **environment):
    """A Ray head of its own, apart from the shared one; what is left of it is killed in the end."""
    ray_command = str(Path(sys.executable).with_name("ray"))
    agent = f"--dashboard-agent-listen-port={free_port()}"
    command = [ray_command, "start", "--head", "--block", "--num-cpus=1", agent, *options]
    with log.open("wb") as file:
        process = psutil.Popen(command, env={**os.environ, **environment}, stdout=file, stderr=file)
    try:
        yield process
    finally:
        for member in [*process.children(recursive=True), process]:
            with suppress(psutil.NoSuchProcess):
                member.kill()
        process.wait()


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 256 kB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only the administrator may mount a small disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture(scope="session")
def dashboard(cluster):
    """Address of the cluster's dashboard, with somebody on the node to take a job."""
    address = f"http://{cluster.head_node.webui_url}"
    deadline = time.monotonic() + 300
    while True:
        try:
            JobSubmissionClient(address).submit_job(entrypoint="true")
        except RuntimeError:
            assert time.monotonic() < deadline
            time.sleep(0.5)
        else:
            return address


@pytest.fixture(scope="session")
def clip(tmp_path_factory):
    """A clip of 12 frames, 96×54, in two shots of 6, with sound."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    write_clip(SampleClip(width=96, height=54, frames=12), path)
    return path


@pytest.fixture(scope="session")
def style_picture(tmp_path_factory):
    """A style picture of 80×60."""
    path = tmp_path_factory.mktemp("style") / "style.png"
    Image.fromarray(smooth_noise(80, 60, seed=1)).save(path)
    return path


@pytest.fixture(scope="session")
def make_data(style_picture):
    """Plain data of a job that is quick to render: shallow layers, few evaluations, one worker.

    What costs most in a test is the start of a worker, which has all of torch to load.
    """

    def make(given, output):
        return {
            "input": given,
            "output": {"path": str(output)},
            "style": {
                "images": [{"path": str(style_picture)}],
                "layers": {"relu1_1": 1, "relu2_1": 1},
            },
            "content": {"layers": {"relu2_2": 1}},
            "model": {"arch": "vgg16", "weights": "procedural", "precision": "float32"},
            "optimize": {"evaluations": 6, "warm_evaluations": 3},
            "farm": {"workers": 1},
        }

    return make


@pytest.fixture
def video_job(make_data, clip, tmp_path):
    """Makes a job for the clip: `video_job("farm.workers=2", output="a.mp4")`."""

    def make(*overrides, output="out.mp4"):
        data = make_data({"kind": "video", "path": str(clip), "cuts": [6]}, tmp_path / output)
        return build_job(Document("test", data), overrides, tmp_path)

    return make


@pytest.fixture
def images_job(make_data, tmp_path):
    """Makes a job for a folder: `images_job(folder, "engine=passthrough")`."""

    def make(folder, *overrides, output="painted"):
        data = make_data({"kind": "images", "path": str(folder)}, tmp_path / output)
        return build_job(Document("test", data), overrides, tmp_path)

    return make
