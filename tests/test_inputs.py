"""What a job reads is held against what an earlier run of it read."""

import os
import re
import shutil

import numpy as np
import pytest
from conftest import smooth_noise
from PIL import Image

from render import inputs, storage
from render.errors import OutputError, SourceError
from render.inputs import prepare, settled_plan
from render.ledger import Record
from render.media.manifest import Manifest
from render.mirror import open_store
from render.places import store_folder
from render.spec.media import VideoInput
from render.spec.url import Url
from render.store import Store


@pytest.fixture
def folder(tmp_path):
    """Three pictures in files that stay of one size, whatever is in them."""
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(3):
        draw(folder / f"{number}.bmp", seed=number)
    return folder


def draw(path, seed, width=40):
    Image.fromarray(smooth_noise(width, 30, seed)).save(path)


def begin(job, frame=0):
    """A run that finished one frame."""
    prepared = prepare(job)
    with Store(job) as store:
        settled_plan(job, prepared, store)
        info = {"source": prepared.source.digest(frame)}
        if isinstance(job.input, VideoInput):
            store.commit(frame, f"frames/{frame:06}.png", b"a frame", info)
        else:
            store.record([Record(frame, prepared.source.name(frame), "0" * 64, info)])


def go_on(job):
    with Store(job) as store:
        return settled_plan(job, prepare(job), store)


def touch(path):
    os.utime(path, (1, 1))


def test_a_copy_with_other_dates_in_another_place_is_gone_on_with(folder, images_job, tmp_path):
    begin(images_job(folder))
    copy = tmp_path / "elsewhere" / "copy"
    shutil.copytree(folder, copy, copy_function=shutil.copyfile)
    touch(copy / "1.bmp")
    plan = go_on(images_job(copy))
    assert go_on(images_job(copy)) == plan


@pytest.mark.parametrize(
    ("key", "setting"),
    [
        ("style.images.0.path", "style.images.0.path={}/1.bmp"),
        ("optimize.start", "optimize.start={}/0.bmp"),
        ("style.regions.0.content", "style.regions=[{{content: {}/%d.bmp}}]"),
    ],
)
def test_results_in_place_of_other_files_that_the_job_names_are_refused(
    folder, images_job, tmp_path, key, setting
):
    named = tmp_path / "painted"
    shutil.copytree(folder, named)
    with pytest.raises(OutputError, match=rf"would overwrite an input \({re.escape(key)}\)"):
        prepare(images_job(folder, setting.format(named)))


def test_numbered_frames_in_place_of_their_masks_are_refused(folder, video_job, tmp_path):
    settings = ["output.codec=frames", f"style.regions=[{{content: {tmp_path}/%06d.png}}]"]
    job = video_job(f"input.path={folder}", "input.cuts=[]", *settings, output="")
    with pytest.raises(OutputError, match=r"000000\.png: .* input \(style\.regions\.0\.content"):
        prepare(job)


@pytest.mark.parametrize("width", [40, 50])
def test_a_picture_of_a_finished_frame_that_changed_is_named_whatever_its_size(
    folder, images_job, width
):
    job = images_job(folder)
    begin(job)
    draw(folder / "0.bmp", seed=7, width=width)
    touch(folder / "0.bmp")
    with pytest.raises(SourceError, match=r"^input\.path \(0\.bmp\) changed since"):
        go_on(job)


@pytest.mark.parametrize("width", [40, 50])
def test_a_picture_that_nothing_was_made_of_yet_may_change(folder, images_job, width):
    job = images_job(folder)
    begin(job)
    draw(folder / "2.bmp", seed=7, width=width)
    touch(folder / "2.bmp")
    assert go_on(job).total == 3
    draw(folder / "0.bmp", seed=7)
    touch(folder / "0.bmp")
    with pytest.raises(SourceError, match=r"^input\.path \(0\.bmp\) changed since"):
        go_on(job)


def test_a_frame_of_a_sequence_that_nothing_was_made_of_yet_may_be_repaired(folder, video_job):
    whole = (folder / "2.bmp").read_bytes()
    (folder / "2.bmp").write_bytes(whole[:999])
    job = video_job(f"input.path={folder}", "input.cuts=[]")
    begin(job)
    (folder / "2.bmp").write_bytes(whole)
    assert go_on(job).total == 3
    (folder / "0.bmp").write_bytes(whole[:999])
    with pytest.raises(SourceError, match=r"^input\.path \(0\.bmp\) changed since"):
        go_on(job)


def test_in_object_storage_too_only_pictures_of_finished_frames_must_stay(
    folder, images_job, tmp_path
):
    place = Url(f"memory://{tmp_path.name}/in")
    for path in folder.iterdir():
        storage.write(place / path.name, path.read_bytes())
    job = images_job(place)
    begin(job)
    storage.write(place / "2.bmp", b"another")
    assert go_on(job).total == 3
    storage.write(place / "0.bmp", b"another")
    with pytest.raises(SourceError, match=r"^input\.path \(0\.bmp\) changed since"):
        go_on(job)


@pytest.mark.parametrize("change", ["more", "fewer", "renamed"])
def test_other_names_are_refused(folder, images_job, change):
    job = images_job(folder)
    begin(job, frame=2)
    match change:
        case "more":
            draw(folder / "3.bmp", seed=3)
        case "fewer":
            (folder / "2.bmp").unlink()
        case "renamed":
            (folder / "2.bmp").rename(folder / "3.bmp")
    with pytest.raises(SourceError, match=r"^input\.path changed since"):
        go_on(job)


def test_sizes_are_not_gone_on_from_where_the_list_of_names_is_lost(folder, images_job):
    job = images_job(folder)
    begin(job)
    shutil.rmtree(store_folder(job) / "pictures")
    draw(folder / "2.bmp", seed=7, width=50)
    with pytest.raises(SourceError, match=r"^input\.path changed since"):
        go_on(job)


