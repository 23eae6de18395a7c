"""The output folder: nothing half-written, nothing believed unchecked."""

import errno
import json
import multiprocessing
import os
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from render.errors import OutputError
from render.files import write_atomically
from render.index import Index
from render.inputs import make_plan
from render.store import Store


def commit(store, *frames):
    for frame in frames:
        store.commit(frame, f"frames/{frame:06}.png", f"frame {frame}".encode(), {"seconds": 1})


def test_what_was_committed_is_there_for_the_next_run(video_job):
    with Store(video_job()) as store:
        commit(store, 0, 3)
        assert store.read(3) == b"frame 3"
    with Store(video_job()) as store:
        assert store.records.keys() == {0, 3}
        assert store.records[3].info == {"seconds": 1}


def test_a_frame_whose_file_is_gone_or_damaged_is_not_finished(video_job):
    with Store(video_job()) as store:
        commit(store, 0, 1, 2)
        (store.folder / "frames/000000.png").unlink()
        (store.folder / "frames/000001.png").write_bytes(b"frame I")
    with Store(video_job()) as store:
        assert store.records.keys() == {2}


def test_a_ledger_cut_at_any_byte_of_its_last_line_loses_that_line_only(video_job):
    job = video_job()
    with Store(job) as store:
        commit(store, 0, 1)
        path = store.folder / "ledger/frames.jsonl"
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1
    for length in range(first, len(whole)):
        path.write_bytes(whole[:length])
        with Store(job) as store:
            assert store.records.keys() == {0}
            commit(store, 1)
        assert path.read_bytes() == whole


@pytest.mark.parametrize("damage", [b"\0\xff{]\n", b"{\r}\n", b"\r\r\n", b"\n\n", b"null\n"])
def test_a_damaged_line_in_the_middle_costs_that_frame_only(video_job, damage):
    with Store(video_job()) as store:
        commit(store, 0, 1, 2)
        path = store.folder / "ledger/frames.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + damage + lines[2])
    with Store(video_job()) as store:
        assert store.records.keys() == {0, 2}


@given(st.lists(st.binary(max_size=30) | st.text('{}[]"\r\t,:0 ', max_size=9).map(str.encode)))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_stands_between_its_lines_the_ledger_is_read(video_job, junk):
    with Store(video_job(), fresh=True) as store:
        commit(store, 0, 1)
        path = store.folder / "ledger/frames.jsonl"
    first, second = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + b"\n".join(junk) + b"\n" + second)
    with Store(video_job()) as store:
        assert store.records.keys() == {0, 1}


@pytest.mark.parametrize("renamed", [False, True])
def test_a_run_killed_around_the_rename_costs_the_frame_before_it_and_nothing_after_it(
    video_job, monkeypatch, renamed
):
    def die(path, target):
        if renamed:
            path.rename(target)
        raise SystemExit

    with Store(video_job()) as store:
        commit(store, 0)
        monkeypatch.setattr(Path, "replace", die)
        with pytest.raises(SystemExit):
            commit(store, 1)
        monkeypatch.undo()
    with Store(video_job()) as store:
        assert store.records.keys() == ({0, 1} if renamed else {0})
        assert store.damaged == (set() if renamed else {1})


def test_temporary_files_of_a_killed_run_are_swept_away(video_job):
    with Store(video_job()) as store:
        commit(store, 0)
        left = store.folder / "frames/.abc.part"
        left.write_bytes(b"half a fra")
    with Store(video_job()):
        assert not left.exists()


def test_a_full_disk_is_said_leaves_nothing_half_written_and_can_be_gone_on_from(
    video_job, small_disk
):
    def data(frame):
        return bytes([frame]) * 50_000

    def put(store, frame):
        store.commit(frame, f"frames/{frame:06}.png", data(frame), {})

    def put_all(store, frames):
        for frame in frames:
            put(store, frame)

    job = video_job(f"output.path={small_disk}/out.mp4")
    with Store(job) as store:
        put(store, 0)
        ballast = small_disk / "ballast"
        ballast.write_bytes(bytes(130_000))
        with pytest.raises(OutputError, match="No space left"):
            put_all(store, range(1, 9))
        assert not list(store.folder.glob("frames/.*"))
        done = set(store.records)
    with pytest.raises(OutputError, match="No space left"), Store(job) as store:
        put(store, 9)
    ballast.unlink()
    with Store(job) as store:
        assert store.records.keys() == done
        put(store, max(done) + 1)
        assert store.read(max(done)) == data(max(done))


