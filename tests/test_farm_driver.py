"""The farm on a real Ray: the same pixels whoever paints them, and nothing lost."""

import os
import signal
import time
from dataclasses import dataclass

import numpy as np
import psutil
import pytest
from conftest import of, smooth_noise
from PIL import Image

from render.errors import FarmError, WeightsError
from render.farm import hands
from render.farm.actor import Worker
from render.farm.events import (
    Event,
    FrameDone,
    FrameRetried,
    StageDone,
    WorkerLost,
    WorkerReady,
)
from render.inputs import make_plan
from render.media.source import open_source
from render.media.stills import decode_png
from render.pipeline import Summary, run
from render.places import store_folder
from render.schedule import forecast, in_evaluations
from render.settle import tunables
from render.spec.document import Document
from render.spec.job import Job
from render.spec.load import build_job
from render.spec.media import VideoInput

pytestmark = pytest.mark.usefixtures("farm")


@pytest.fixture
def events():
    return []


def frame_bytes(job):
    folder = store_folder(job) / "frames"
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@dataclass(frozen=True)
class Run:
    job: Job
    summary: Summary
    events: list[Event]


@pytest.fixture(scope="module")
def runs(farm, make_data, clip, tmp_path_factory):
    """The clip rendered with one worker and with two."""

    def render(workers):
        output = tmp_path_factory.mktemp("runs") / "out.mp4"
        data = make_data({"kind": "video", "path": str(clip), "cuts": [6]}, output)
        data["farm"] = {"workers": workers, "gpus_per_worker": 0}
        job = build_job(Document("test", data), (), output.parent)
        events = []
        return Run(job, run(job, on_event=events.append), events)

    return {workers: render(workers) for workers in (1, 2)}


def test_one_worker_and_two_give_the_same_bytes(runs):
    assert runs[1].summary.workers == 1
    assert runs[2].summary.workers == 2
    both = {event.worker for event in of(FrameDone, runs[2].events)}
    assert both == {"worker-1", "worker-2"}
    assert len(frame_bytes(runs[1].job)) == 12
    assert frame_bytes(runs[1].job) == frame_bytes(runs[2].job)


def test_frames_of_a_shot_are_painted_in_order(runs):
    for shot in (0, 1):
        done = of(FrameDone, runs[2].events)
        frames = [event.frame for event in done if event.shot == shot]
        assert frames == list(range(6 * shot, 6 * shot + 6))


def test_the_first_frame_of_a_shot_has_the_full_budget_and_the_others_the_small_one(runs):
    spent = {event.frame: event.evaluations for event in of(FrameDone, runs[1].events)}
    assert spent == {frame: 6 if frame in (0, 6) else 3 for frame in range(12)}
    assert runs[1].summary.evaluations == sum(spent.values())


def test_a_second_run_renders_only_what_is_missing(runs, events):
    job = runs[1].job
    before = frame_bytes(job)
    (store_folder(job) / "frames/000004.png").unlink()
    again = run(job, on_event=events.append)
    assert runs[1].summary.frames_reused == 0
    assert again.frames_reused == 11
    assert [event.frame for event in of(FrameDone, events)] == [4]
    assert frame_bytes(job) == before


def test_four_gpus_get_four_workers_with_one_gpu_each_and_one_model_each(video_job, events):
    job = video_job("temporal.segment=3", "farm.workers=auto")
    assert run(job, on_event=events.append).workers == 4
    ready = of(WorkerReady, events)
    assert len(ready) == 4
    assert len({event.process for event in ready}) == 4
    assert sorted(event.gpus for event in ready) == [("0",), ("1",), ("2",), ("3",)]


def test_workers_on_cpus_begin_as_processes_that_paint_should(video_job):
    begun = []

    def watch(event):
        if isinstance(event, WorkerReady):
            begun.append(psutil.Process(event.process).environ())

    job = video_job("engine=passthrough", "farm.workers=1", "farm.gpus_per_worker=0")
    run(job, on_event=watch)
    assert len(begun) == 1
    assert tunables().items() <= begun[0].items()


