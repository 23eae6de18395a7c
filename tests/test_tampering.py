"""Somebody was in the output folder: what is there is made good or refused in words, never believed."""

import json
import shutil
from pathlib import Path

import pytest

from render.errors import OutputError
from render.finish import finish_video
from render.inputs import prepare, settled_plan
from render.media.stills import encode_png
from render.pipeline import run
from render.places import store_folder
from render.report.live import LiveReport, keep_versions
from render.spec.document import Document
from render.spec.load import build_job
from render.store import Store

GARBAGE = bytes(range(256)) * 4
DAMAGE = {
    "gone": Path.unlink,
    "empty": lambda path: path.write_bytes(b""),
    "half": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "garbage": lambda path: path.write_bytes(GARBAGE),
    "another byte": lambda path: path.write_bytes(flipped(path.read_bytes())),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
}


def flipped(data):
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


@pytest.fixture(scope="module")
def finished(make_data, clip, tmp_path_factory):
    """The output of a job of three frames that was finished, as workers would have."""
    output = tmp_path_factory.mktemp("finished") / "out.mp4"
    job = build_job(Document("test", data(make_data, clip, output)), [], output.parent)
    prepared = prepare(job)
    with Store(job) as store:
        plan = settled_plan(job, prepared, store)
        for frame in prepared.source.read(range(3)):
            file = f"frames/{frame.index:06}.png"
            store.commit(frame.index, file, encode_png(frame.pixels), {"evaluations": 0})
        finish_video(job, plan, prepared.source, store)
        store.notes.write_summary({"status": "finished"})
        keep_versions(store.folder, job)
        LiveReport(store.folder, prepared.source).finish()
    return output.parent


def data(make_data, clip, output):
    given = {"kind": "video", "path": str(clip), "cuts": [], "frames": "0-2"}
    return make_data(given, output) | {"engine": "passthrough"}


@pytest.fixture
def job(finished, make_data, clip, tmp_path):
    """The same, in a place of its own."""
    folder = tmp_path / "copy"
    shutil.copytree(finished, folder)
    return build_job(Document("test", data(make_data, clip, folder / "out.mp4")), [], folder)


def contents(job):
    assert job.output.path.is_file()
    assert not job.output.path.is_symlink()
    return {path.name: path.read_bytes() for path in sorted(store_folder(job).glob("frames/*"))}


def believed(job):
    """The frames that a run would take for finished, with their bytes."""
    with Store(job) as store:
        settled_plan(job, prepare(job), store)
        return {Path(store.records[frame].file).name: store.read(frame) for frame in store.records}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize(
    "name",
    [
        "job.yaml",
        "plan.json",
        "ledger/frames.jsonl",
        "lock",
        "output.json",
        "summary.json",
        "versions.json",
        "report.html",
        "frames/000001.png",
    ],
)
def test_of_a_damaged_folder_only_what_is_whole_is_believed(job, name, damage):
    before = contents(job)
    path = store_folder(job) / name
    DAMAGE[damage](path)
    try:
        found = believed(job)
    except OutputError as error:
        assert name in ("job.yaml", "plan.json") or damage == "a folder"
        assert str(store_folder(job)) in str(error)  # noqa: PT017
        if name != "lock":
            with Store(job, fresh=True) as store:
                assert not store.records
    else:
        assert found.items() <= before.items()
        lost = {"ledger/frames.jsonl": 3, "frames/000001.png": 1}.get(name, 0)
        assert 3 - lost <= len(found) < 4 - bool(lost)


def test_whatever_is_damaged_is_made_again_with_the_same_bytes(cluster, job):
    before, folder = contents(job), store_folder(job)
    for name in ("ledger/frames.jsonl", "output.json", "frames/000002.png", "versions.json"):
        DAMAGE["another byte"](folder / name)
    DAMAGE["garbage"](folder / "summary.json")
    DAMAGE["garbage"](job.output.path)
    summary = run(job)
    assert (summary.status, summary.frames_done) == ("finished", 3)
    assert summary.frames_reused < 3
    assert contents(job) == before


@pytest.mark.parametrize(
    "name", ["lock", "ledger/frames.jsonl", "frames", "ledger", "log.jsonl", "preview"]
)
def test_nothing_is_written_through_a_link(job, tmp_path, name):
    path, elsewhere = store_folder(job) / name, tmp_path / "elsewhere"
    if name == "preview":
        path.mkdir()
    elif name == "log.jsonl":
        path.write_text("")
    path.rename(elsewhere)
    path.symlink_to(elsewhere)
    before = {file: file.read_bytes() for file in elsewhere.rglob("*") if file.is_file()}
    with pytest.raises(OutputError, match=f"{name} is a link"):
        Store(job, fresh=True)
    assert all(file.read_bytes() == data for file, data in before.items())


def test_a_link_in_place_of_a_result_is_replaced_and_not_written_through(job, tmp_path):
    private = tmp_path / "private"
    private.write_bytes(b"private")
    for path in (job.output.path, *map(store_folder(job).__truediv__, REPLACED)):
        path.unlink()
        path.symlink_to(private)
    assert run(job).status == "finished"
    assert contents(job).keys() == {"000000.png", "000001.png", "000002.png"}
    assert private.read_bytes() == b"private"


REPLACED = ("summary.json", "report.html", "versions.json", "output.json")


def test_swapped_frames_are_not_finished(job):
    before = contents(job)
    first, second = (store_folder(job) / f"frames/00000{number}.png" for number in (0, 1))
    spare = first.with_suffix(".spare")
    first.rename(spare), second.rename(first), spare.rename(second)
    assert believed(job) == {"000002.png": before["000002.png"]}


def test_an_edited_ledger_makes_no_frame_of_what_is_none(job):
    """A line that fits its file is believed, whoever wrote both; any other is not."""
    ledger = store_folder(job) / "ledger/frames.jsonl"
    lines = [json.loads(line) for line in ledger.read_text().splitlines()]
    lines[0]["sha256"] = "0" * 64
    lines[1]["file"] = "../out.mp4"
    ledger.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert believed(job).keys() == {"000002.png"}


def test_rubbish_in_what_the_ledger_says_of_a_frame_ends_no_run(job):
    ledger = store_folder(job) / "ledger/frames.jsonl"
    lines = [json.loads(line) for line in ledger.read_text().splitlines()]
    for line in lines:
        line["info"] = {"evaluations": "many", "loss": None, "trace": 7, "seconds": [], "at": {}}
    ledger.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert run(job).frames_reused == 3
