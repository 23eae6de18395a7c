"""The last frame is shown as long as in the source, whatever file is written."""

from fractions import Fraction

import av
import numpy as np
import pytest
from media_clips import FAST, ffmpeg, numbered, numbered_clip
from PIL import Image

from render.errors import OutputError
from render.media import writer
from render.media.encode import check_output, write_video
from render.media.source import open_source
from render.media.timeline import source_timeline
from render.spec.media import Output, VideoInput

PAUSE = (100, 100, 100, 2000)
VARY = (100, 300, 50, 2000)
BRIEF = (1000, 2000, 8000, 40)
WRITTEN = [
    ("h264", "mp4"),
    ("h264", "mov"),
    ("h264", "mkv"),
    ("h265", "mp4"),
    ("av1", "webm"),
    ("vp9", "webm"),
    ("prores", "mov"),
    ("ffv1", "mkv"),
    ("gif", "gif"),
    ("webp", "webp"),
]


def slides(path, shown, codec="ffv1", sound=None, **options):
    """A file of numbered frames, each shown for its own number of milliseconds."""
    if path.suffix == ".gif":
        pictures = [Image.fromarray(numbered(index)) for index in range(len(shown))]
        more = {"save_all": True, "append_images": pictures[1:], "loop": 0}
        pictures[0].save(path, duration=list(shown), **more)
        return path
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10, options=options)
        stream.width, stream.height = 64, 48
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        pts = 0
        for index, length in enumerate(shown):
            frame = av.VideoFrame.from_ndarray(numbered(index), format="rgb24")
            frame.pts, frame.duration, frame.time_base = pts, length, Fraction(1, 1000)
            pts += length
            for packet in stream.encode(frame):
                container.mux(timed(packet, shown))
        for packet in stream.encode():
            container.mux(timed(packet, shown))
    if sound is not None:
        with_sound = path.with_stem("sound")
        heard = ("-f", "lavfi", "-i", f"sine=frequency=440:sample_rate=48000:duration={sound}")
        ffmpeg("-i", path, *heard, "-c:v", "copy", "-c:a", "aac", with_sound)
        return with_sound
    return path


def timed(packet, shown):
    starts = [sum(shown[:index]) for index in range(len(shown))]
    packet.duration = shown[starts.index(round(packet.pts * packet.time_base * 1000))]
    return packet


def open_clip(path, **keys):
    return open_source(VideoInput(kind="video", path=str(path), **keys))


def written(source, path, **keys):
    output = Output(path=path, **keys)
    assert check_output(path, output, source) == ()
    pixels = (frame.pixels for frame in source.read(source.frames))
    write_video(path, pixels, output=output, source=source, selected=source.frames)
    return path


def shown_in(path):
    """Milliseconds that each frame of a file is shown."""
    if path.suffix == ".webp":
        with Image.open(path) as image:
            return [loaded(image, index).info["duration"] for index in range(image.n_frames)]
    with av.open(str(path)) as container:
        packets = sorted((p for p in container.demux(video=0) if p.size), key=lambda p: p.pts)
        times = [packet.pts for packet in packets]
        tick = packets[0].time_base * 1000
        return [float(length * tick) for length in (*np.diff(times), packets[-1].duration)]


def loaded(image, index):
    image.seek(index)
    image.load()
    return image


def agree(found, expected, tick):
    assert len(found) == len(expected)
    assert np.abs(np.subtract(found, expected)).max() <= tick + 0.001, found


@pytest.mark.parametrize("shown", [PAUSE, VARY, BRIEF])
@pytest.mark.parametrize(("codec", "suffix"), WRITTEN)
def test_what_is_written_lasts_as_long_as_its_source(tmp_path, codec, suffix, shown):
    source = open_clip(slides(tmp_path / "in.mkv", shown))
    assert source.probe.constant == (shown == PAUSE)
    path = written(source, tmp_path / f"out.{suffix}", codec=codec)
    agree(shown_in(path), shown, 1)
    if suffix != "webp":
        with av.open(str(path)) as container:
            assert abs(container.duration / 1000 - sum(shown)) <= 1


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("in.gif", {}),
        ("in.mp4", {"codec": "libx264", "bf": "0"}),
        ("in.mkv", {"codec": "libx264", "bf": "2"}),
    ],
)
@pytest.mark.parametrize("shown", [PAUSE, VARY, (100, 100, 100, 100, 100, 2000)])
def test_every_source_says_how_long_its_last_frame_is_shown(tmp_path, name, options, shown):
    source = open_clip(slides(tmp_path / name, shown, **options))
    assert abs(source.probe.last * 1000 - shown[-1]) <= 1
    agree(shown_in(written(source, tmp_path / "out.mp4")), shown, 1)


