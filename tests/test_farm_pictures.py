"""Pictures through the real farm: the same files whoever paints them, and one bad one fails alone."""

import json
import os
import signal
from dataclasses import replace

import numpy as np
import pytest
from conftest import of, smooth_noise
from PIL import Image

from render import batches, inputs
from render.errors import EngineError, OutputError, SourceError
from render.farm import hands
from render.farm.actor import BatchReply, Worker
from render.farm.events import FrameDone, FrameFailed, FrameRetried, Note, WorkerLost, WorkerReady
from render.pipeline import run
from render.places import store_folder
from render.together import Finished

pytestmark = pytest.mark.usefixtures("farm")


@pytest.fixture(autouse=True)
def few_make_a_batch(monkeypatch):
    """Batches of up to three pictures, as if there were very many."""
    monkeypatch.setattr(batches, "SHARES", 4)


@pytest.fixture
def folder(tmp_path):
    """Twelve pictures of two sizes, of two folders with equal names."""
    for number in range(12):
        path = tmp_path / "in" / "ab"[number % 2] / f"{number // 2}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        width = 48 if number % 3 else 40
        Image.fromarray(smooth_noise(width, 36, seed=number)).save(path)
    return tmp_path / "in"


def files(job):
    found = sorted(path for path in job.output.path.rglob("*.png") if path.is_file())
    return {path.relative_to(job.output.path).as_posix(): path.read_bytes() for path in found}


