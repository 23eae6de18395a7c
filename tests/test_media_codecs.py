import subprocess

import numpy as np
import pytest
from media_clips import FAST, number_of, numbered, numbered_clip
from PIL import Image

from render.errors import OutputError
from render.media import codecs
from render.media.encode import check_output, write_video
from render.media.ffmpeg import executable
from render.media.source import open_source
from render.spec.media import Output, VideoInput


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    numbered_clip(path, 12, *FAST, "-c:a", "aac", sound="sine=duration=0.48", size=(128, 96))
    return open_source(VideoInput(kind="video", path=str(path)))


def written(source, path, **keys):
    output = Output(path=str(path), **keys)
    check_output(path, output, source)
    pixels = (frame.pixels for frame in source.read(source.frames))
    assert write_video(path, pixels, output=output, source=source, selected=source.frames) == 12
    return path


def said_of(path):
    command = [executable(), "-hide_banner", "-i", path]
    return subprocess.run(command, capture_output=True, text=True, check=False).stderr


@pytest.mark.parametrize(
    ("codec", "suffix", "says"),
    [
        ("h264", ".mp4", "Video: h264 (High)"),
        ("h264", ".mov", "Video: h264"),
        ("h264", ".mkv", "Video: h264"),
        ("h265", ".mp4", "hvc1"),
        ("av1", ".mp4", "Video: av1"),
        ("av1", ".webm", "Video: av1"),
        ("vp9", ".webm", "Video: vp9"),
        ("prores", ".mov", "prores"),
        ("ffv1", ".mkv", "Video: ffv1"),
    ],
)
def test_every_codec_keeps_every_frame_its_rate_and_the_sound(
    tmp_path, source, codec, suffix, says
):
    path = written(source, tmp_path / f"out{suffix}", codec=codec)
    assert says in said_of(path)
    result = open_source(VideoInput(kind="video", path=str(path)))
    assert result.rate == 25
    assert len(result.probe.audio) == 1
    numbers = [number_of(frame.pixels) for frame in result.read(result.frames)]
    assert numbers == list(range(12))


def test_ffv1_loses_nothing(tmp_path, source):
    path = written(source, tmp_path / "out.mkv", codec="ffv1")
    result = open_source(VideoInput(kind="video", path=str(path)))
    pairs = zip(source.read(source.frames), result.read(result.frames), strict=True)
    assert all(np.array_equal(one.pixels, other.pixels) for one, other in pairs)


@pytest.mark.parametrize("codec", ["gif", "webp"])
def test_short_clips_become_moving_pictures_without_sound(tmp_path, source, codec):
    path = tmp_path / f"out.{codec}"
    (note,) = check_output(path, Output(path=str(path), codec=codec), source)
    assert "no sound" in note
    written(source, path, codec=codec)
    with Image.open(path) as image:
        assert image.n_frames == 12
        for index in (0, 5, 11):
            image.seek(index)
            assert number_of(np.asarray(image.convert("RGB"))) == index
            assert image.info["duration"] == 40


def test_pictures_that_stand_still_are_shown_as_long_in_a_webp(tmp_path, source):
    """Its encoder makes one frame of pictures that look alike."""
    path = tmp_path / "out.webp"
    pixels = (numbered(index // 4) for index in range(12))
    output = Output(path=path, codec="webp")
    write_video(path, pixels, output=output, source=source, selected=source.frames)
    shown = []
    with Image.open(path) as image:
        for index in range(image.n_frames):
            image.seek(index)
            image.load()
            shown.append((number_of(np.asarray(image.convert("RGB"))), image.info["duration"]))
    assert shown == [(0, 160), (1, 160), (2, 160)]


def test_mp4_starts_playing_before_it_is_loaded(tmp_path, source):
    data = written(source, tmp_path / "out.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    assert "yuv420p" in said_of(tmp_path / "out.mp4")


def test_quality_is_a_factor_or_a_bitrate(tmp_path, source):
    sizes = [
        written(source, tmp_path / f"{n}.mp4", **keys).stat().st_size
        for n, keys in enumerate([{"crf": 10}, {}, {"crf": 40}])
    ]
    assert sizes == sorted(sizes, reverse=True)
    low = written(source, tmp_path / "low.webm", codec="vp9", bitrate="20k")
    assert low.stat().st_size < written(source, tmp_path / "q.webm", codec="vp9").stat().st_size


@pytest.mark.parametrize(
    ("name", "keys", "words"),
    [
        ("out.webm", {}, r"\.webm does not hold h264; name it \.mp4 .*or set output\.codec to"),
        ("out.mp4", {"codec": "gif"}, r"name it \.gif"),
        ("out.txt", {}, r"ends in one of \.mp4"),
        ("out", {}, r"ends in one of"),
        ("out.mp4", {"crf": 60}, r"0 to 51"),
        ("out.mov", {"codec": "prores", "crf": 20}, r"has no output\.crf"),
        ("out.mkv", {"codec": "ffv1", "bitrate": "8M"}, r"has no output\.bitrate"),
        ("out", {"codec": "frames", "bitrate": "8M"}, r"has no output\.bitrate"),
        ("out.mp4", {"crf": 20, "bitrate": "8M"}, r"not both"),
    ],
)
def test_what_does_not_go_together_is_refused_before_rendering(tmp_path, source, name, keys, words):
    path = tmp_path / name
    with pytest.raises(OutputError, match=words):
        check_output(path, Output(path=str(path), **keys), source)


def test_without_a_graphics_card_the_cpu_encodes_and_it_is_said(
    tmp_path, source, monkeypatch, caplog
):
    monkeypatch.setattr(codecs, "_works", lambda _: False)
    written(source, tmp_path / "out.mp4", hardware=True)
    assert "no graphics card here encodes h264" in caplog.text
    assert "Video: h264" in said_of(tmp_path / "out.mp4")


def test_an_encoder_is_used_only_if_it_works_here():
    codecs._works.cache_clear()
    assert codecs._works("libx264")
    assert not codecs._works("no_such_encoder")