def test_of_two_lines_for_a_frame_the_one_that_fits_its_file_counts(video_job):
    with Store(video_job()) as store:
        commit(store, 0)
        store.commit(0, "frames/000000.png", b"again", {})
    with Store(video_job()) as store:
        assert store.read(0) == b"again"
        assert store.records[0].info == {}


@pytest.mark.parametrize(
    "override",
    ["optimize.evaluations=7", "output.size=64", "seed=1", "style.weight=3", "input.frames=0-3"],
)
def test_other_settings_are_refused_with_the_difference(video_job, override):
    with Store(video_job()) as store:
        commit(store, 0)
    key = override.split("=")[0]
    with pytest.raises(OutputError, match=rf"{key}: .* → .*--fresh"):
        Store(video_job(override))


def test_other_settings_are_taken_where_nothing_was_painted_with_the_old_ones(video_job):
    with Store(video_job()) as store:
        store.keep_plan(make_plan(video_job()))
        kept = store.folder / "preview" / "000000.png"
        write_atomically(kept, b"a preview")
    with Store(video_job("output.size=64")) as store:
        assert store.plan() is None
        assert kept.exists()
        store.keep_plan(make_plan(video_job("output.size=64")))
    with Store(video_job("output.size=64")) as store:
        assert store.plan() is not None


def test_a_stage_and_a_frame_that_was_lost_were_painted_too(video_job):
    with Store(video_job()) as store:
        store.commit(0, "stages/000000.0.png", b"a stage", {}, stage=0)
    with pytest.raises(OutputError, match="other settings"):
        Store(video_job("seed=1"))
    with Store(video_job(), fresh=True) as store:
        commit(store, 0)
        (store.folder / "frames/000000.png").unlink()
    with pytest.raises(OutputError, match="other settings"):
        Store(video_job("seed=1"))


@pytest.mark.parametrize("override", ["farm.workers=3", "output.crf=30", "farm.retries=9"])
def test_settings_that_change_no_pixel_may_change(video_job, override):
    with Store(video_job()) as store:
        commit(store, 0)
    with Store(video_job(override)) as store:
        assert store.records.keys() == {0}


def test_a_job_goes_on_where_its_files_lie_elsewhere_under_other_names(video_job, tmp_path):
    with Store(video_job()) as store:
        commit(store, 0)
    with Store(video_job(f"input.path={tmp_path}/elsewhere/other.mp4")) as store:
        assert store.records.keys() == {0}
    with pytest.raises(OutputError, match=r'model\.weights: "procedural" → "/'):
        Store(video_job(f"model.weights={tmp_path}/weights.pth"))


BOMB = "a: &a [x, x]\n" + "".join(
    f"{b}: &{b} [*{a}, *{a}]\n" for a, b in pairwise("abcdefghijklmnop")
)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("job.yaml", None, r"job\.yaml, which says which, is missing"),
        ("job.yaml", b"", r"job\.yaml is damaged"),
        ("job.yaml", b"\xff\0", r"job\.yaml is damaged"),
        ("job.yaml", b"version: 1\n", r"job\.yaml is damaged"),
        ("job.yaml", BOMB.encode(), r"job\.yaml is damaged.*more than 20000 values"),
        ("plan.json", None, r"plan\.json is missing"),
        ("plan.json", b"", r"plan\.json is damaged"),
        ("plan.json", b"[]", r"plan\.json is damaged"),
        ("plan.json", b"[" * 100_000, r"plan\.json is damaged"),
        ("plan.json", b'{"sha256": "0"}', r"plan\.json is damaged"),
    ],
)
def test_frames_of_which_nobody_knows_how_they_were_made_are_not_gone_on_from(
    video_job, name, content, words
):
    job = video_job()
    with Store(job) as store:
        store.keep_plan(make_plan(job))
        commit(store, 0)
    path = store.folder / name
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    with pytest.raises(OutputError, match=words) as refused, Store(job) as store:
        store.plan()
    assert "--fresh" in str(refused.value)
    with Store(job, fresh=True) as store:
        assert store.plan() is None


