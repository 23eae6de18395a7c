"""Studies: every cell rendered by the farm, and one sheet of them all."""

import queue
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from subprocess import PIPE

import numpy as np
import pytest
from conftest import of, smooth_noise
from PIL import Image

from render import pipeline
from render.errors import OutputError, SourceError
from render.farm import driver, hands, pool, site
from render.farm.events import FrameDone, FrameFailed, Note, RunStarted, WorkerReady
from render.report.sheet import GAP, LONG_SIDE, contact_sheet
from render.spec.load import dump_job
from render.spec.study import expand_study
from render.study import plan_all, run


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    Image.fromarray(smooth_noise(64, 48, 5)).save(folder / "one.png")
    return folder


def test_every_cell_is_painted_and_all_are_on_the_sheet(cluster, images_job, folder):
    job = images_job(
        folder,
        "study={style.layers: [{relu1_1: 1}, {relu2_1: 1}], style.weight: [2, 9]}",
        "farm.workers=2",
    )
    notes = []
    summary = run(job, on_event=notes.append)
    assert (summary.status, summary.frames_total, summary.frames_done) == ("finished", 4, 4)
    assert summary.workers == 2
    names = sorted(path.parent.name for path in job.output.path.glob("*/one.png"))
    assert names == [
        "000-relu1_1-style.weight-2", "001-relu1_1-style.weight-9",
        "002-relu2_1-style.weight-2", "003-relu2_1-style.weight-9",
    ]  # fmt: skip
    painted = {(job.output.path / name / "one.png").read_bytes() for name in names}
    assert len(painted) == 4
    with Image.open(job.output.path / "contact_sheet.png") as sheet:
        assert GAP + 2 * (64 + GAP) < sheet.width < GAP + 2 * (LONG_SIDE + GAP)
    again = run(job)
    assert (again.frames_reused, again.evaluations) == (4, 0)


def test_failures_of_one_frame_in_several_cells_are_told_one_by_one(images_job, folder):
    (folder / "torn.png").write_bytes((folder / "one.png").read_bytes()[:200])
    job = images_job(folder, "engine=passthrough", "study={style.weight: [2, 9]}")
    events = []
    summary = run(job, on_event=events.append)
    failed = summary.to_data()["frames_failed"]
    assert [(each["cell"], each["frame"]) for each in failed] == [
        ("style.weight 2", 1),
        ("style.weight 9", 1),
    ]
    assert (summary.status, summary.frames_total, summary.frames_done) == ("incomplete", 4, 2)
    told = [(event.cell, event.frame) for event in of(FrameFailed, events)]
    assert sorted(told) == [("style.weight 2", 1), ("style.weight 9", 1)]
    assert [event.frames for event in of(RunStarted, events)] == [4]


def test_what_cells_have_to_say_is_told_with_their_names_and_what_they_share_once(
    images_job, folder
):
    for name in ("torn", "cut", "ragged"):
        (folder / f"{name}.png").write_bytes((folder / "one.png").read_bytes()[:200])
    with Image.open(folder / "one.png") as one:
        one.save(folder / "also.png", icc_profile=b"no profile")
    study = "study={style.weight: [2, 9]}"
    job = images_job(folder, "engine=passthrough", "farm.max_failed=2", study)
    events = []
    assert run(job, on_event=events.append).status == "incomplete"
    notes = [note.text for note in of(Note, events)]
    stopped = [note.partition(":")[0] for note in notes if "farm.max_failed" in note]
    assert sorted(stopped) == ["cell style.weight 2", "cell style.weight 9"]
    assert len([note for note in notes if "also.png" in note]) == 1


def test_cells_share_workers_and_are_painted_as_alone(cluster, images_job, folder):
    job = images_job(folder, "study={seed: [1, 2, 3, 4, 5]}", "farm.workers=2")
    events = []
    assert run(job, on_event=events.append).status == "finished"
    ready = of(WorkerReady, events)
    assert len(ready) == 5
    assert len({event.process for event in ready}) == 2
    assert {event.worker for event in ready} == {"worker-1", "worker-2"}
    assert sorted(event.cell for event in of(FrameDone, events)) == [
        f"seed {n}" for n in range(1, 6)
    ]
    alone = images_job(folder, "seed=5", output="alone")
    pipeline.run(alone)
    (cell,) = job.output.path.glob("004-*/one.png")
    assert cell.read_bytes() == (alone.output.path / "one.png").read_bytes()


ROOM_FOR_ONE = ("engine=passthrough", "farm.cpus_per_worker=3", "farm.gpus_per_worker=0")
"""On the shared cluster; a node with three CPUs has room for one more."""


def test_cells_that_wait_for_room_take_over_the_workers_of_those_that_are_done(
    cluster, images_job, folder, monkeypatch
):
    monkeypatch.setattr(hands, "PLACING", 0.2)
    monkeypatch.setattr(driver, "LOOK", 0.2)
    job = images_job(folder, "study={seed: [1, 2, 3]}", "farm.workers=3", *ROOM_FOR_ONE)
    events = []
    summary = run(job, on_event=events.append)
    assert (summary.status, summary.workers) == ("finished", 1)
    assert len({event.process for event in of(WorkerReady, events)}) == 1


@pytest.fixture
def growing(monkeypatch):
    """As if an autoscaler looked after the shared cluster; what it is asked for."""
    asked = []

    def asked_for(*, bundles):
        asked.append(bundles)

    monkeypatch.setattr(site, "grows", lambda: True)
    monkeypatch.setattr(site, "request_resources", asked_for)
    monkeypatch.setattr(site, "LOOK", 0.2)
    monkeypatch.setattr(driver, "LOOK", 0.2)
    return asked


