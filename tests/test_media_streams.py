from dataclasses import replace
from fractions import Fraction

import av
import pytest
from media_clips import FAST, ffmpeg, numbered_clip

from render.errors import OutputError
from render.media import streams
from render.media.encode import check_output, write_video
from render.media.source import open_source
from render.media.streams import carry, try_sound
from render.media.timeline import source_timeline
from render.spec.media import Output, VideoInput


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Two seconds of pictures, half a second of sound."""
    path = tmp_path_factory.mktemp("clip") / "clip.mkv"
    sound = "sine=duration=0.5"
    return numbered_clip(path, 50, *FAST, "-g", "10", "-c:a", "aac", sound=sound)


def open_clip(path, **keys):
    return open_source(VideoInput(kind="video", path=str(path), **keys))


def carried(source, container, **facts):
    said = replace(source.probe, **facts)
    return carry(said, source_timeline(said, source.frames), container, sound=True)


@pytest.mark.parametrize("name", ["out.mp4", "out.mov", "out.mkv"])
def test_frames_behind_the_end_of_the_sound_have_none_and_it_is_said(tmp_path, clip, name):
    source = open_clip(clip, frames="30-49")
    out = tmp_path / name
    output = Output(path=out)
    assert check_output(out, output, source) == ("sound track 0: nothing in it at these frames",)
    pixels = (frame.pixels for frame in source.read(source.frames))
    assert write_video(out, pixels, output=output, source=source, selected=source.frames) == 20
    with av.open(str(out)) as container:
        assert len(container.streams.audio) == 0


@pytest.mark.parametrize(
    ("codec", "container", "becomes"),
    [
        ("aac", "mp4", "copy"),
        ("opus", "webm", "copy"),
        ("pcm_s24le", "matroska", "copy"),
        ("pcm_s24le", "mp4", "aac"),
        ("opus", "mov", "pcm_s24le"),
        ("aac", "webm", "libopus"),
    ],
)
def test_sound_is_copied_where_the_file_can_hold_it(clip, codec, container, becomes):
    kept = carried(open_clip(clip), container, audio=(codec,))
    assert kept.sounds == 1
    assert kept.arguments[kept.arguments.index("-c:a:0") + 1] == becomes
    assert bool(kept.notes) == (becomes != "copy")


@pytest.mark.parametrize(
    ("codec", "container", "becomes"),
    [
        ("subrip", "mp4", "mov_text"),
        ("ass", "mov", "mov_text"),
        ("mov_text", "matroska", "subrip"),
        ("ass", "matroska", "copy"),
        ("webvtt", "webm", "copy"),
        ("subrip", "webm", "webvtt"),
        ("hdmv_pgs_subtitle", "matroska", "copy"),
        ("hdmv_pgs_subtitle", "mp4", None),
        ("ttml", "matroska", None),
        ("dvb_teletext", "matroska", None),
    ],
)
def test_subtitles_take_the_form_that_the_file_can_hold(clip, codec, container, becomes):
    kept = carried(open_clip(clip), container, subtitles=(codec,))
    if becomes is None:
        assert "-c:s:0" not in kept.arguments
        assert any(codec in note and "left out" in note for note in kept.notes)
    else:
        assert kept.arguments[kept.arguments.index("-c:s:0") + 1] == becomes


@pytest.mark.parametrize(
    ("layout", "name", "codec", "stored"),
    [
        ("5.1(side)", "out.webm", "vp9", "5.1"),
        ("7.1.4", "out.mp4", "h264", "7.1"),
    ],
)
def test_sound_in_any_layout_is_converted_to_one_that_the_encoder_takes(
    tmp_path, layout, name, codec, stored
):
    sound = f"anullsrc=channel_layout={layout}:sample_rate=48000:duration=0.4"
    path = numbered_clip(tmp_path / "clip.mov", 10, *FAST, "-c:a", "pcm_s16le", sound=sound)
    source = open_clip(path)
    output = Output(path=tmp_path / name, codec=codec)
    (note,) = check_output(output.path, output, source)
    assert "pcm_s16le does not go into" in note
    pixels = (frame.pixels for frame in source.read(source.frames))
    write_video(output.path, pixels, output=output, source=source, selected=source.frames)
    with av.open(str(output.path)) as container:
        assert container.streams.audio[0].layout.name == stored


def test_sound_that_cannot_be_converted_is_told_before_the_start(tmp_path, clip):
    source = open_clip(clip)
    kept = carried(source, "mp4", audio=("adpcm_ms",))
    broken = replace(kept, sound=tuple(word.replace("7.1|", "none|") for word in kept.sound))
    with pytest.raises(OutputError, match="its sound cannot be kept"):
        try_sound(source.probe, broken, tmp_path / "out.mp4")


def test_the_cut_is_given_to_the_microsecond(clip):
    source = open_clip(clip, frames="5-9")
    inputs = carried(source, "mp4").inputs
    assert inputs[inputs.index("-ss") + 1] == f"{Fraction(5, 25) * 1_000_000}us"
    assert inputs[inputs.index("-t") + 1] == f"{Fraction(5, 25) * 1_000_000}us"


WORDS = """1
00:00:00,200 --> 00:00:00,600
gone before

