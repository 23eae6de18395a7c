import logging
import re
from fractions import Fraction

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from media_clips import FAST, ffmpeg, number_of, numbered, numbered_clip, psnr

from render.errors import OutputError, SourceError
from render.media.encode import check_output, write_video
from render.media.source import open_source
from render.media.stills import encode_png
from render.media.timeline import constant_timeline, source_timeline
from render.media.writer import begun
from render.spec.media import Output, VideoInput

AAC = ("-c:a", "aac", "-b:a", "64k")
TONE = "sine=frequency=440:sample_rate=48000:duration=2"


def open_clip(path, **keys):
    return open_source(VideoInput(kind="video", path=str(path), **keys))


def repaint_nothing(source, path, **keys):
    """Send every selected frame through and write them; the opened result."""
    output = Output(path=path, **keys)
    pixels = (frame.pixels for frame in source.read(source.frames))
    count = write_video(path, pixels, output=output, source=source, selected=source.frames)
    assert count == len(source.frames)
    return open_clip(path)


def seconds_of_sound(path, track=0):
    with av.open(str(path)) as container:
        stream = container.streams.audio[track]
        ends = [(p.pts + p.duration) * stream.time_base for p in container.demux(stream) if p.size]
    return float(max(ends))


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    return numbered_clip(path, 50, *FAST, "-bf", "3", "-g", "10", *AAC, sound=TONE)


@settings(max_examples=20)
@given(
    rate=st.fractions(min_value=Fraction(1), max_value=Fraction(240), max_denominator=1001),
    first=st.integers(0, 100_000),
    stride=st.integers(1, 7),
)
def test_no_rate_drifts_over_hours(rate, first, stride):
    selected = range(first, first + 400_000, stride)
    timeline = constant_timeline(rate, selected)
    for place in (0, 1, len(selected) // 2, len(selected) - 1):
        ideal = (selected[place] - first) / rate
        assert timeline.ticks[place] * timeline.tick == ideal


def test_an_hour_at_23976_ends_on_time(tmp_path):
    rate = Fraction(24000, 1001)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "1.png").write_bytes(encode_png(numbered(1, 16, 16)))
    source = open_clip(tmp_path / "in", rate="23.976")
    assert source.rate == rate
    hour = range(0, 86_313, 312)
    for name in ("hour.mp4", "hour.mkv"):
        path = tmp_path / name
        write_video(
            path,
            (numbered(place % 256, 16, 16) for place in range(len(hour))),
            output=Output(path=path),
            source=source,
            selected=hour,
        )
        with av.open(str(path)) as container:
            last = max(p.pts * p.time_base for p in container.demux(video=0) if p.size)
        assert abs(last - hour[-1] / rate) <= Fraction(1, 1000)


@pytest.mark.parametrize("text", ["10-29", "10-", "0-19", "5-45x4"])
def test_a_range_has_its_own_part_of_the_sound(tmp_path, clip, text):
    source = open_clip(clip, frames=text)
    out = tmp_path / "out.mp4"
    result = repaint_nothing(source, out)
    stride = source.frames.step
    assert result.rate == Fraction(25, stride)
    shown = [number_of(frame.pixels) for frame in result.read(result.frames)]
    assert shown == list(source.frames)
    length = min(50, source.frames[-1] + stride) - source.frames[0]
    assert abs(seconds_of_sound(out) - length / 25) < 0.04
    with av.open(str(out)) as container:
        assert abs(container.duration / 1e6 - length / 25) < 0.045