def lines(job):
    text = (store_folder(job) / "ledger/frames.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


ALL = ("input.pattern=**/*", "farm.gpus_per_worker=0")
QUICK = (*ALL, "engine=passthrough", "farm.workers=1")


def test_one_worker_and_two_give_the_same_files_under_names_that_do_not_collide(images_job, folder):
    found = []
    for workers in (1, 2):
        job = images_job(folder, *ALL, f"farm.workers={workers}", output=f"out{workers}")
        events = []
        assert run(job, on_event=events.append).status == "finished"
        assert {event.worker for event in of(FrameDone, events)} == {
            f"worker-{n + 1}" for n in range(workers)
        }
        found.append(files(job))
    assert found[0] == found[1]
    assert sorted(found[0]) == sorted(f"{side}/{n}.png" for side in "ab" for n in range(6))
    assert len(set(found[0].values())) == 12


def test_pictures_of_one_size_are_painted_in_one_call(images_job, folder, monkeypatch):
    calls = folder.parent / "calls"

    class Counting(Worker):
        def paint_batch(self, task):
            with calls.open("a") as file:
                file.write(
                    f"{len({one.original.read().still.pixels.shape for one in task.pictures})}\n"
                )
            return super().paint_batch(task)

    monkeypatch.setattr(hands, "Worker", Counting)
    run(images_job(folder, *QUICK))
    sizes = calls.read_text().split()
    assert set(sizes) == {"1"}
    assert len(sizes) == 5  # eight of one size and four of the other, in threes at most


def test_a_run_that_was_stopped_is_gone_on_with_and_gives_the_same_files(images_job, folder):
    calm, job = images_job(folder, *QUICK, output="calm"), images_job(folder, *QUICK)
    run(calm)

    def stop(event):
        if isinstance(event, FrameDone) and len(lines(job)) > 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(job, on_event=stop)
    done = {line["frame"] for line in lines(job)}
    events = []
    assert run(job, on_event=events.append).frames_reused == len(done)
    assert done.isdisjoint(event.frame for event in of(FrameDone, events))
    assert files(job) == files(calm)


def test_a_file_that_was_lost_or_damaged_is_made_again(images_job, folder):
    job = images_job(folder, *QUICK)
    run(job)
    before = files(job)
    (job.output.path / "a/0.png").unlink()
    (job.output.path / "b/3.png").write_bytes(b"no picture")
    events = []
    assert run(job, on_event=events.append).frames_reused == 10
    assert sum("missing or damaged" in note.text for note in of(Note, events)) == 1
    assert files(job) == before


def test_of_many_pictures_a_run_looks_at_no_file_unless_it_is_told_to(
    images_job, folder, monkeypatch
):
    monkeypatch.setattr(inputs, "FEW", 3)
    job = images_job(folder, *QUICK)
    run(job)
    before, whole = files(job), (folder / "a/5.png").read_bytes()
    (job.output.path / "a/0.png").unlink()
    (folder / "a/5.png").unlink()
    assert run(job).frames_reused == 12
    with pytest.raises(SourceError, match=r"input\.path changed"):
        run(job, verify=True)
    (folder / "a/5.png").write_bytes(whole[:-1] + b"\0")
    with pytest.raises(SourceError, match=r"a/5\.png.* changed"):
        run(job, verify=True)
    (folder / "a/5.png").write_bytes(whole)
    assert run(job, verify=True).frames_reused == 11
    assert files(job) == before


def test_what_cannot_be_read_fails_alone_and_is_painted_once_it_can_be(images_job, folder):
    whole = (folder / "a/2.png").read_bytes()
    (folder / "a/2.png").write_bytes(whole[: len(whole) // 2])
    job, events = images_job(folder, *QUICK), []
    summary = run(job, on_event=events.append)
    assert (summary.status, summary.frames_done) == ("incomplete", 11)
    assert [event.frame for event in of(FrameFailed, events)] == [2]
    assert "a/2.png" in summary.frames_failed[2]
    assert not of(FrameRetried, events)
    (folder / "a/2.png").write_bytes(whole)
    assert run(job).status == "finished"


class Blind(Worker):
    """Cannot read anything."""

    def paint_batch(self, task):
        dark = [Finished(one.frame, reason="dark", final=True) for one in task.pictures]
        return BatchReply(dark, task.attempt)


def test_that_too_many_pictures_failed_is_said_once_however_many_of_a_batch_do(
    images_job, folder, monkeypatch
):
    monkeypatch.setattr(hands, "Worker", Blind)
    job, events = images_job(folder, *QUICK, "farm.max_failed=1"), []
    assert len(run(job, on_event=events.append).frames_failed) > 2
    assert len([note for note in of(Note, events) if "farm.max_failed" in note.text]) == 1


def test_a_picture_that_vanishes_while_the_job_runs_is_one_picture(images_job, folder):
    job = images_job(folder, *QUICK, "farm.in_flight=1")

    def watch(event):
        if isinstance(event, WorkerReady):
            (folder / "b/5.png").unlink()

    summary = run(job, on_event=watch)
    assert (summary.frames_done, list(summary.frames_failed)) == (11, [11])
    assert "b/5.png" in summary.frames_failed[11]


class Choking(Worker):
    """Cannot paint one picture."""

    def load(self, *given):
        ready = super().load(*given)
        honest = self._rescuer.paint

        def paint(ask):
            painted, changed = honest(ask)
            if any(np.array_equal(one.pixels, CHOKES_AT) for one in painted):
                raise EngineError("choked")
            return painted, changed

        self._rescuer.paint = paint
        return ready


CHOKES_AT = smooth_noise(48, 36, seed=4)


def test_one_picture_that_cannot_be_painted_is_tried_again_alone_and_set_aside(
    images_job, folder, monkeypatch
):
    monkeypatch.setattr(hands, "Worker", Choking)
    job, events = images_job(folder, *QUICK), []
    summary = run(job, on_event=events.append)
    assert summary.frames_failed == {2: "choked"}  # a/2.png
    assert [event.frame for event in of(FrameRetried, events)] == [2, 2]
    assert summary.frames_done == 11


class Refused(Worker):
    """May not write where the results go."""

    def paint_batch(self, task):
        return super().paint_batch(replace(task, keeper=Shut()))


class Shut:
    """Keeps nothing."""

    def keep(self, name, data):
        raise OutputError(f"{name}: access is refused")


def test_results_that_workers_cannot_write_end_the_run_and_are_no_fault_of_the_pictures(
    images_job, folder, monkeypatch
):
    monkeypatch.setattr(hands, "Worker", Refused)
    job, events = images_job(folder, *QUICK, "farm.transfer=direct"), []
    with pytest.raises(OutputError, match=r"\.png: access is refused$"):
        run(job, on_event=events.append)
    assert not of(FrameRetried, events)
    assert not of(FrameFailed, events)


class Dying(Worker):
    """Dies of one picture, whatever it is painted with."""

    def paint_batch(self, task):
        if any(one.frame == 5 for one in task.pictures):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().paint_batch(task)


@pytest.mark.slow
def test_a_picture_that_kills_workers_is_found_among_those_that_it_is_painted_with(
    images_job, folder, monkeypatch
):
    monkeypatch.setattr(hands, "Worker", Dying)
    job, events = images_job(folder, *QUICK, "farm.retries=0"), []
    summary = run(job, on_event=events.append)
    assert list(summary.frames_failed) == [5]
    assert summary.frames_done == 11
    assert len(of(WorkerLost, events)) == 2  # once with others, once alone


def test_a_killed_worker_costs_the_batches_in_its_hands_and_no_picture(images_job, folder):
    calm, job = images_job(folder, *QUICK, output="calm"), images_job(folder, *QUICK)
    run(calm)
    events = []

    def watch(event):
        events.append(event)
        if isinstance(event, FrameDone) and not of(WorkerLost, events) and len(lines(job)) < 4:
            os.kill(of(WorkerReady, events)[0].process, signal.SIGKILL)

    assert run(job, on_event=watch).status == "finished"
    assert of(WorkerLost, events)
    assert files(job) == files(calm)
    assert sorted(event.frame for event in of(FrameDone, events)) == list(range(12))
