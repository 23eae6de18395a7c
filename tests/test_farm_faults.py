"""What a farm does to a run, on real Ray processes: nothing is lost, and the bytes are the same."""

import json
import os
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import replace

import psutil
import pytest
import torch
from conftest import of, smooth_noise
from PIL import Image

from render.errors import EngineError, OutputError, WeightsError
from render.farm import driver, hands
from render.farm.actor import Worker
from render.farm.attempts import NODE_FAULTS
from render.farm.events import (
    FrameDone,
    FrameFailed,
    FrameRetried,
    StageDone,
    WorkerLost,
    WorkerReady,
)
from render.painted import DivergedError
from render.pipeline import run
from render.places import store_folder
from render.spec.document import Document
from render.spec.load import build_job

pytestmark = pytest.mark.usefixtures("farm")


def frame_bytes(job):
    folder = store_folder(job) / "frames"
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def once(job):
    """Whether this is the first time that it is asked for this job, by whatever process."""
    try:
        job.output.path.with_suffix(".once").touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


class Faulty(Worker):
    """Knows its job, to do wrong once in it."""

    def load(self, job, materials):
        self._job = job
        return super().load(job, materials)


class Hanging(Faulty):
    def paint(self, task):
        if task.frame.index == 3 and once(self._job):
            time.sleep(3600)
        return super().paint(task)


class Late(Faulty):
    """Answers once for an attempt that was given up."""

    def paint(self, task):
        reply = super().paint(task)
        if task.frame.index == 3 and once(self._job):
            return replace(reply, attempt=0, data=b"late")
        return reply


class Slow(Worker):
    """Hangs while it loads its model, the first time."""

    def load(self, job, materials):
        if once(job):
            time.sleep(3600)
        return super().load(job, materials)


class Short(Worker):
    """Its device has room for nothing at frame 3, and its numbers run away at frame 7."""

    def load(self, job, materials):
        ready = super().load(job, materials)
        honest = self._rescuer._painter.paint

        def paint(*given, index, **others):
            if index == 3:
                raise torch.OutOfMemoryError("CUDA out of memory")
            if index == 7:
                raise DivergedError("the loss is not finite")
            return honest(*given, index=index, **others)

        self._rescuer._painter.paint = paint
        return ready


class Astray(Worker):
    """Finds other weights on its node than the driver has."""

    def load(self, job, materials):
        return super().load(job, replace(materials, weights={"model.weights": "0" * 64}))


def test_a_hung_worker_is_replaced_and_its_unit_goes_on(monkeypatch, video_job):
    monkeypatch.setattr(hands, "Worker", Hanging)
    events = []
    job = video_job("engine=passthrough", "farm.timeout=5", "farm.workers=1")
    assert run(job, on_event=events.append).status == "finished"
    assert "no answer within farm.timeout (5 s)" in of(WorkerLost, events)[0].reason
    assert [event.frame for event in of(FrameRetried, events)] == [3]
    assert sorted(event.frame for event in of(FrameDone, events)) == list(range(12))


def test_a_worker_that_hangs_at_its_model_is_replaced(monkeypatch, video_job):
    monkeypatch.setattr(hands, "Worker", Slow)
    events = []
    job = video_job("engine=passthrough", "farm.timeout=5", "farm.workers=1")
    assert run(job, on_event=events.append).status == "finished"
    assert [event.worker for event in of(WorkerLost, events)] == ["worker-1"]
    assert not of(FrameRetried, events)


def test_a_clock_that_is_moved_lets_nobody_seem_hung(monkeypatch, video_job):
    clock, events = time.time, []
    monkeypatch.setattr(driver.time, "time", lambda: clock() + 3600 * len(events))
    assert run(video_job("engine=passthrough"), on_event=events.append).status == "finished"
    assert not of(WorkerLost, events)


def test_a_late_report_does_not_count_and_its_frame_is_not_lost(monkeypatch, video_job):
    monkeypatch.setattr(hands, "Worker", Late)
    events = []
    job = video_job("engine=passthrough", "farm.workers=1")
    assert run(job, on_event=events.append).status == "finished"
    assert sorted(event.frame for event in of(FrameDone, events)) == list(range(12))
    assert frame_bytes(job)["000003.png"] != b"late"


def test_a_frame_without_room_or_with_wild_numbers_is_painted_with_less(monkeypatch, video_job):
    monkeypatch.setattr(hands, "Worker", Short)
    job, events = video_job("farm.workers=1"), []
    assert run(job, on_event=events.append).status == "finished"
    assert not of(WorkerLost, events)
    lines = (store_folder(job) / "ledger/frames.jsonl").read_text().splitlines()
    records = {record["frame"]: record["info"] for record in map(json.loads, lines)}
    changed = {frame: info["changed"] for frame, info in records.items() if "changed" in info}
    assert changed == {
        3: {"optimize.history": 2},
        7: {"optimize.history": 2, "model.precision": "float32"},
    }


def test_other_weights_on_a_node_are_refused_before_any_frame(monkeypatch, video_job):
    monkeypatch.setattr(hands, "Worker", Astray)
    events = []
    with pytest.raises(WeightsError, match="another file than the driver's"):
        run(video_job(), on_event=events.append)
    assert not of(FrameDone, events)