@pytest.mark.parametrize(("name", "codec"), [("in.mkv", "pcm_s16le"), ("in.ts", "mp2")])
def test_sound_stays_in_step_with_a_cut(tmp_path, name, codec):
    """A click at one second must be one second behind frame 0, and half behind frame 12."""
    click = "aevalsrc='if(between(t,1.0,1.01),1,0)':s=48000:d=2"
    clip = numbered_clip(tmp_path / name, 50, *FAST, "-g", "10", "-c:a", codec, sound=click)
    for text, expected in (("0-", 1.0), ("12-", 1.0 - 12 / 25)):
        out = tmp_path / "out.mkv"
        repaint_nothing(open_clip(clip, frames=text), out)
        raw = np.frombuffer(ffmpeg("-i", out, "-map", "0:a", "-f", "s16le", "-"), "<i2")
        assert abs(np.argmax(np.abs(raw) > 1000) / 48000 - expected) < 0.03


def test_sound_that_starts_before_the_picture_keeps_its_lead(tmp_path, clip):
    late = tmp_path / "late.mkv"
    ffmpeg(
        "-i",
        clip,
        "-itsoffset",
        "0.4",
        "-i",
        clip,
        "-map",
        "0:a",
        "-map",
        "1:v",
        "-c",
        "copy",
        late,
    )
    source = open_clip(late)
    lead = float(int(source.probe.pts[0]) * source.probe.track.time_base - source.probe.start)
    assert abs(lead - 0.4) < 0.03
    for name in ("out.mkv", "out.mp4"):
        result = repaint_nothing(source, tmp_path / name)
        facts = result.probe
        first = int(facts.pts[0]) * facts.track.time_base
        with av.open(str(tmp_path / name)) as container:
            sound = min(p.pts * p.time_base for p in container.demux(audio=0) if p.size)
        assert abs(float(first - max(sound, Fraction(0))) - lead) < 0.03
        assert result.rate == 25


def test_no_sound_in_none_out_and_nothing_said(tmp_path, caplog):
    source = open_clip(numbered_clip(tmp_path / "in.mp4", 3))
    with caplog.at_level(logging.INFO):
        result = repaint_nothing(source, tmp_path / "out.mp4")
    assert result.probe.audio == ()
    assert not caplog.records


def test_sound_can_be_left_out(tmp_path, clip):
    assert repaint_nothing(open_clip(clip), tmp_path / "out.mp4", audio="none").probe.audio == ()


def test_chapters_and_subtitles_end_with_the_pictures(tmp_path, clip):
    (tmp_path / "words.srt").write_text(
        "1\n00:00:00,900 --> 00:00:01,000\nHello\n\n2\n00:00:01,500 --> 00:00:01,900\nBye\n"
    )
    (tmp_path / "chapters.txt").write_text(
        ";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=900\ntitle=One\n"
        "[CHAPTER]\nTIMEBASE=1/1000\nSTART=900\nEND=1500\ntitle=Two\n"
        "[CHAPTER]\nTIMEBASE=1/1000\nSTART=1500\nEND=2000\ntitle=Three\n"
    )
    rich = tmp_path / "rich.mkv"
    ffmpeg(
        *("-i", clip, "-i", tmp_path / "words.srt", "-i", tmp_path / "chapters.txt"),
        *("-map", "0", "-map", "1", "-map_chapters", "2", "-c", "copy", rich),
    )
    for name in ("out.mkv", "out.mp4"):
        repaint_nothing(open_clip(rich, frames="20-29"), tmp_path / name)
        with av.open(str(tmp_path / name)) as container:
            assert [
                (chapter["metadata"]["title"], chapter["end"] * chapter["time_base"])
                for chapter in container.chapters()
            ] == [("One", Fraction(1, 10)), ("Two", Fraction(2, 5))]
            assert abs(container.duration / 1e6 - 0.4) < 0.05
            said = b"".join(bytes(packet) for packet in container.demux(subtitles=0))
            assert b"Hello" in said
            assert b"Bye" not in said


def test_sound_that_does_not_fit_is_converted_and_said(tmp_path):
    source = open_clip(
        numbered_clip(tmp_path / "in.mkv", 25, *FAST, "-c:a", "pcm_s16le", sound=TONE)
    )
    out = tmp_path / "out.mp4"
    (said,) = check_output(out, Output(path=out), source)
    assert "pcm_s16le" in said
    result = repaint_nothing(source, out)
    assert result.probe.audio == ("aac",)


