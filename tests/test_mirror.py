"""Outputs in object storage: whole there, and gone on with on any machine."""

import pytest
from conftest import of, smooth_noise

from render import remote, storage
from render.errors import OutputError
from render.farm.events import FrameDone
from render.inputs import make_plan
from render.media.source import open_source
from render.media.stills import encode_png
from render.mirror import MirroredStore, open_store
from render.pipeline import run
from render.places import store_folder
from render.single import preview
from render.spec.document import Document
from render.spec.load import build_job
from render.spec.media import VideoInput


@pytest.fixture(autouse=True)
def machine(tmp_path, monkeypatch):
    """Goes to another machine: one without anything in its cache."""

    def move(name):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / name))

    monkeypatch.setattr(remote, "FIRST_WAIT", 0.01)
    move("first")
    return move


@pytest.fixture
def film(make_data, clip, bucket, tmp_path):
    """Makes a job from a video to a video, both in a bucket."""
    storage.send(clip, bucket / "clip.mp4")

    def make(*overrides):
        data = make_data(
            {"kind": "video", "path": f"{bucket}/clip.mp4", "frames": "0-4", "cuts": []}, "out.mp4"
        )
        data["output"]["path"] = f"{bucket}/out/film.mp4"
        data["engine"] = "passthrough"
        data["farm"] = {"gpus_per_worker": 0, "workers": 1}
        return build_job(Document("test", data), overrides, tmp_path)

    return make


def stored(place):
    return {entry.name: entry.size for entry in storage.listed(place)}


@pytest.mark.parametrize("name", ["/{}/file.txt", "../file.txt", "frames/../../../file.txt"])
def test_nothing_in_the_image_gets_out_of_the_folder(film, bucket, tmp_path, name):
    storage.write(bucket / "out/film.render" / name.format(tmp_path), b"evil")
    storage.write(bucket / "out/film.render/note.txt", b"good")
    with open_store(film()) as store:
        assert (store.folder / "note.txt").read_bytes() == b"good"
    assert not list(tmp_path.rglob("file.txt"))


def stop_after(frame):
    def stop(event):
        if isinstance(event, FrameDone) and event.frame == frame:
            raise KeyboardInterrupt

    return stop


def test_a_video_goes_from_bucket_to_bucket(cluster, film, bucket, object_storage):
    object_storage.share = 0.3
    summary = run(film())
    assert object_storage.failed.total() > 5
    object_storage.behave()
    assert (summary.status, summary.frames_done) == ("finished", 5)
    assert (summary.output, summary.folder) == (bucket / "out/film.mp4", bucket / "out/film.render")
    source = open_source(VideoInput(kind="video", path=f"{bucket}/out/film.mp4"), None)
    assert (source.count, len(source.probe.audio)) == (5, 1)
    names = stored(bucket / "out")
    assert not [name for name in names if ".part" in name or "stages/" in name]
    assert {"film.mp4", "film.render/job.yaml", "film.render/plan.json"} < names.keys()
    assert {"film.render/summary.json", "film.render/report.html"} < names.keys()
    assert sum(name.startswith("film.render/frames/") for name in names) == 5


def test_another_machine_goes_on_and_makes_what_is_missing_or_damaged_again(
    cluster, film, bucket, machine
):
    with pytest.raises(KeyboardInterrupt):
        run(film(), on_event=stop_after(1))
    done = sum(name.startswith("frames/") for name in stored(bucket / "out/film.render"))
    assert 2 <= done < 5
    machine("second")
    again = []
    summary = run(film(), on_event=again.append)
    assert (summary.status, summary.frames_reused) == ("finished", done)
    assert len(of(FrameDone, again)) == 5 - done
    frames, video = bucket / "out/film.render/frames", bucket / "out/film.mp4"
    before = storage.facts(video)
    storage.remove(frames / "000001.png")
    storage.write(frames / "000003.png", b"damaged")
    again = []
    assert run(film(), on_event=again.append).status == "finished"
    assert [event.frame for event in of(FrameDone, again)] == [1, 3]
    assert storage.facts(video) == before  # of the same frames, and so left alone
    storage.write(video, b"overwritten")
    machine("third")
    assert run(film()).frames_reused == 5
    assert storage.facts(video).size == before.size


