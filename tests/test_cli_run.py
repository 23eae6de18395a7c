"""`render run` as a person runs it: another process, real signals, exit codes, the last line."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress

import psutil
import pytest
import yaml
from conftest import free_port, own_head
from typer.testing import CliRunner

from render.cli import app
from render.errors import FarmError
from render.farm.events import FrameFailed
from render.places import store_folder
from render.spec.load import dump_job
from render.store import Store


@pytest.fixture
def job_file(video_job, tmp_path):
    """Writes a job for the clip into a file: `job_file("out.mp4")` returns (job, path)."""

    def make(output, *overrides):
        job = video_job(*overrides, output=output)
        path = tmp_path / f"{output}.yaml"
        path.write_text(dump_job(job))
        return job, path

    return make


def call(path, *arguments):
    """The command in this process, on the Ray that it has joined: (exit code, outcome, stderr)."""
    result = CliRunner().invoke(app, ["run", str(path), *arguments])
    return result.exit_code, json.loads(result.stdout.splitlines()[-1]), result.stderr


def start(path, *arguments, **environment):
    return subprocess.Popen(
        [sys.executable, "-m", "render", "run", str(path), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
    )


def finish(process):
    out, err = process.communicate(timeout=180)
    return process.returncode, json.loads(out.splitlines()[-1]), err


def recorded(job):
    """(frame, stage) of every whole line of the ledger; the stage of a finished frame is None."""
    path = store_folder(job) / "ledger/frames.jsonl"
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    records = [json.loads(line) for line in lines]
    return [(record["frame"], record.get("stage")) for record in records]


def finished_frames(job):
    """Frames with a line and a file; the line comes first, so a kill may fall in between."""
    there = {path.name for path in (store_folder(job) / "frames").glob("*.png")}
    return sum(stage is None and f"{frame:06}.png" in there for frame, stage in set(recorded(job)))


def wait_for_frames(job, process, count):
    deadline = time.monotonic() + 120
    while finished_frames(job) < count:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


def frame_bytes(job):
    folder = store_folder(job) / "frames"
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.slow
def test_a_driver_killed_half_way_is_finished_by_the_same_command(job_file, cluster):
    slow = ("optimize.warm_evaluations=16", "farm.workers=1")
    calm, calm_file = job_file("calm.mp4", *slow)
    code, outcome, _ = call(calm_file)
    assert (code, outcome["status"], outcome["frames_done"]) == (0, "finished", 12)

    job, path = job_file("killed.mp4", *slow)
    process = start(path, f"farm.address={cluster.address}")
    wait_for_frames(job, process, 3)
    process.send_signal(signal.SIGKILL)
    _, outcome, _ = finish(process)
    assert outcome["status"] == "failed"
    assert not (store_folder(job) / "summary.json").exists()
    assert_nobody_is_left(cluster)
    done = finished_frames(job)
    assert 3 <= done < 12

    code, outcome, err = call(path)
    assert (code, outcome["frames_reused"], outcome["frames_done"]) == (0, done, 12)
    assert finished_frames(job) == 12
    # Nothing was rendered twice, but what was between its line and its name.
    assert len(recorded(job)) - len(set(recorded(job))) <= 1
    assert f"{done} of them finished before" in err
    assert frame_bytes(job) == frame_bytes(calm)


@pytest.mark.slow
@pytest.mark.parametrize(
    "signs", [[signal.SIGINT], [signal.SIGTERM] * 2], ids=["ctrl-c", "term-twice"]
)
def test_an_interrupted_run_says_how_to_go_on_or_stops_at_once_when_asked_again(
    job_file, signs, cluster
):
    job, path = job_file("stopped.mp4", "optimize.warm_evaluations=40", "farm.workers=1")
    process = start(path, "seed=0", f"farm.address={cluster.address}")
    wait_for_frames(job, process, 1)
    asked = time.time()
    for sign in signs:
        process.send_signal(sign)
        time.sleep(0.2)
    code, outcome, err = finish(process)
    assert (code, outcome["status"]) == (130, "incomplete")
    assert (outcome["output"], outcome["frames_total"]) == (str(job.output.path), 12)
    # It is told of a frame after its commit: the signal may come between the two.
    assert 0 <= outcome["frames_done"] < 12
    assert (store_folder(job) / "ledger/frames.jsonl").stat().st_mtime < asked + 3
    assert "Traceback" not in err
    if len(signs) == 1:
        assert f"render run {path} seed=0" in err
        summary = json.loads((store_folder(job) / "summary.json").read_text())
        assert summary["status"] == "incomplete"
        assert 1 <= summary["frames_done"] < 12
    assert_nobody_is_left(cluster)
    with Store(job) as store:
        assert not store.damaged
        assert 1 <= len(store.records) < 12


@pytest.mark.slow
def test_a_head_that_goes_ends_the_run_and_its_workers_and_another_ray_finishes_it(
    job_file, tmp_path, cluster
):
    job, path = job_file("headless.mp4", "optimize.warm_evaluations=20", "farm.workers=1")
    impatient = {"RAY_gcs_rpc_server_reconnect_timeout_s": "3"}  # instead of a minute
    port = free_port()
    options = ("--include-dashboard=false", f"--port={port}")
    with own_head(tmp_path / "ray.log", *options, **impatient) as head:
        wait_for_port(port)
        process = start(path, f"farm.address=127.0.0.1:{port}", **impatient)
        wait_for_frames(job, process, 1)
        family = head.children(recursive=True)
        workers = [one for one in family if " ".join(cmdline(one)).startswith("ray::Worker")]
        assert workers
        for one in [*family, head]:
            if one.name() in ("gcs_server", "raylet", "ray"):
                one.kill()
        code, outcome, _ = finish(process)
        assert code not in (0, 130)
        assert outcome["status"] == "failed"
        assert "head of its Ray cluster is gone" in outcome["error"]
        assert not psutil.wait_procs(workers, timeout=30)[1]
    code, outcome, _ = call(path)
    assert (code, outcome["frames_done"]) == (0, 12)
    assert outcome["frames_reused"] >= 1


def wait_for_port(port):
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        else:
            return


def assert_nobody_is_left(cluster):
    """No worker outlives its driver, so none holds a GPU."""
    raylet = psutil.Process(cluster.head_node.all_processes["raylet"][0].process.pid)
    deadline = time.monotonic() + 30
    while any(" ".join(cmdline(one)).startswith("ray::Worker") for one in raylet.children()):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def cmdline(process):
    with suppress(psutil.NoSuchProcess):
        return process.cmdline()
    return []


def test_a_run_with_failed_frames_ends_with_1_and_names_them(
    images_job, tmp_path, style_picture, cluster
):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "good.png").write_bytes(style_picture.read_bytes())
    (folder / "torn.png").write_bytes(style_picture.read_bytes()[:300])
    path = tmp_path / "job.yaml"
    path.write_text(dump_job(images_job(folder, "engine=passthrough")))
    code, outcome, err = call(path)
    assert code == 1
    assert outcome["status"] == "incomplete"
    assert [failure["frame"] for failure in outcome["frames_failed"]] == [1]
    assert "torn.png" in outcome["frames_failed"][0]["reason"]
    assert "torn.png" in err


@pytest.fixture
def torn_file(images_job, tmp_path, style_picture):
    """A job for ten pictures, of which the first four are torn, that gives up at the first."""
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(10):
        whole = style_picture.read_bytes()
        (folder / f"{number}.png").write_bytes(whole[:300] if number < 4 else whole)
    path = tmp_path / "job.yaml"
    path.write_text(dump_job(images_job(folder, "engine=passthrough", "farm.max_failed=0")))
    return path


@pytest.mark.parametrize(
    ("flags", "failed"),
    [
        ([], 1),
        (["--max-failed", "2"], 3),
        (["--max-failed", "10%"], 2),
        (["--keep-going"], 4),
    ],
)
def test_flags_say_after_how_many_failed_frames_to_stop(cluster, torn_file, flags, failed):
    code, outcome, err = call(torn_file, *flags)
    assert (code, outcome["status"]) == (1, "incomplete")
    assert [failure["frame"] for failure in outcome["frames_failed"]] == [*range(failed)]
    assert f"{failed} frames failed" in err
    assert (outcome["frames_done"] == 6) == (failed == 4)


def test_to_stop_and_to_keep_going_cannot_both_be_asked_for(torn_file):
    code, outcome, err = call(torn_file, "--keep-going", "--max-failed", "2")
    assert code == 2
    assert "contradict each other" in err
    assert "contradict each other" in outcome["error"]
    code, outcome, _ = call(torn_file, "--max-failed", "many")
    assert code == 2
    assert "farm.max_failed" in outcome["error"]


@pytest.mark.parametrize(
    ("end", "code", "status"),
    [
        (KeyboardInterrupt(), 130, "incomplete"),
        (FarmError("the power failed"), 2, "failed"),
        (ZeroDivisionError("the power failed"), 1, "failed"),
    ],
)
def test_every_end_names_the_frames_that_failed_until_then(
    monkeypatch, torn_file, end, code, status
):
    def run(job, on_event, **_):
        on_event(FrameFailed(7, "torn"))
        raise end

    monkeypatch.setattr("render.study.run", run)
    found, outcome, err = call(torn_file)
    assert (found, outcome["status"]) == (code, status)
    assert outcome["frames_failed"] == [{"frame": 7, "reason": "torn"}]
    assert "frame 7 is missing: torn" in err
    if status == "failed":
        assert "the power failed" in outcome["error"]
        assert "the power failed" in err


def test_the_video_has_every_frame_the_rate_and_the_sound_of_the_source(job_file, clip, cluster):
    import av

    # Not all of this name is ASCII, nor even text: a file's name is any bytes.
    job, path = job_file("Gemälde\udce9.mp4", "engine=passthrough")
    code, outcome, _ = call(path)
    assert code == 0
    assert (store_folder(job) / "report.html").is_file()
    with av.open(str(job.output.path)) as made, av.open(str(clip)) as source:
        assert made.streams.video[0].average_rate == source.streams.video[0].average_rate
        assert sum(1 for _ in made.decode(video=0)) == 12
        made.seek(0)
        sound, original = (
            b"".join(bytes(packet) for packet in file.demux(audio=0)) for file in (made, source)
        )
        assert sound == original
    assert outcome["output"] == str(job.output.path)
    resolved = yaml.safe_load((store_folder(job) / "job.yaml").read_text())
    assert resolved["input"]["path"] == str(clip)


def test_a_damaged_picture_is_made_again_and_verify_says_how_many_agreed(
    images_job, tmp_path, style_picture, cluster
):
    folder, path = tmp_path / "in", tmp_path / "job.yaml"
    folder.mkdir()
    for name in "abc":
        (folder / f"{name}.png").write_bytes(style_picture.read_bytes())
    job = images_job(folder, "engine=passthrough")
    path.write_text(dump_job(job))
    call(path)
    picture = job.output.path / "b.png"
    whole = picture.read_bytes()
    picture.write_bytes(whole[:-1] + b"?")
    code, outcome, err = call(path)
    assert (code, outcome["frames_reused"], outcome["frames_done"]) == (0, 2, 3)
    assert "missing or damaged, rendered again: frames 1" in err
    assert picture.read_bytes() == whole
    code, outcome, err = call(path, "--verify")
    assert (code, outcome["frames_reused"]) == (0, 3)
    assert "3 committed frames agree with the ledger" in err