def test_sound_that_cannot_be_kept_is_refused_before_any_work(tmp_path):
    rare = ("-c:a", "nellymoser", "-ar", "22050")
    source = open_clip(numbered_clip(tmp_path / "in.flv", 12, *FAST, *rare, sound=TONE))
    with pytest.raises(OutputError, match=r"out\.mkv: its sound cannot be kept: .*output\.audio"):
        check_output(tmp_path / "out.mkv", Output(path=tmp_path / "out.mkv"), source)
    for keys in ({"path": tmp_path / "out.mkv", "audio": "none"}, {"path": tmp_path / "out.mov"}):
        check_output(keys["path"], Output(**keys), source)


@pytest.mark.parametrize("size", [(63, 47), (64, 47), (63, 48)])
def test_odd_sizes_grow_by_a_repeated_line_and_lose_nothing(tmp_path, size):
    source = open_clip(
        numbered_clip(tmp_path / "in.mkv", 3, "-c:v", "ffv1", "-pix_fmt", "gbrp", size=size)
    )
    result = repaint_nothing(source, tmp_path / "out.mp4", crf=1)
    assert result.size(0) == (64, 48)
    for one, other in zip(source.read(range(3)), result.read(range(3)), strict=True):
        assert psnr(one.pixels, other.pixels[: size[1], : size[0]]) > 35


def test_finished_frames_are_enlarged_only_if_asked(tmp_path, clip):
    source = open_source(
        VideoInput(kind="video", path=str(clip), frames="0-2"), Output(path=tmp_path, size=32)
    )
    assert repaint_nothing(source, tmp_path / "small.mp4").size(0) == (32, 24)
    assert repaint_nothing(source, tmp_path / "large.mp4", enlarge=True).size(0) == (64, 48)


@pytest.mark.parametrize(("given", "words"), [(2, "2 frames came where 3"), (4, "more than the 3")])
def test_a_wrong_number_of_frames_leaves_no_file(tmp_path, clip, given, words):
    source = open_clip(clip, frames="0-2")
    out = tmp_path / "out.mp4"
    with pytest.raises(OutputError, match=words):
        write_video(
            out,
            (numbered(k) for k in range(given)),
            output=Output(path=out),
            source=source,
            selected=source.frames,
        )
    assert list(tmp_path.iterdir()) == []


def test_an_error_in_the_frames_leaves_the_old_file_as_it_was(tmp_path, clip):
    out = tmp_path / "out.mp4"
    out.write_bytes(b"the old one")
    source = open_clip(clip)

    def broken():
        yield numbered(0)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_video(out, broken(), output=Output(path=out), source=source, selected=source.frames)
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]
    assert out.read_bytes() == b"the old one"


def test_what_a_killed_run_left_is_swept_away(tmp_path, clip):
    out, other = tmp_path / "out.mp4", tmp_path / "other.mp4"
    for path in (out, other):
        (tmp_path / f"{begun(path)}.0123abcd.partial.mp4").write_bytes(b"half")
    repaint_nothing(open_clip(clip, frames="0-2"), out)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {f"{begun(other)}.0123abcd.partial.mp4", "out.mp4"}


def test_a_name_may_be_as_long_as_the_disk_allows(tmp_path, clip):
    source = open_clip(clip, frames="0-2")
    out = tmp_path / ("n" * 251 + ".mp4")
    repaint_nothing(source, out)
    assert [path.name for path in tmp_path.iterdir()] == [out.name]