2
00:00:01,200 --> 00:00:02,000
on the screen at the cut

3
00:00:02,100 --> 00:00:02,300
within

4
00:00:02,800 --> 00:00:09,000
on the screen at the end
"""


@pytest.fixture(scope="module", params=["in.mkv", "in.mp4"])
def told(request, tmp_path_factory):
    """Four seconds of one group of pictures, with sound and four lines of text."""
    folder = tmp_path_factory.mktemp("told")
    heard = numbered_clip(
        folder / "heard.mkv", 100, *FAST, "-g", "250", "-c:a", "aac", sound="sine=duration=4"
    )
    (folder / "words.srt").write_text(WORDS)
    text = ("-c:s", "mov_text") if request.param.endswith("mp4") else ()
    ffmpeg("-i", heard, "-i", folder / "words.srt", "-c", "copy", *text, folder / request.param)
    return folder / request.param


@pytest.mark.parametrize(
    ("name", "codec"), [("out.mkv", "h264"), ("out.mp4", "h264"), ("out.webm", "vp9")]
)
def test_subtitles_of_a_range_are_shown_with_the_pictures_they_belong_to(
    tmp_path, told, name, codec
):
    source = open_clip(told, frames="37-74")
    output = Output(path=tmp_path / name, codec=codec)
    pixels = (frame.pixels for frame in source.read(source.frames))
    write_video(output.path, pixels, output=output, source=source, selected=source.frames)
    with av.open(str(output.path)) as container:
        first = min(p.pts * p.time_base for p in container.demux(video=0) if p.size)
        assert abs(first) < 0.05
        assert abs(container.duration / 1e6 - 38 / 25) < 0.06
    shown = ffmpeg("-i", output.path, "-f", "srt", "-").decode()
    assert [line for line in shown.split("\n") if line and not line.isdigit()] == [
        *("00:00:00,000 --> 00:00:00,520", "on the screen at the cut"),
        *("00:00:00,620 --> 00:00:00,820", "within"),
        *("00:00:01,320 --> 00:00:01,520", "on the screen at the end"),
    ]


def test_pictures_that_text_before_the_cut_moves_are_noticed(tmp_path, told, monkeypatch):
    monkeypatch.setattr(streams, "_within", lambda _: "null")
    source = open_clip(told, frames="37-74")
    output = Output(path=tmp_path / "out.webm", codec="vp9")
    pixels = (frame.pixels for frame in source.read(source.frames))
    with pytest.raises(OutputError, match=r"read back, its first frame stands at 1\.\d+ s; .* 0 s"):
        write_video(output.path, pixels, output=output, source=source, selected=source.frames)


@pytest.mark.parametrize("name", ["in.avi", "in.flv"])
def test_a_range_that_begins_within_the_first_second_has_its_sound(tmp_path, name):
    path = numbered_clip(
        tmp_path / name, 25, *FAST, "-c:a", "mp3", "-ar", "44100", sound="sine=duration=1"
    )
    assert carried(open_clip(path, frames="5-15"), "mp4").sounds == 1
