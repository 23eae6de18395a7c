import os

import numpy as np
import pytest
from PIL import Image

from render import storage
from render.errors import SourceError
from render.media.frames import FrameError
from render.media.names import check_output_names
from render.media.source import open_source
from render.spec.media import ImagesInput, Output


def names(source):
    return [source.name(frame) for frame in source.frames]


def open_images(path, size=None, out="/nowhere", **keys):
    output = Output(path=str(out), size=size)
    return open_source(ImagesInput(kind="images", path=str(path), **keys), output)


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "in"
    for name in ("b10.png", "b9.jpg", "sub/c.png", "sub/b9.jpg", "notes.md", ".hidden.png"):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".md":
            path.write_text("no picture")
        else:
            Image.new("RGB", (60, 40), (len(name) * 9, 0, 0)).save(path)
    return root


def test_a_folder_gives_its_pictures_in_natural_order(folder):
    source = open_images(folder)
    assert names(source) == ["b9.jpg", "b10.png"]
    assert source.rate is None


def test_a_pattern_chooses_and_goes_into_subfolders(folder):
    assert names(open_images(folder, pattern="**/*")) == [
        "b9.jpg",
        "b10.png",
        "sub/b9.jpg",
        "sub/c.png",
    ]
    assert names(open_images(folder, pattern="**/*.png")) == ["b10.png", "sub/c.png"]


def test_one_picture_is_a_source_of_one_frame(folder):
    source = open_images(folder / "b10.png", 32)
    assert source.size(0) == (32, 21)
    (frame,) = source.read(source.frames)
    assert frame.pixels.shape == (21, 32, 3)


def test_a_list_gives_its_pictures_in_its_order(folder):
    listed = folder / "mine.txt"
    listed.write_text(f"# best first\nsub/c.png\n\n{folder / 'b9.jpg'}\n")
    source = open_images(listed)
    assert [source.path(frame) for frame in source.frames] == [
        folder / "sub/c.png",
        folder / "b9.jpg",
    ]


def test_a_list_names_the_line_of_a_missing_picture(folder):
    (folder / "mine.txt").write_text("b9.jpg\ngone.png\n")
    with pytest.raises(SourceError, match=r"mine\.txt:2: no such picture: gone\.png"):
        open_images(folder / "mine.txt")


def test_missing_empty_and_pictureless_inputs_are_refused(tmp_path, folder):
    (tmp_path / "empty").mkdir()
    (tmp_path / "words").mkdir()
    (tmp_path / "words" / "a.md").write_text("x")
    (tmp_path / "none.txt").write_text("# nothing\n")
    (tmp_path / "text.png").write_text("no picture")
    for name, words in (
        ("gone", "no such file or folder"),
        ("empty", "is empty"),
        ("words", "no picture in it"),
        ("none.txt", "names no picture"),
        ("text.png", "not a picture"),
    ):
        with pytest.raises(SourceError, match=words):
            open_images(tmp_path / name)


def test_one_unreadable_picture_is_named_and_loses_nothing_of_the_rest(folder):
    (folder / "b9a.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    source = open_images(folder)
    assert names(source) == ["b9.jpg", "b9a.png", "b10.png"]
    with pytest.raises(FrameError, match=r"b9a\.png") as caught:
        list(source.read(source.frames))
    assert caught.value.frame == 1
    with pytest.raises(FrameError):
        source.size(1)
    assert [frame.index for frame in source.read(range(2, 3))] == [2]


def test_the_fingerprint_changes_with_names_and_sizes_and_dates_are_apart(folder):
    before, digest = open_images(folder).fingerprint(), open_images(folder).digest(0)
    assert open_images(folder).fingerprint() == before
    os.utime(folder / "b9.jpg", (1, 1))
    touched = open_images(folder)
    assert touched.fingerprint().content == before.content
    assert touched.fingerprint().dates != before.dates
    assert next(touched.read(range(1))).digest == digest
    (folder / "b9.jpg").rename(folder / "b8.jpg")
    assert open_images(folder).fingerprint().content != before.content


def test_what_is_hidden_is_left_aside_and_so_are_results_of_an_earlier_run(folder):
    before = names(open_images(folder, out=folder / "sub2", pattern="**/*"))
    for name in ("sub2/b9.jpg", "sub2/deep/c.png", ".render/frames/000000.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4)).save(folder / name)
    again = open_images(folder, out=folder / "sub2", pattern="**/*")
    assert names(again) == before
    check_output_names(again, Output(path=folder / "sub2"))
    assert "sub2/b9.jpg" in names(open_images(folder, pattern="**/*"))


def test_links_to_nothing_and_in_a_circle_are_left_aside(folder):
    before = names(open_images(folder, pattern="**/*"))
    (folder / "circle.png").symlink_to("circle.png")
    (folder / "nothing.png").symlink_to("nowhere.png")
    assert names(open_images(folder, pattern="**/*")) == before


def test_alpha_comes_with_the_frame(tmp_path):
    whole = np.full((8, 8, 4), 200, np.uint8)
    Image.fromarray(whole).save(tmp_path / "a.png")
    (frame,) = open_images(tmp_path / "a.png").read(range(1))
    assert np.array_equal(frame.alpha, whole[..., 3])


@pytest.fixture
def stored(bucket, folder):
    """The same folder in a bucket."""
    for path in folder.rglob("*.*"):
        storage.write(bucket / "in" / path.relative_to(folder).as_posix(), path.read_bytes())
    return bucket / "in"


def test_a_folder_in_object_storage_is_one_like_any_other(stored, folder):
    for pattern in ("*", "**/*", "*.png", "sub/*"):
        here, there = (
            open_images(folder, 32, pattern=pattern),
            open_images(stored, 32, pattern=pattern),
        )
        assert names(here) == names(there)
    for frame in here.frames:
        assert there.size(frame) == here.size(frame)
        assert np.array_equal(there.still(frame).pixels, here.still(frame).pixels)
    before = there.fingerprint()
    storage.write(stored / "sub" / "c.png", (folder / "b10.png").read_bytes())
    assert open_images(stored, 32, pattern="sub/*").fingerprint() != before


def test_one_picture_and_a_list_in_object_storage(stored, folder):
    assert names(open_images(stored / "b9.jpg")) == ["b9.jpg"]
    storage.write(stored / "list.txt", f"sub/c.png\n{stored}/b10.png\ngone.png\n".encode())
    source = open_images(stored / "list.txt")
    assert [source.still(frame).pixels.shape for frame in (0, 1)] == [(40, 60, 3)] * 2
    with pytest.raises(FrameError, match=r"in/gone\.png: not there"):
        source.still(2)


def test_an_empty_prefix_and_one_without_pictures_are_told_apart(stored):
    with pytest.raises(SourceError, match=r"in/none: the folder is empty or not there"):
        open_images(stored / "none")
    with pytest.raises(
        SourceError, match=r"in: the folder has no picture in it \(pattern '\*\.gif'"
    ):
        open_images(stored, pattern="*.gif")


def test_a_picture_that_vanished_or_was_never_whole_is_one_frame(stored):
    source = open_images(stored)
    storage.remove(source.path(0))
    storage.write(source.path(1), storage.read(source.path(1))[:60])
    for frame, why in ((0, "not there"), (1, "cannot be read")):
        with pytest.raises(FrameError, match=why) as caught:
            source.still(frame)
        assert caught.value.frame == frame