@pytest.mark.parametrize(("rate", "frames"), [("120", "0-11x2"), ("250", "0-11x3")])
def test_more_frames_a_second_than_a_gif_shows_are_refused_before_any_work(tmp_path, rate, frames):
    path = numbered_clip(tmp_path / "in.mp4", 12, rate=rate)
    out = Output(path=tmp_path / "out.gif", codec="gif")
    with pytest.raises(OutputError, match=rf"out\.gif: .*input\.frames: {frames} takes fewer"):
        check_output(out.path, out, open_clip(path))
    fewer = open_clip(path, frames=frames)
    check_output(out.path, out, fewer)
    repaint_nothing(fewer, out.path, codec="gif")
    check_output(tmp_path / "out.mkv", Output(path=tmp_path / "out.mkv"), open_clip(path))


def test_a_gif_shows_a_hundred_frames_a_second(tmp_path):
    source = open_clip(numbered_clip(tmp_path / "in.mp4", 12, rate="100"))
    check_output(tmp_path / "out.gif", Output(path=tmp_path / "out.gif", codec="gif"), source)
    assert repaint_nothing(source, tmp_path / "out.gif", codec="gif").count == 12


def test_frames_of_two_sizes_are_refused(tmp_path, clip):
    source = open_clip(clip, frames="0-1")
    out = tmp_path / "out.mp4"
    with pytest.raises(OutputError, match="frame 1"):
        write_video(
            out,
            iter([numbered(0), numbered(1, 32, 32)]),
            output=Output(path=out),
            source=source,
            selected=source.frames,
        )


def test_a_failure_of_ffmpeg_is_told_in_its_words(tmp_path, clip):
    gone = tmp_path / "gone.mp4"
    gone.write_bytes(clip.read_bytes())
    source = open_clip(gone)

    def pixels():
        gone.unlink()
        yield from (numbered(index) for index in range(50))

    with pytest.raises(OutputError, match=r"No such file.*gone\.mp4"):
        write_video(
            tmp_path / "out.mp4",
            pixels(),
            output=Output(path=tmp_path / "out.mp4"),
            source=source,
            selected=source.frames,
        )
    with pytest.raises(SourceError, match=r"gone\.mp4: its sound cannot be read"):
        check_output(tmp_path / "out.mp4", Output(path=tmp_path / "out.mp4"), source)


def test_a_stride_shows_each_frame_longer(clip):
    facts = open_clip(clip).probe
    timeline = source_timeline(facts, range(4, 40, 3))
    assert timeline.rate == Fraction(25, 3)
    assert (timeline.begin, timeline.end) == (Fraction(4, 25), Fraction(40, 25))


def test_a_video_never_overwrites_its_input(tmp_path, clip):
    linked = tmp_path / "linked.mp4"
    linked.symlink_to(clip)
    for path in (clip, linked):
        with pytest.raises(OutputError, match="overwrite the input"):
            check_output(path, Output(path=path), open_clip(clip))


def test_nor_another_file_that_the_job_names(tmp_path, clip):
    numbered = Output(path=tmp_path / "masks", codec="frames")
    one = [("optimize.start", tmp_path / "out.mp4")]
    masks = [("style.regions.0.content", tmp_path / "masks" / "000003.png")]
    for output, named in ((Output(path=tmp_path / "out.mp4"), one), (numbered, masks)):
        key = re.escape(named[0][0])
        with pytest.raises(OutputError, match=rf"would overwrite an input \({key}\)"):
            check_output(output.path, output, open_clip(clip), named)
    beyond = [("style.regions.0.content", tmp_path / "masks" / "000099.png")]
    assert check_output(numbered.path, numbered, open_clip(clip), beyond) is not None


def test_an_output_that_could_not_take_its_name_is_refused_beforehand(tmp_path, clip):
    folder, file = tmp_path / "out.mp4", tmp_path / "frames"
    folder.mkdir()
    file.write_bytes(b"")
    with pytest.raises(OutputError, match="is a folder, not a video"):
        check_output(folder, Output(path=folder), open_clip(clip))
    with pytest.raises(OutputError, match="is no folder"):
        check_output(file, Output(path=file, codec="frames"), open_clip(clip))
