"""Workers that read and write for themselves: only receipts come back, and no half picture counts."""

import json

import numpy as np
import pytest
from conftest import of, smooth_noise
from far import PLACES, far_nodes

from render import storage
from render.errors import FarmError
from render.farm.events import FrameDone, FrameFailed
from render.farm.transfer import PlaceKeeper, direct, keeper_of
from render.media.stills import decode_png, encode_png
from render.pipeline import run
from render.spec.url import Url

DIRECT = ("engine=passthrough", "farm.gpus_per_worker=0", "farm.workers=2", "output.format=png")


@pytest.fixture
def pictures(bucket):
    """Twelve pictures in a bucket."""
    drawn = {f"{number:02}.png": smooth_noise(32, 24, number) for number in range(12)}
    for name, pixels in drawn.items():
        storage.write(bucket / "in" / name, encode_png(pixels))
    return drawn


@pytest.fixture
def stored_job(images_job, bucket, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    places = (f"input.path={bucket}/in", f"output.path={bucket}/out")
    return lambda *more: images_job("unused", *DIRECT, *places, *more)


@pytest.mark.parametrize("transfer", ["auto", "driver"])
def test_pictures_go_from_bucket_to_bucket_whoever_carries_them(
    cluster, stored_job, pictures, bucket, object_storage, transfer
):
    object_storage.share = 0.1
    job = stored_job(f"farm.transfer={transfer}")
    assert (keeper_of(job) is None) == (transfer == "driver")
    events = []
    assert run(job, on_event=events.append).status == "finished"
    assert object_storage.failed.total() > 0
    object_storage.behave()
    assert not of(FrameFailed, events)
    for name, pixels in pictures.items():
        assert np.array_equal(decode_png(storage.read(bucket / "out" / name)).pixels, pixels)
    pieces = storage.listed(bucket / "out/.render/ledger")
    lines = [
        json.loads(line)
        for piece in pieces
        for line in storage.read(bucket / "out/.render/ledger" / piece.name).splitlines()
    ]
    sizes = {entry.name: entry.size for entry in storage.listed(bucket / "out", deep=False)}
    assert {line["file"]: line["info"]["bytes"] for line in lines} == sizes


def test_finished_pictures_in_object_storage_are_listed_and_not_read_again(
    cluster, stored_job, pictures, bucket, object_storage
):
    job = stored_job()
    run(job)
    storage.remove(bucket / "out/03.png")
    storage.write(bucket / "out/05.png", b"of another size")
    events = []
    assert run(job, on_event=events.append).frames_reused == 10
    assert sorted(event.frame for event in of(FrameDone, events)) == [3, 5]
    assert np.array_equal(
        decode_png(storage.read(bucket / "out/05.png")).pixels, pictures["05.png"]
    )


def test_a_picture_that_vanishes_while_the_job_runs_is_set_aside_and_nothing_else_is_lost(
    cluster, stored_job, pictures, bucket
):
    def vanish(event):
        storage.remove(bucket / "in/11.png")

    summary = run(stored_job("farm.workers=1", "farm.in_flight=1"), on_event=vanish)
    assert (summary.status, summary.frames_done) == ("incomplete", 11)
    assert list(summary.frames_failed) == [11]
    assert "in/11.png: not there" in summary.frames_failed[11]
    storage.write(bucket / "in/11.png", encode_png(pictures["11.png"]))
    assert run(stored_job()).frames_reused == 11


def test_who_carries_what_follows_from_the_job_and_the_place(images_job, tmp_path):
    def carried(transfer, place):
        return direct(images_job(tmp_path, f"farm.transfer={transfer}"), place)

    assert [carried("auto", place) for place in (tmp_path, Url("s3://b/a"))] == [False, True]
    assert [carried("direct", place) for place in (tmp_path, Url("s3://b/a"))] == [True, True]
    assert [carried("driver", place) for place in (tmp_path, Url("s3://b/a"))] == [False, False]
    job = images_job(tmp_path, "farm.transfer=direct")
    assert keeper_of(job) == PlaceKeeper(job.output.path)


def test_a_common_disk_that_is_none_is_found_before_the_first_picture(
    cluster, images_job, tmp_path
):
    folder = tmp_path / "hidden" / "in"
    folder.mkdir(parents=True)
    (folder / "a.png").write_bytes(encode_png(smooth_noise(32, 24, 1)))
    job = images_job(folder, *DIRECT, f"farm.cpus_per_worker={PLACES}", "farm.transfer=direct",
                     output="hidden/out")  # fmt: skip
    with far_nodes(cluster, tmp_path / "hidden", 1):
        with pytest.raises(FarmError) as caught:
            run(job)
        lines = str(caught.value).splitlines()
    assert len(lines) == 2
    assert "hidden/in/a.png is not there; use a common disk or a URL" in lines[0]
    assert "is not seen by the driver; use a common disk" in lines[1]
    assert not list((tmp_path / "hidden/out").rglob("*.png"))