def test_a_job_stops_when_more_frames_failed_than_may(images_job, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(30):
        Image.fromarray(smooth_noise(20, 20, seed=number)).save(folder / f"{number}.png")
    for number in range(4):
        (folder / f"{number}.png").write_bytes(b"\x89PNG torn")
    limited = run(images_job(folder, "engine=passthrough", "farm.max_failed=5%"))
    assert (limited.status, len(limited.frames_failed)) == ("incomplete", 2)
    patient = run(images_job(folder, "engine=passthrough"))
    assert (patient.frames_done, len(patient.frames_failed)) == (26, 4)


WAVES = ("input.frames=0-5", "optimize.warm_evaluations=24")
"""One shot of six frames in three stages."""


@pytest.fixture(scope="module")
def calm(farm, make_data, clip, tmp_path_factory):
    """Bytes of the frames of the waves when nothing happens."""
    output = tmp_path_factory.mktemp("calm") / "out.mp4"
    data = make_data({"kind": "video", "path": str(clip), "cuts": [6]}, output)
    job = build_job(Document("test", data), (*WAVES, "farm.workers=1"), output.parent)
    run(job)
    return frame_bytes(job)


class Choking(Worker):
    """Cannot do the middle stage of frame 2."""

    def paint(self, task):
        if (task.frame.index, task.stage) == (2, 1):
            raise EngineError("choked")
        return super().paint(task)


def test_frames_after_one_that_was_set_aside_in_a_wave_come_out_the_same_on_any_farm(
    monkeypatch, video_job, calm
):
    monkeypatch.setattr(hands, "Worker", Choking)
    found = []
    for workers in (1, 3):
        settings = (f"farm.workers={workers}", "farm.gpus_per_worker=0", f"farm.retries={workers}")
        job, events = video_job(*WAVES, *settings, output=f"{workers}.mp4"), []
        summary = run(job, on_event=events.append)
        assert summary.frames_failed == {2: "choked"}
        assert summary.frames_done == 5
        assert [event.attempt for event in of(FrameRetried, events)] == [*range(1, workers + 1)]
        found.append(frame_bytes(job))
    assert found[0] == found[1]
    assert {name: calm[name] for name in ("000000.png", "000001.png")}.items() <= found[0].items()


def test_a_full_disk_ends_the_run_before_any_frame_or_amid_them_until_there_is_space(
    video_job, small_disk
):
    job = video_job("engine=passthrough", "farm.workers=1", f"output.path={small_disk}/out.mp4")
    ballast, events = small_disk / "ballast", []
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    with pytest.raises(OutputError, match="No space left"):
        run(job, on_event=events.append)
    assert not of(WorkerReady, events)

    os.truncate(ballast, ballast.stat().st_size // 4096 * 4096 - 110_000)
    with pytest.raises(OutputError, match="No space left"):
        run(job, on_event=events.append)
    assert not list(small_disk.rglob("*.part"))

    ballast.unlink()
    subprocess.run(["mount", "-o", "remount,size=8m", str(small_disk)], check=True)
    assert run(job).status == "finished"


def test_a_worker_that_dies_leaves_no_process_behind(video_job):
    events = []

    def watch(event):
        events.append(event)
        if isinstance(event, FrameDone) and event.frame == 1:
            os.kill(of(WorkerReady, events)[0].process, signal.SIGKILL)

    run(video_job("engine=passthrough", "farm.workers=1"), on_event=watch)
    for event in of(WorkerReady, events):
        with suppress(psutil.NoSuchProcess):
            psutil.Process(event.process).wait(20)
        assert not psutil.pid_exists(event.process)


@pytest.fixture(scope="module")
def nodes(cluster):
    """Two nodes, the only ones with room for the workers of `ELSEWHERE`."""
    nodes = [cluster.add_node(num_cpus=1, num_gpus=6) for _ in range(2)]
    yield nodes
    for node in nodes:
        cluster.remove_node(node)


ELSEWHERE = ("farm.gpus_per_worker=6", "farm.workers=1", "farm.retries=0")


class Doomed(Worker):
    """Dies on the node on which the first of its kind was."""

    def load(self, job, materials):
        path, here = job.output.path.with_suffix(".node"), self.place().node
        if once(job):
            path.write_text(here)
        if path.read_text() == here:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().load(job, materials)


def test_a_node_on_which_workers_die_is_avoided(monkeypatch, nodes, video_job):
    monkeypatch.setattr(hands, "Worker", Doomed)
    events = []
    job = video_job("engine=passthrough", *ELSEWHERE, "farm.losses=5")
    assert run(job, on_event=events.append).status == "finished"
    assert 1 <= len(of(WorkerLost, events)) <= NODE_FAULTS
    assert not of(FrameRetried, events)


def test_a_lost_node_costs_no_frame_and_its_work_goes_on_elsewhere(cluster, nodes, video_job, calm):
    job = video_job(*WAVES, *ELSEWHERE)
    events = []

    def watch(event):
        events.append(event)
        if isinstance(event, StageDone) and (event.frame, event.stage) == (2, 1):
            worker = psutil.Process(of(WorkerReady, events)[0].process)
            raylet = worker.ppid()
            (lost,) = (n for n in nodes if n.all_processes["raylet"][0].process.pid == raylet)
            nodes.remove(lost)
            cluster.remove_node(lost, allow_graceful=False)
            psutil.wait_procs([worker], timeout=30)

    summary = run(job, on_event=watch)
    assert summary.frames_failed == {}
    assert len(of(WorkerLost, events)) == 1
    assert not of(FrameFailed, events)
    assert len(of(WorkerReady, events)) == 2
    assert frame_bytes(job) == calm
