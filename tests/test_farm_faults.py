"""What a farm does to a run, on real Ray processes: nothing is lost, and the bytes are the same."""

import os
import signal
import sys
import time
from contextlib import suppress
from dataclasses import replace

import psutil
import pytest
import ray
import torch
from conftest import smooth_noise
from PIL import Image

from render.errors import WeightsError
from render.farm import driver
from render.farm.actor import Worker
from render.farm.events import FrameDone, FrameFailed, FrameRetried, WorkerLost, WorkerReady
from render.painter import DivergedError
from render.pipeline import run
from render.store import store_folder


@pytest.fixture(scope="module", autouse=True)
def farm(cluster):
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    yield
    ray.cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


def of(kind, events):
    return [event for event in events if isinstance(event, kind)]


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


class Hanging(Worker):
    def paint(self, task):
        if task.frame.index == 3 and once(self._job):
            time.sleep(3600)
        return super().paint(task)


class Late(Worker):
    """Answers once for an attempt that was given up."""

    def paint(self, task):
        reply = super().paint(task)
        if task.frame.index == 3 and once(self._job):
            return replace(reply, attempt=0, data=b"late")
        return reply


class Short(Worker):
    """Its device has room for nothing at frame 3, and its numbers run away at frame 7."""

    def load(self):
        ready = super().load()
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

    def load(self):
        self._materials = replace(self._materials, weights="0" * 64)
        return super().load()


def test_a_hung_worker_is_replaced_and_its_unit_goes_on(monkeypatch, video_job):
    monkeypatch.setattr(driver, "Worker", Hanging)
    events = []
    job = video_job("engine=passthrough", "farm.timeout=2", "farm.workers=1")
    assert run(job, on_event=events.append).status == "finished"
    assert "no answer within farm.timeout (2 s)" in of(WorkerLost, events)[0].reason
    assert [event.frame for event in of(FrameRetried, events)] == [3]
    assert sorted(event.frame for event in of(FrameDone, events)) == list(range(12))


def test_a_clock_that_is_moved_lets_nobody_seem_hung(monkeypatch, video_job):
    clock, events = time.time, []
    monkeypatch.setattr(driver.time, "time", lambda: clock() + 3600 * len(events))
    assert run(video_job("engine=passthrough"), on_event=events.append).status == "finished"
    assert not of(WorkerLost, events)


def test_a_late_report_does_not_count_and_its_frame_is_not_lost(monkeypatch, video_job):
    monkeypatch.setattr(driver, "Worker", Late)
    events = []
    job = video_job("engine=passthrough", "farm.workers=1")
    assert run(job, on_event=events.append).status == "finished"
    assert sorted(event.frame for event in of(FrameDone, events)) == list(range(12))
    assert frame_bytes(job)["000003.png"] != b"late"


def test_a_frame_without_room_or_with_wild_numbers_is_painted_with_less(monkeypatch, video_job):
    monkeypatch.setattr(driver, "Worker", Short)
    job, events = video_job("farm.workers=1"), []
    assert run(job, on_event=events.append).status == "finished"
    assert not of(WorkerLost, events)
    ledger = (store_folder(job) / "ledger/frames.jsonl").read_text().splitlines()
    changed = {number: line for number, line in enumerate(ledger) if "changed" in line}
    assert changed.keys() == {3, 7}
    assert '"optimize.history": 2' in changed[3]
    assert '"model.precision": "float32"' in changed[7]


def test_other_weights_on_a_node_are_refused_before_any_frame(monkeypatch, video_job):
    monkeypatch.setattr(driver, "Worker", Astray)
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


def test_a_lost_node_costs_no_frame_and_its_work_goes_on_elsewhere(cluster, video_job):
    calm = video_job("engine=passthrough", output="calm.mp4")
    run(calm)
    # Only these two nodes have room for the workers.
    nodes = [cluster.add_node(num_cpus=6), cluster.add_node(num_cpus=6)]
    job = video_job(
        "engine=passthrough",
        *("farm.cpus_per_worker=6", "farm.gpus_per_worker=0", "farm.workers=1", "farm.retries=0"),
        output="lost.mp4",
    )
    events = []

    def watch(event):
        events.append(event)
        if isinstance(event, FrameDone) and event.frame == 2:
            worker = psutil.Process(of(WorkerReady, events)[0].process)
            raylet = worker.ppid()
            (lost,) = (n for n in nodes if n.all_processes["raylet"][0].process.pid == raylet)
            nodes.remove(lost)
            cluster.remove_node(lost, allow_graceful=False)
            psutil.wait_procs([worker], timeout=30)

    try:
        summary = run(job, on_event=watch)
    finally:
        for node in nodes:
            cluster.remove_node(node)
    assert summary.frames_failed == {}
    assert len(of(WorkerLost, events)) == 1
    assert not of(FrameFailed, events)
    assert len(of(WorkerReady, events)) == 2
    assert frame_bytes(job) == frame_bytes(calm)


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
