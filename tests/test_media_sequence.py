from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from media_clips import number_of, numbered
from pydantic import ValidationError

from render.errors import OutputError, SourceError
from render.media.encode import write_video
from render.media.frames import FrameError
from render.media.source import open_source
from render.media.stills import encode_png, read_still
from render.spec.media import Output, VideoInput, parse_rate


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in").mkdir()
    for index in range(12):
        (tmp_path / "in" / f"f{index}.png").write_bytes(encode_png(numbered(index)))
    return tmp_path / "in"


def open_folder(path, **keys):
    return open_source(VideoInput(kind="video", path=str(path), **keys))


def test_numbered_frames_play_as_a_video(folder, tmp_path):
    source = open_folder(folder, rate="23.976", frames="1-10")
    assert source.rate == Fraction(24000, 1001)
    out = tmp_path / "out.mp4"
    pixels = (frame.pixels for frame in source.read(source.frames))
    write_video(out, pixels, output=Output(path=out), source=source, selected=source.frames)
    result = open_source(VideoInput(kind="video", path=str(out)))
    assert result.rate == Fraction(24000, 1001)
    assert [number_of(frame.pixels) for frame in result.read(result.frames)] == list(range(1, 11))


def test_thumbnails_are_small(folder):
    small = list(open_folder(folder, frames="2-8x3").thumbnails(24))
    assert [number_of(pixels) for pixels in small] == [2, 5, 8]
    assert small[0].shape == (24, 32, 3)


def test_in_the_place_of_a_frame_that_cannot_be_read_stands_the_thumbnail_of_its_neighbour(folder):
    for number in (0, 1, 5):
        (folder / f"f{number}.png").write_bytes(b"no picture")
    (folder / "f11.png").write_bytes(encode_png(numbered(11, 32, 32)))
    source = replace(open_folder(folder, frames="2-11"), frames=range(12))
    shown = [number_of(pixels) for pixels in source.thumbnails()]
    assert shown == [2, 2, 2, 3, 4, 4, 6, 7, 8, 9, 10, 10]
    for file in folder.iterdir():
        file.write_bytes(b"no picture")
    assert list(source.thumbnails()) == []


def test_missing_numbers_are_said(folder):
    assert open_folder(folder).notes == ()
    (folder / "f5.png").unlink()
    (note,) = open_folder(folder).notes
    assert "f4.png is followed by f6.png" in note


def test_frames_of_another_size_are_named(folder):
    (folder / "f3.png").write_bytes(encode_png(numbered(3, 32, 32)))
    source = open_folder(folder)
    with pytest.raises(FrameError, match=r"f3\.png: its size is 32×32") as caught:
        list(source.read(source.frames))
    assert caught.value.frame == 3


def test_a_range_outside_the_folder_is_refused(folder):
    with pytest.raises(SourceError, match="frames are 0-11"):
        open_folder(folder, frames="5-12")


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("25", Fraction(25)),
        ("29.97", Fraction(30000, 1001)),
        ("59.94", Fraction(60000, 1001)),
        ("23.976", Fraction(24000, 1001)),
        ("24000/1001", Fraction(24000, 1001)),
        ("30.02", Fraction(1501, 50)),
    ],
)
def test_rates_are_exact(text, rate):
    assert parse_rate(text) == rate


ODD = ["1e999999999", "fast", "25/0", "", "2 5", "2_5", "-25", "٢٥", "1/2/3", "29,97", "nan"]


@pytest.mark.parametrize("text", [*ODD, "0." + "0" * 5000 + "1", "1" * 5000])
def test_what_is_not_a_rate_is_told_at_once(text):
    assert parse_rate(text) == 0


@pytest.mark.parametrize("rate", [*ODD, 0, 1001, "1/3601", True])
def test_a_job_with_an_impossible_rate_is_refused(rate):
    with pytest.raises(ValidationError, match=r"not a frame rate|valid string"):
        VideoInput(kind="video", path="in", rate=rate)


def test_a_video_can_be_written_as_numbered_frames(folder, tmp_path):
    source = open_folder(folder, frames="2-10x4")
    out = tmp_path / "out"
    output = Output(path=out, codec="frames", format="tiff")
    pixels = (frame.pixels for frame in source.read(source.frames))
    count = write_video(out, pixels, output=output, source=source, selected=source.frames)
    assert count == 3
    assert sorted(path.name for path in out.iterdir()) == ["000002.tif", "000006.tif", "000010.tif"]
    assert np.array_equal(read_still(out / "000006.tif").pixels, numbered(6))


@pytest.mark.parametrize("given", [2, 4])
def test_too_few_or_too_many_numbered_frames_are_an_error(folder, tmp_path, given):
    source = open_folder(folder, frames="0-2")
    output = Output(path=tmp_path / "out", codec="frames")
    with pytest.raises(OutputError, match="not one frame for each of 3"):
        write_video(
            tmp_path / "out",
            (numbered(k) for k in range(given)),
            output=output,
            source=source,
            selected=source.frames,
        )