@pytest.mark.parametrize("content", [b"", b"null", b"{", b"[" * 100_000, b'{"frames": 1}'])
def test_files_that_can_be_made_again_may_be_damaged(video_job, content):
    with Store(video_job()) as store:
        for name in ("output.json", "summary.json"):
            (store.folder / name).write_bytes(content)
        assert store.notes.receipt() is None
        store.notes.add_to_summary({"seconds": 1})
        assert json.loads((store.folder / "summary.json").read_text())["seconds"] == 1


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"frame 1")])
def test_a_frame_that_is_damaged_while_a_run_goes_on_is_not_taken_for_the_committed_one(
    video_job, damage
):
    with Store(video_job()) as store:
        commit(store, 0)
        damage(store.folder / "frames/000000.png")
        with pytest.raises(OutputError, match=r"000000\.png was damaged or deleted while"):
            store.read(0)


def test_lines_that_cannot_be_read_are_counted(video_job):
    with Store(video_job()) as store:
        commit(store, 0)
        path = store.folder / "ledger/frames.jsonl"
    path.write_bytes(b"rubbish\n\0\n" + path.read_bytes())
    with Store(video_job()) as store:
        assert (store.unreadable, store.records.keys()) == (2, {0})


def test_fresh_starts_over(video_job):
    with Store(video_job()) as store:
        commit(store, 0)
    with Store(video_job("seed=1"), fresh=True) as store:
        assert not store.records
        assert not (store.folder / "frames").exists()


def test_the_plan_is_kept(video_job):
    job = video_job()
    plan = make_plan(job)
    with Store(job) as store:
        assert store.plan() is None
        store.keep_plan(plan)
        assert store.plan() == plan


def hold(job, held, release):
    with Store(job):
        held.set()
        release.wait(30)


def test_a_second_run_is_refused_while_the_first_lives_and_let_in_when_it_is_dead(video_job):
    spawn = multiprocessing.get_context("spawn")
    held, release = spawn.Event(), spawn.Event()
    job = video_job()
    process = spawn.Process(target=hold, args=(job, held, release))
    process.start()
    assert held.wait(60)
    with pytest.raises(OutputError, match=rf"another run is writing .*\(process {process.pid} on "):
        Store(job)
    process.kill()
    process.join()
    with Store(job):
        pass


def test_a_run_whose_lock_is_deleted_writes_nothing_more(video_job):
    job = video_job()
    with Store(job) as first:
        commit(first, 0)
        (first.folder / "lock").unlink()
        with Store(job) as second:
            with pytest.raises(OutputError, match="lock was deleted"):
                commit(first, 1)
            commit(second, 1)
    with Store(job) as store:
        assert store.records.keys() == {0, 1}


def test_a_file_system_without_locks_is_refused(video_job, monkeypatch):
    """As some network file systems are, none of which is to be had in a test."""

    def no_locks(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", no_locks)
    with pytest.raises(OutputError, match=r"cannot be written \(No locks available"):
        Store(video_job())


def test_whatever_ends_a_run_others_are_let_in(images_job, tmp_path, monkeypatch):
    def broken(index):
        honest(index)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    honest, job = Index.close, images_job(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(Index, "close", broken)
        with pytest.raises(OSError, match="Input/output"), Store(job):
            pass
    with Store(job):
        pass


def test_an_output_that_cannot_be_written_is_refused(video_job, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match=r"output\.path.*cannot be written"):
        Store(video_job(f"output.path={tmp_path}/file/out.mp4"))


def test_an_output_on_a_disk_that_may_only_be_read_is_refused(video_job, small_disk):
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(OutputError, match=r"output\.path.*Read-only file system"):
        Store(video_job(f"output.path={small_disk}/out.mp4"))


def test_writing_is_all_or_nothing(tmp_path, monkeypatch):
    target = tmp_path / "summary.json"
    write_atomically(target, b"old")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OutputError, match="No space left"):
        write_atomically(target, b"new")
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_the_summary_is_readable(video_job):
    with Store(video_job()) as store:
        store.notes.write_summary({"status": "finished"})
        assert json.loads((store.folder / "summary.json").read_text()) == {"status": "finished"}