@pytest.mark.parametrize(
    ("shown", "frames", "expected"),
    [
        (VARY, "0-1", [100, 300]),
        ((100, 300, 50, 5), "1-", [300, 50, 5]),
        (VARY, "1-2", [300, 50]),
        (VARY, "2-3", [50, 2000]),
        (VARY, "0-3x2", [400, 2050]),
        (VARY, "0-2x3", [450]),
        (PAUSE, "0-1", [100, 100]),
        (PAUSE, "2-3", [100, 2000]),
        (PAUSE, "3", [2000]),
        (PAUSE, "0-3x2", [200, 2100]),
    ],
)
@pytest.mark.parametrize(("codec", "suffix"), [("h264", "mp4"), ("h264", "mkv"), ("gif", "gif")])
def test_a_part_lasts_until_the_next_frame(tmp_path, shown, frames, expected, codec, suffix):
    source = open_clip(slides(tmp_path / "in.mkv", shown), frames=frames)
    tick = 10 if suffix == "gif" else 1
    agree(shown_in(written(source, tmp_path / f"out.{suffix}", codec=codec)), expected, tick)


@pytest.mark.parametrize("name", ["out.mp4", "out.mov", "out.mkv"])
def test_sound_beside_a_pause_keeps_its_length(tmp_path, name):
    source = open_clip(slides(tmp_path / "in.mkv", PAUSE, sound=2.3))
    path = written(source, tmp_path / name)
    agree(shown_in(path), PAUSE, 1)
    with av.open(str(path)) as container:
        ends = [p.pts * p.time_base + p.duration * p.time_base for p in container.demux(audio=0)
                if p.size]  # fmt: skip
        assert abs(max(ends) - Fraction(23, 10)) < 0.03
        assert abs(container.duration / 1e6 - 2.3) < 0.03


@pytest.mark.parametrize("rate", ["25", "24000/1001"])
@pytest.mark.parametrize(
    "name", ["in.mp4", "in.mkv", "in.mov", "in.ts", "in.avi", "in.flv", "in.h264", "in.gif"]
)
def test_a_constant_rate_is_left_to_itself(tmp_path, name, rate):
    options = ("-f", "gif") if name == "in.gif" else (*FAST, "-bf", "2")
    rate = "25" if name == "in.gif" else rate
    facts = open_clip(numbered_clip(tmp_path / name, 12, *options, rate=rate)).probe
    assert facts.last == 1 / facts.rate == 1 / Fraction(rate)
    for selected in (range(12), range(3, 7), range(0, 12, 5)):
        assert not source_timeline(facts, selected).held


@pytest.mark.parametrize("last", [1, 40, 99, 101, 149])
def test_an_end_that_is_a_little_off_is_a_constant_rate_too(tmp_path, last):
    facts = open_clip(slides(tmp_path / "in.mkv", (100, 100, 100, last))).probe
    assert facts.constant
    assert facts.last == Fraction(1, 10)
    assert not source_timeline(facts, range(4)).held


def test_a_last_time_that_is_one_tick_of_a_clock_is_none(tmp_path):
    facts = open_clip(slides(tmp_path / "in.mkv", (100, 300, 50, 1))).probe
    assert facts.last == 1 / facts.rate == Fraction(3, 20)


@pytest.mark.parametrize(("codec", "suffix"), WRITTEN)
def test_a_last_frame_of_the_wrong_length_is_noticed(tmp_path, monkeypatch, codec, suffix):
    monkeypatch.setattr(writer, "_hold", lambda *_: [])
    monkeypatch.setattr(writer, "end_webp", lambda *_: None)
    source = open_clip(slides(tmp_path / "in.mkv", PAUSE))
    with pytest.raises(OutputError, match=r"read back, .*(last frame|in time)"):
        written(source, tmp_path / f"out.{suffix}", codec=codec)


@pytest.mark.parametrize(
    ("shown", "numbers", "expected"),
    [
        ((40,) * 8, (0, 0, 0, 0, 0, 0, 0, 1), [280, 40]),
        ((40,) * 8, (0, 1, 2, 2, 2, 2, 2, 2), [40, 40, 240]),
        (PAUSE, (0, 0, 0, 1), [300, 2000]),
        (PAUSE, (0, 1, 2, 2), [100, 100, 2100]),
        (VARY, (0, 1, 2, 2), [100, 300, 2050]),
    ],
)
def test_a_webp_whose_pictures_look_alike_ends_on_time(tmp_path, shown, numbers, expected):
    """Its encoder makes one longer frame of them."""
    source = open_clip(slides(tmp_path / "in.mkv", shown))
    output = Output(path=tmp_path / "out.webp", codec="webp")
    pixels = (numbered(number) for number in numbers)
    write_video(output.path, pixels, output=output, source=source, selected=source.frames)
    agree(shown_in(output.path), expected, 0)


def test_a_gif_that_cannot_hold_its_pause_is_told_of_beforehand(tmp_path):
    source = open_clip(slides(tmp_path / "in.mkv", (100, 100, 100, 700_000)))
    path = tmp_path / "out.gif"
    output = Output(path=path, codec="gif")
    (note,) = check_output(path, output, source)
    assert "gif shows no frame longer than 655.35 s" in note
    assert check_output(tmp_path / "out.mp4", Output(path=tmp_path / "out.mp4"), source) == ()
    pixels = (frame.pixels for frame in source.read(source.frames))
    write_video(path, pixels, output=output, source=source, selected=source.frames)
    agree(shown_in(path), (100, 100, 100, 655_350), 1)