def test_frames_of_a_sequence_whose_cuts_fall_elsewhere_now_are_refused(
    make_data, tmp_path, video_job
):
    folder = tmp_path / "shots"
    folder.mkdir()
    for number in range(24):  # two shots, the second from frame 12 on
        shade = 250 * (number >= 12)
        Image.fromarray(np.full((30, 40, 3), shade, np.uint8)).save(folder / f"{number:02}.bmp")
    job = video_job(f"input.path={folder}", "input.cuts=null")
    begin(job)
    assert len(go_on(job).shots) == 2
    for number in range(12, 24):
        shutil.copyfile(folder / "00.bmp", folder / f"{number:02}.bmp")
        touch(folder / f"{number:02}.bmp")
    with pytest.raises(SourceError, match=r"^input\.path \(its cuts\) changed since"):
        go_on(job)


FILES = {
    "style.images.0.path": "a",
    "style.images.1.path": "b",
    "style.regions.0.content": "mask",
    "style.regions.0.style": "part",
    "optimize.start": "start",
    "model.weights": "vgg",
}


@pytest.mark.parametrize("key", FILES)
def test_another_file_that_changed_is_named_by_its_key(folder, images_job, tmp_path, key):
    files = {name: tmp_path / f"{name}.bmp" for name in FILES.values()}
    for number, path in enumerate(files.values()):
        draw(path, seed=number)
    job = images_job(
        folder,
        f"style.images=[{{path: {files['a']}}}, {{path: {files['b']}}}]",
        f"style.regions=[{{content: {files['mask']}, style: {files['part']}, image: 0}}]",
        f"optimize.start={files['start']}",
        f"model.weights={files['vgg']}",
    )
    begin(job)
    changed = files[FILES[key]]
    touch(changed)
    assert go_on(job).total == 3
    draw(changed, seed=99)
    with pytest.raises(SourceError, match=rf"^{key} changed since"):
        go_on(job)


@pytest.mark.parametrize("repaired", [b"", b"half a ma", None])
def test_a_mask_that_nothing_was_painted_with_yet_may_be_supplied_or_repaired(
    folder, images_job, tmp_path, repaired
):
    masks = [tmp_path / f"mask{number}.bmp" for number in range(3)]
    for number, path in enumerate(masks):
        draw(path, seed=number)
    if repaired is None:
        masks[2].unlink()
    else:
        masks[2].write_bytes(repaired)
    job = images_job(folder, f"style.regions=[{{content: {tmp_path}/mask%d.bmp, image: 0}}]")
    begin(job)
    draw(masks[2], seed=2)
    assert go_on(job).total == 3
    draw(masks[0], seed=99)
    with pytest.raises(SourceError, match=r"^style\.regions\.0\.content changed since"):
        go_on(job)


def test_pictures_and_masks_of_frames_that_are_not_finished_may_change_together(
    folder, images_job, tmp_path
):
    draw(tmp_path / "mask0.bmp", seed=0)
    job = images_job(folder, f"style.regions=[{{content: {tmp_path}/mask%d.bmp, image: 0}}]")
    begin(job)
    draw(tmp_path / "mask2.bmp", seed=2)
    draw(folder / "2.bmp", seed=7, width=50)
    plan = go_on(job)
    assert go_on(job) == plan


def test_anything_may_change_before_something_is_finished(folder, images_job):
    job = images_job(folder)
    with Store(job) as store:
        settled_plan(job, prepare(job), store)
    draw(folder / "3.bmp", seed=3)
    style = folder.parent / "style.bmp"
    draw(style, seed=9)
    job = images_job(folder, f"style.images=[{{path: {style}}}]")
    plan = go_on(job)
    assert plan.total == 4
    assert go_on(job) == plan
    assert len(Manifest(store_folder(job) / "pictures")) == 4


@pytest.fixture
def many(monkeypatch):
    """Two pictures are as many as there can be."""
    monkeypatch.setattr(inputs, "FEW", 1)


def unlooked(job):
    """A run that may trust the list of an earlier one; returns the pictures that it finds."""
    prepared = prepare(job, look=False)
    with open_store(job) as store:
        settled_plan(job, prepared, store)
        return [picture.name for picture in prepared.source.pictures]


@pytest.mark.usefixtures("many")
def test_a_list_without_its_plan_is_made_again(folder, images_job):
    job = images_job(folder)
    assert len(unlooked(job)) == 3
    draw(folder / "3.bmp", seed=3)
    assert len(unlooked(job)) == 3  # trusted
    (store_folder(job) / "plan.json").unlink()
    assert len(unlooked(job)) == 4
    assert len(unlooked(job)) == 4


@pytest.mark.usefixtures("many")
def test_a_list_whose_plan_is_made_again_is_kept(folder, images_job):
    job = images_job(folder)
    unlooked(job)
    job = images_job(folder, "output.size=32")
    assert len(unlooked(job)) == 3
    assert len(unlooked(job)) == 3


@pytest.mark.usefixtures("many")
def test_a_list_that_object_storage_has_no_more_or_another_of_is_not_trusted(
    folder, images_job, tmp_path, monkeypatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    place = Url(f"memory://{tmp_path.name}/out")
    job = images_job(folder, f"output.path={place}")
    unlooked(job)
    draw(folder / "3.bmp", seed=3)
    assert len(unlooked(job)) == 3  # trusted
    for entry in list(storage.listed(place)):
        storage.remove(place / entry.name)
    assert len(unlooked(job)) == 4
    draw(folder / "4.bmp", seed=4)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other machine"))
    assert len(unlooked(job)) == 5
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert len(unlooked(job)) == 5