def test_a_video_of_one_frame_is_a_video(video_job):
    job = video_job("input.frames=4")
    summary = run(job)
    assert (summary.status, summary.frames_done, summary.workers) == ("finished", 1, 1)
    assert open_source(VideoInput(kind="video", path=str(job.output.path))).count == 1


def test_there_are_never_more_workers_than_units(video_job):
    assert run(video_job("farm.workers=4", "engine=passthrough")).workers == 2


WAVES = ("optimize.evaluations=30", "optimize.warm_evaluations=32", "farm.gpus_per_worker=0")
"""Four stages of eight evaluations each."""


@pytest.fixture(scope="module")
def wave(farm, make_data, clip, tmp_path_factory):
    """One shot of six frames, painted in waves by one worker."""
    output = tmp_path_factory.mktemp("wave") / "out.mp4"
    data = make_data({"kind": "video", "path": str(clip), "frames": "0-5", "cuts": []}, output)
    job = build_job(Document("test", data), (*WAVES, "farm.workers=1"), output.parent)
    events = []
    return Run(job, run(job, on_event=events.append), events)


def wave_job(wave, tmp_path, *overrides):
    data = {**wave.job.model_dump(mode="json"), "output": {"path": str(tmp_path / "out.mp4")}}
    return build_job(Document("test", data), overrides, tmp_path)


def test_every_frame_of_a_wave_goes_through_all_stages_in_order(wave):
    done = [
        (event.frame, event.stage if isinstance(event, StageDone) else 3)
        for event in wave.events
        if isinstance(event, StageDone | FrameDone)
    ]
    assert sorted(done) == [(frame, stage) for frame in range(6) for stage in range(4)]
    for frame, stage in done:
        here = done.index((frame, stage))
        assert stage == 0 or done.index((frame, stage - 1)) < here
        assert frame == 0 or done.index((frame - 1, stage)) < here
    assert wave.summary.evaluations == 30 + 5 * 32


@pytest.mark.parametrize("workers", [2, 4])
def test_waves_give_the_same_bytes_on_workers_that_share_one_shot(wave, tmp_path, events, workers):
    job = wave_job(wave, tmp_path, f"farm.workers={workers}")
    assert run(job, on_event=events.append).workers == workers
    assert frame_bytes(job) == frame_bytes(wave.job)
    painters = {event.worker for event in of(FrameDone, events) + of(StageDone, events)}
    assert len(painters) > 1
    assert not of(FrameRetried, events)


def test_waves_go_on_from_the_newest_picture_of_every_stage(wave, tmp_path, events):
    job = wave_job(wave, tmp_path)

    def stop(event):
        events.append(event)
        if isinstance(event, FrameDone) and event.frame == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(job, on_event=stop)
    before = {(event.frame, event.stage) for event in of(StageDone, events)}
    again = []
    assert run(job, on_event=again.append).frames_reused == 3
    assert before.isdisjoint((event.frame, event.stage) for event in of(StageDone, again))
    assert frame_bytes(job) == frame_bytes(wave.job)
    assert not (store_folder(job) / "stages").exists()


def test_probes_cost_what_the_forecast_says_and_help_any_number_of_workers_alike(
    wave, tmp_path, monkeypatch
):
    small = ("input.frames=0-3", "output.size=48")
    budget = "optimize={evaluations: 40, warm_evaluations: 40}"
    alone, crew = (wave_job(wave, tmp_path / n, budget, *small, f"farm.workers={n}") for n in "13")
    monkeypatch.setattr("render.plan.PROBED", 2)
    spent = run(alone).evaluations
    assert spent == 40 + 3 * 40 + 2 * 40
    assert spent == forecast([in_evaluations(alone, make_plan(alone))]).total
    run(crew)
    assert frame_bytes(crew) == frame_bytes(alone)


def test_a_lost_frame_of_a_finished_wave_comes_out_the_same(wave):
    before = frame_bytes(wave.job)
    (store_folder(wave.job) / "frames/000003.png").unlink()
    assert run(wave.job).frames_reused == 5
    assert frame_bytes(wave.job) == before


