import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from render import storage
from render.errors import OutputError, SourceError
from render.media.frames import FrameError
from render.media.images import check_output_names, output_name
from render.media.listing import natural
from render.media.source import open_source
from render.spec.media import ImagesInput, Output


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
    assert [source.name(frame) for frame in source.frames] == ["b9.jpg", "b10.png"]
    assert source.rate is None


def test_a_pattern_chooses_and_goes_into_subfolders(folder):
    names = open_images(folder, pattern="**/*").paths
    assert names == ("b9.jpg", "b10.png", "sub/b9.jpg", "sub/c.png")
    assert open_images(folder, pattern="**/*.png").paths == ("b10.png", "sub/c.png")


@given(st.lists(st.integers(0, 10**6), unique=True))
def test_numbers_in_names_sort_by_their_value(numbers):
    names = [f"frame{number}.png" for number in numbers]
    assert sorted(names, key=natural) == [f"frame{number}.png" for number in sorted(numbers)]


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
    assert source.paths == ("b9.jpg", "b9a.png", "b10.png")
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


def names(source, output):
    return [str(output_name(source, frame, output)) for frame in source.frames]


def test_what_is_hidden_is_left_aside_and_so_are_results_of_an_earlier_run(folder):
    before = open_images(folder, out=folder / "sub2", pattern="**/*").paths
    for name in ("sub2/b9.jpg", "sub2/deep/c.png", ".render/frames/000000.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4)).save(folder / name)
    again = open_images(folder, out=folder / "sub2", pattern="**/*")
    assert again.paths == before
    check_output_names(again, Output(path=folder / "sub2"))
    assert "sub2/b9.jpg" in open_images(folder, pattern="**/*").paths


def test_results_do_not_become_inputs_of_the_next_run(folder):
    painted = Output(path=folder, name="{stem}_painted", format="png")
    with pytest.raises(OutputError, match="be one of them the next time"):
        check_output_names(open_images(folder, out=folder), painted)
    check_output_names(open_images(folder, out=folder, pattern="*.jpg"), painted)
    check_output_names(open_images(folder / "b9.jpg", out=folder), painted)


def test_output_names_follow_the_input_or_the_template(folder, tmp_path):
    source = open_images(folder, pattern="**/*")
    out = str(tmp_path / "out")
    assert names(source, Output(path=out)) == ["b9.jpg", "b10.png", "sub/b9.jpg", "sub/c.png"]
    numbered = Output(path=out, name="{index:04}-{stem}", format="webp")
    assert names(source, numbered)[2:] == ["0002-b9.webp", "0003-c.webp"]
    check_output_names(source, Output(path=out))


def test_two_inputs_never_share_a_name(folder, tmp_path):
    source = open_images(folder, pattern="**/*")
    with pytest.raises(OutputError, match=r"b9\.jpg and sub/b9\.jpg would both .* b9\.jpg"):
        check_output_names(source, Output(path=str(tmp_path / "out"), name="{stem}"))
    Image.new("RGB", (4, 4)).save(folder / "B9.png")
    alike = open_images(folder)
    check_output_names(alike, Output(path=str(tmp_path / "out")))
    with pytest.raises(OutputError, match="would both be written"):
        check_output_names(alike, Output(path=str(tmp_path / "out"), format="png"))


def test_an_input_is_never_overwritten(folder, tmp_path):
    source = open_images(folder)
    with pytest.raises(OutputError, match="overwrite an input"):
        check_output_names(source, Output(path=str(folder)))
    (tmp_path / "link").symlink_to(folder)
    with pytest.raises(OutputError, match="overwrite an input"):
        check_output_names(source, Output(path=str(tmp_path / "link")))


@pytest.mark.parametrize(
    "template", ["../{stem}", "/tmp/{stem}", "a/../../{stem}", "{parent}/../{stem}"]
)
def test_names_never_leave_the_output_folder(folder, tmp_path, template):
    source = open_images(folder)
    with pytest.raises(OutputError, match="leave the output folder"):
        check_output_names(source, Output(path=str(tmp_path / "out"), name=template))


def test_a_link_out_of_the_output_folder_is_not_followed(folder, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out" / "sub").symlink_to(tmp_path / "elsewhere")
    source = open_images(folder, pattern="**/*")
    with pytest.raises(OutputError, match="link"):
        check_output_names(source, Output(path=str(tmp_path / "out")))


@pytest.mark.parametrize("template", ["{what}", "{0}", "{stem", "{stem.__class__}", "{index:x9q}"])
def test_a_faulty_template_is_explained(folder, tmp_path, template):
    source = open_images(folder)
    with pytest.raises(OutputError, match=r"output\.name"):
        output_name(source, 0, Output(path=str(tmp_path / "out"), name=template))


def test_listed_pictures_from_elsewhere_keep_inside_the_output(folder, tmp_path):
    (tmp_path / "list").mkdir()
    listed = tmp_path / "list" / "mine.txt"
    listed.write_text(f"{folder / 'b9.jpg'}\n../in/sub/c.png\n")
    source = open_images(listed)
    assert names(source, Output(path=str(tmp_path / "out"))) == ["b9.jpg", "c.png"]
    check_output_names(source, Output(path=str(tmp_path / "out")))


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


def test_a_folder_in_object_storage_is_one_like_any_other(stored, folder, tmp_path):
    for pattern in ("*", "**/*", "*.png", "sub/*"):
        here, there = (
            open_images(folder, 32, pattern=pattern),
            open_images(stored, 32, pattern=pattern),
        )
        assert here.paths == there.paths
    output = Output(path=tmp_path / "out")
    assert names(there, output) == names(here, output)
    for frame in here.frames:
        assert there.size(frame) == here.size(frame)
        assert np.array_equal(there.still(frame).pixels, here.still(frame).pixels)
    before = there.fingerprint()
    storage.write(stored / "sub" / "c.png", (folder / "b10.png").read_bytes())
    assert open_images(stored, 32, pattern="sub/*").fingerprint() != before


def test_one_picture_and_a_list_in_object_storage(stored, folder):
    assert open_images(stored / "b9.jpg").paths == ("b9.jpg",)
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