def test_a_study_waits_for_the_first_node_of_a_cluster_that_grows_from_none(
    cluster, images_job, folder, growing, monkeypatch
):
    there = site.alive
    monkeypatch.setattr(site, "alive", lambda: there() if len(growing) > 2 else {})
    job, events = images_job(folder, "study={seed: [1, 2]}", *ROOM_FOR_ONE), []
    assert run(job, on_event=events.append).status == "finished"
    waiting = [note.text for note in of(Note, events) if "waiting for the cluster" in note.text]
    assert len(waiting) == 1
    assert growing[:3] == 3 * [[{"CPU": 3}]]
    assert growing[-1] == []


def test_a_study_that_is_interrupted_while_it_waits_gives_back_what_it_asked_for(
    cluster, images_job, folder, growing, monkeypatch
):
    monkeypatch.setattr(site, "alive", dict)

    def give_up(_):
        if growing:
            raise KeyboardInterrupt

    monkeypatch.setattr(site.time, "sleep", give_up)
    with pytest.raises(KeyboardInterrupt):
        run(images_job(folder, "study={seed: [1, 2]}", *ROOM_FOR_ONE))
    assert growing == [[{"CPU": 3}], []]


@pytest.fixture
def hired(monkeypatch):
    """Told of every worker that is hired; it may not run yet."""
    told = queue.Queue()

    def hire(*args):
        hand = hands.hire(*args)
        told.put(hand.name)
        return hand

    monkeypatch.setattr(pool, "hire", hire)
    return told


def test_cells_of_a_study_use_nodes_that_join_later(
    cluster, images_job, folder, growing, hired, monkeypatch
):
    monkeypatch.setattr(hands, "PLACING", 1000)  # nobody takes over an idle worker
    auto = ("farm.workers=auto", "study={seed: [1, 2]}")
    job, events, begun = images_job(folder, *ROOM_FOR_ONE, *auto), [], threading.Event()

    def watch(event):
        events.append(event)
        if isinstance(event, FrameDone) and not begun.is_set():
            for _ in range(2):  # the other cell waits for room before this one's worker is idle
                hired.get(timeout=120)
            begun.set()

    with ThreadPoolExecutor(1) as aside:
        call = aside.submit(run, job, on_event=watch)
        begun.wait(120)
        node = cluster.add_node(num_cpus=3)  # which only the main thread may
        try:
            summary = call.result()
        finally:
            cluster.remove_node(node, allow_graceful=False)
    assert (summary.status, summary.workers) == ("finished", 2)
    assert len({event.process for event in of(WorkerReady, events)}) == 2


def test_a_cell_that_cannot_be_rendered_is_named_before_any_work(images_job, folder):
    job = images_job(folder, "study={style.images.0.path: [nowhere.jpg]}")
    with pytest.raises(SourceError, match=r"cell nowhere.jpg: style\.images\.0\.path"):
        run(job)
    assert not job.output.path.exists()


GRID = "study={style.weight: [2, 9]}"


def test_what_other_cells_painted_is_no_input(images_job, folder):
    job = images_job(folder, "input.pattern=**/*", GRID, output="in/painted")
    results = [cell.job.output.path / "one.png" for cell in expand_study(job)]
    for path in (*results, job.output.path / "contact_sheet.png"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes((folder / "one.png").read_bytes())
    assert [one.plan.total for one in plan_all(job)] == [1, 1]


@pytest.mark.parametrize("pattern", ["*", "**/*.png"])
def test_a_study_in_the_folder_of_its_inputs_is_refused(images_job, folder, pattern):
    (folder / "contact_sheet.png").write_bytes((folder / "one.png").read_bytes())
    job = images_job(folder, f"input.pattern={pattern}", GRID, output="in")
    with pytest.raises(OutputError, match=r"in/contact_sheet\.png: .* among the inputs"):
        run(job)
    assert len(list(folder.iterdir())) == 2
    plan_all(images_job(folder, "input.pattern=one*", GRID, output="in"))


def test_the_sheet_takes_the_place_of_nothing_that_is_read(images_job, folder):
    mine = folder / "contact_sheet.png"
    mine.write_bytes((folder / "one.png").read_bytes())
    named = images_job(mine, GRID, output="in")
    style = images_job(folder / "one.png", f"style.images.0.path={mine}", GRID, output="in")
    for job, key in ((named, "input.path"), (style, "style.images.0.path")):
        with pytest.raises(OutputError, match=rf"sheet would overwrite an input \({key}\)"):
            run(job)


@pytest.mark.slow
def test_an_interrupted_study_is_finished_by_the_same_command(images_job, folder, tmp_path):
    job = images_job(
        folder, "study={seed: [1, 2, 3]}", "optimize.evaluations=150", "farm.workers=1"
    )
    path = tmp_path / "study.yaml"
    path.write_text(dump_job(job))
    command = [sys.executable, "-m", "render", "run", str(path)]
    process = subprocess.Popen(command, stdout=PIPE, stderr=PIPE, text=True)
    deadline = time.monotonic() + 120
    while not list(job.output.path.glob("*/one.png")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    done = len(list(job.output.path.glob("*/one.png")))
    assert 1 <= done < 3
    summary = run(job)
    assert (summary.status, summary.frames_reused, summary.frames_done) == ("finished", done, 3)


def test_the_sheet_keeps_every_picture_and_cuts_long_labels():
    pictures = [
        ("a label that is far too long for it " * 9, smooth_noise(800, 400, n)) for n in range(3)
    ]
    sheet = contact_sheet(pictures, columns=2)
    assert sheet.shape[1] == GAP + 2 * (LONG_SIDE + GAP)
    assert sheet.shape[0] > 2 * 180
    right_edge = sheet[:, -GAP:]
    assert np.array_equal(right_edge, np.broadcast_to(right_edge[0, 0], right_edge.shape))