def test_other_settings_are_refused_anywhere_and_a_fresh_start_leaves_nothing(
    cluster, film, bucket, machine
):
    run(film())
    machine("second")
    with pytest.raises(OutputError, match=r"other settings: seed: 0 → 7"):
        run(film("seed=7"))
    storage.write(bucket / "out/film.render/frames/999999.png", b"left over")
    assert run(film("seed=7"), fresh=True).frames_reused == 0
    assert "frames/999999.png" not in stored(bucket / "out/film.render")


def test_a_plan_for_other_settings_is_dropped_there_too(film, bucket, machine):
    with open_store(film()) as store:
        store.keep_plan(make_plan(film()))
    assert "plan.json" in stored(bucket / "out/film.render")
    with open_store(film("seed=7")):
        pass
    machine("second")
    with open_store(film("seed=7")) as store:
        assert store.plan() is None


def test_the_ledger_goes_there_in_pieces_and_comes_back_as_one(film, bucket, machine, monkeypatch):
    monkeypatch.setattr("render.mirror.PIECE", 500)
    png = encode_png(smooth_noise(8, 8, 1))
    for first in (0, 6):
        with open_store(film()) as store:
            assert isinstance(store, MirroredStore)
            assert len(store.records) == first
            for frame in range(first, first + 6):
                store.commit(frame, f"frames/{frame:06}.png", png, {"seconds": 1})
    pieces = [name for name in stored(bucket / "out/film.render") if name.startswith("ledger/")]
    assert 4 <= len(pieces) < 12
    machine("second")
    with open_store(film()) as store:
        assert sorted(store.records) == list(range(12))
        assert store.read(7) == png


def test_a_picture_whose_record_did_not_arrive_is_no_frame(film, bucket, object_storage, machine):
    png = encode_png(smooth_noise(8, 8, 1))
    with open_store(film()) as store:
        store.commit(0, "frames/000000.png", png, {})
        object_storage.next = [None] + ["error"] * remote.ATTEMPTS
        with pytest.raises(OutputError, match="given up after 8 attempts"):
            store.commit(1, "frames/000001.png", png, {})
    assert "frames/000001.png" in stored(bucket / "out/film.render")
    for place in ("first", "second"):
        machine(place)
        with open_store(film()) as store:
            assert sorted(store.records) == [0]


def test_a_run_leaves_previews_where_they_are(film, bucket):
    (path,) = preview(film(), [0])
    with open_store(film()):
        assert path.exists()
    assert not [name for name in stored(bucket / "out/film.render") if "preview" in name]


def test_two_runs_at_once_on_one_machine_are_one_too_many(film):
    with open_store(film()), pytest.raises(OutputError, match="another run is writing"):
        open_store(film())


def test_pictures_go_from_bucket_to_bucket(cluster, images_job, bucket):
    for number in range(3):
        picture = encode_png(smooth_noise(40, 30, number))
        storage.write(bucket / f"in/sub{number}/a.png", picture)
    job = images_job(
        "unused",
        *("engine=passthrough", f"input.path={bucket}/in", "input.pattern=**/*"),
        f"output.path={bucket}/out",
    )
    assert run(job).status == "finished"
    names = [name for name in stored(bucket / "out") if not name.startswith(".render/")]
    assert names == [f"sub{number}/a.png" for number in range(3)]
    assert run(job).frames_reused == 3


def test_a_bucket_that_is_not_there_is_found_before_any_frame(film):
    with pytest.raises(Exception, match="bucket does not exist") as caught:
        run(film("output.path=s3://no-such-bucket/out.mp4"))
    assert "\n" not in str(caught.value)
    assert not (store_folder(film("output.path=s3://no-such-bucket/out.mp4")) / "frames").exists()


def test_cache_folders_of_different_outputs_differ(film, bucket):
    one, other = film(), film(f"output.path={bucket}/other/film.mp4")
    assert store_folder(one) != store_folder(other)
    assert store_folder(one).name.endswith("-film.render")