def test_passing_through_repaints_nothing(images_job, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    pixels = smooth_noise(50, 40, seed=2)
    alpha = np.tile(np.arange(50, dtype=np.uint8), (40, 1))
    Image.fromarray(np.dstack([pixels, alpha])).save(folder / "clear.png")
    job = images_job(folder, "engine=passthrough")
    run(job)
    still = decode_png((tmp_path / "painted/clear.png").read_bytes())
    assert np.array_equal(still.pixels, pixels)
    assert np.array_equal(still.alpha, alpha)


def test_masks_travel_with_their_frames(images_job, tmp_path):
    folder, mask = tmp_path / "in", tmp_path / "mask.png"
    folder.mkdir()
    pixels = smooth_noise(64, 48, seed=2)
    Image.fromarray(pixels).save(folder / "a.png")
    left = np.zeros((48, 64), np.uint8)
    left[:, :32] = 255
    Image.fromarray(left).save(mask)
    job = images_job(folder, f"style.regions=[{{content: {mask}}}]")
    run(job)
    painted = decode_png((tmp_path / "painted/a.png").read_bytes()).pixels
    assert np.array_equal(painted[:, 36:], pixels[:, 36:])
    assert not np.array_equal(painted[:, :28], pixels[:, :28])


class Stumbling(Worker):
    """Fails or dies at frame 3 until a file says that it did so often enough."""

    def load(self, job, materials):
        self._job = job
        return super().load(job, materials)

    def paint(self, task):
        log = self._job.output.path.with_suffix(".log")
        if task.frame.index == 3:
            before = log.read_text() if log.exists() else ""
            if len(before) < 10:
                log.write_text(before + "x")
                stumble(self._job.seed)
        return super().paint(task)


def stumble(how):
    if how == 1:
        time.sleep(0.5)  # amid the frame: what was said of the one before has arrived
        os.kill(os.getpid(), signal.SIGKILL)
    raise RuntimeError("stumbled")


@pytest.fixture
def stumbling(monkeypatch, video_job):
    """Makes a job whose workers stumble at frame 3 `times` times; seed 1: they die of it."""
    monkeypatch.setattr(hands, "Worker", Stumbling)

    def make(times, seed):
        job = video_job(f"seed={seed}", "farm.workers=1", output=f"stumbling{times}.mp4")
        job.output.path.with_suffix(".log").write_text("x" * (10 - times))
        return job

    return make


@pytest.mark.parametrize("seed", [0, 1], ids=["error", "death"])
def test_a_frame_is_tried_again_and_comes_out_as_if_nothing_had_been(stumbling, runs, events, seed):
    job = stumbling(2, seed)
    assert run(job, on_event=events.append).status == "finished"
    assert [event.frame for event in of(FrameRetried, events)] == [3, 3]
    assert len(of(WorkerLost, events)) == (2 if seed else 0)
    assert [event.frame for event in of(FrameDone, events)].count(2) == 1
    assert frame_bytes(job) == frame_bytes(runs[1].job)


@pytest.mark.parametrize("seed", [0, 1], ids=["error", "death"])
def test_a_frame_that_fails_every_time_is_set_aside(stumbling, seed):
    job = stumbling(9, seed)
    summary = run(job)
    assert summary.status == "incomplete"
    assert list(summary.frames_failed) == [3]
    assert "stumbled" in summary.frames_failed[3] or "died" in summary.frames_failed[3]
    assert summary.frames_done == 11
    assert not job.output.path.exists()  # a video is never silently short


def test_weights_that_a_worker_cannot_load_end_the_run(video_job, tmp_path, style_picture):
    weights = tmp_path / "weights.pth"
    weights.write_bytes(style_picture.read_bytes())
    with pytest.raises(WeightsError, match="no state dict"):
        run(video_job(f"model.weights={weights}"))


def test_more_gpus_for_a_worker_than_there_are_is_an_error(video_job):
    with pytest.raises(FarmError, match="5 asked for, but the cluster has 4 GPUs"):
        run(video_job("farm.gpus_per_worker=5"))
