"""Anchors and segments on a real Ray: the same pixels whoever paints them, in whatever order."""

import os
import signal

import pytest
from conftest import of

from render.farm import hands
from render.farm.actor import Worker
from render.farm.events import FrameDone, WorkerLost
from render.inputs import make_plan
from render.pipeline import run
from render.places import store_folder
from render.spec.document import Document
from render.spec.load import build_job

ANCHORED = {
    "parallel": "anchors",
    "segment": 4,
    "bridge": 2,
    "long_term": 2,
}


pytestmark = pytest.mark.usefixtures("farm")


@pytest.fixture(scope="module")
def make(make_data, clip, tmp_path_factory):
    """Makes the job of one shot of 12 frames in three segments, for so many workers."""

    def made(workers, **settings):
        output = tmp_path_factory.mktemp("anchors") / "out.mp4"
        data = make_data({"kind": "video", "path": str(clip), "cuts": []}, output)
        data["temporal"] = ANCHORED
        data["farm"] = {"workers": workers, "gpus_per_worker": 0, "in_flight": 3}
        return build_job(Document("test", {**data, **settings}), (), output.parent)

    return made


def frame_bytes(job):
    folder = store_folder(job) / "frames"
    return [path.read_bytes() for path in sorted(folder.iterdir())]


@pytest.fixture(scope="module")
def alone(make):
    """Painted by one worker: the bytes, and in which order."""
    job, events = make(1), []
    assert run(job, on_event=events.append).status == "finished"
    return frame_bytes(job), [event.frame for event in of(FrameDone, events)], events


def test_the_anchors_come_before_what_is_led_to_them(alone):
    bytes_, order, events = alone
    assert len(bytes_) == 12
    assert [frame for frame in order if frame % 4 == 0] == [0, 4, 8]
    for anchor in (4, 8):
        assert order.index(anchor) < order.index(anchor - 2)
    spent = {event.frame: event.evaluations for event in of(FrameDone, events)}
    assert spent == {frame: 3 if frame % 4 else 6 for frame in range(12)}


def test_three_workers_paint_one_shot_and_give_the_same_bytes(make, alone):
    job, events = make(3), []
    assert run(job, on_event=events.append).workers == 3
    assert len({event.worker for event in of(FrameDone, events)}) == 3
    assert frame_bytes(job) == alone[0]


def test_an_interrupted_run_goes_on_to_the_same_bytes(make, alone):
    job, events = make(2), []

    def stop(event):
        events.append(event)
        if len(of(FrameDone, events)) == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(job, on_event=stop)
    assert run(job).frames_reused == 6
    assert frame_bytes(job) == alone[0]


class Dying(Worker):
    """Dies once each of an anchor, the frame behind one, and a frame that is led to one."""

    def load(self, job, materials):
        self._output = job.output.path
        return super().load(job, materials)

    def paint(self, task):
        log = self._output.with_suffix(f".{task.frame.index}")
        if task.frame.index in (4, 5, 7) and not log.exists():
            log.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().paint(task)


def test_workers_that_die_and_are_replaced_give_the_same_bytes(make, alone, monkeypatch):
    monkeypatch.setattr(hands, "Worker", Dying)
    job, events = make(2), []
    assert run(job, on_event=events.append).status == "finished"
    assert len(of(WorkerLost, events)) == 3
    assert frame_bytes(job) == alone[0]


def test_seams_of_a_plan_are_where_segments_meet(make):
    assert make_plan(make(1)).seams == {4, 8}
