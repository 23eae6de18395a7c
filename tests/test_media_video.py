from contextlib import closing
from fractions import Fraction

import av
import numpy as np
import pytest
from media_clips import FAST, ffmpeg, hurt_clip, number_of, numbered_clip

from render.errors import SourceError
from render.media.frames import FrameError
from render.media.source import open_source
from render.spec.media import Output, VideoInput

B_FRAMES = (*FAST, "-bf", "3", "-g", "8")
OPEN_GROUPS = (*FAST, "-bf", "3", "-x264-params", "open-gop=1:keyint=8:scenecut=0:b-pyramid=1")
VP9 = ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8")
COUNT = 40

CLIPS = {
    "b-frames.mp4": (B_FRAMES, "25"),
    "open-groups.mp4": (OPEN_GROUPS, "30000/1001"),
    "open-groups.ts": (OPEN_GROUPS, "25"),
    "rounded-clock.mkv": ((*FAST, "-g", "8"), "24000/1001"),
    "hidden-frames.webm": (
        (*VP9, "-g", "8", "-auto-alt-ref", "1", "-lag-in-frames", "8", "-b:v", "1M"),
        "25",
    ),
    "no-timestamps.avi": (B_FRAMES, "25"),
    "bare.h264": (B_FRAMES, "25"),
    "old.mpg": (("-c:v", "mpeg2video", "-q:v", "2", "-bf", "2", "-g", "8"), "25"),
    "ten-bit.mov": (("-c:v", "prores_ks"), "50"),
    "palette.gif": (("-f", "gif"), "20"),
}


def open_clip(path, size=None, height=None, **keys):
    output = Output(path="/nowhere", size=size, height=height)
    return open_source(VideoInput(kind="video", path=str(path), **keys), output)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return numbered_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", COUNT, *B_FRAMES)


@pytest.mark.parametrize("name", CLIPS)
def test_every_frame_has_its_number_wherever_reading_starts(tmp_path, name):
    options, rate = CLIPS[name]
    source = open_clip(numbered_clip(tmp_path / name, COUNT, *options, rate=rate))
    assert source.frames == range(COUNT)
    assert source.rate == Fraction(rate)
    whole = list(source.read(source.frames))
    assert [number_of(frame.pixels) for frame in whole] == list(range(COUNT))
    for first in (1, 17, 33, COUNT - 1):
        part = list(source.read(range(first, COUNT)[:3]))
        assert [frame.index for frame in part] == list(range(first, COUNT))[:3]
        for frame in part:
            assert np.array_equal(frame.pixels, whole[frame.index].pixels)


def test_a_clip_that_starts_late_keeps_its_frames(tmp_path, clip):
    late = tmp_path / "late.mp4"
    ffmpeg("-itsoffset", "3.7", "-i", clip, "-c", "copy", late)
    source = open_clip(late)
    assert [number_of(frame.pixels) for frame in source.read(range(30, 33))] == [30, 31, 32]


def test_a_recording_that_starts_between_key_frames_has_the_frames_that_decode(tmp_path, clip):
    cut = tmp_path / "cut.ts"
    ffmpeg("-i", clip, "-c", "copy", tmp_path / "whole.ts")
    data = (tmp_path / "whole.ts").read_bytes()
    cut.write_bytes(data[(len(data) // 3 // 188) * 188 :])
    source = open_clip(cut)
    numbers = [number_of(frame.pixels) for frame in source.read(source.frames)]
    assert 0 < len(numbers) < COUNT
    assert numbers == list(range(COUNT - len(numbers), COUNT))


@pytest.mark.parametrize("name", ["cut.ts", "cut.hevc.ts"])
def test_what_a_recording_lacks_before_its_first_frame_is_no_damage(tmp_path, caplog, name):
    h265 = ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "keyint=20:log-level=none")
    options = h265 if "hevc" in name else (*FAST, "-bf", "3", "-g", "20")
    whole = numbered_clip(tmp_path / "whole.ts", 80, *options)
    data = whole.read_bytes()
    with av.open(str(whole)) as container:
        places = [p.pos for p in container.demux(video=0) if p.size]
    (tmp_path / name).write_bytes(data[places[7] // 188 * 188 :])
    source = open_clip(tmp_path / name)
    assert len(source.frames) == 60
    for frames in (source.frames, range(30, 33), range(50, 60)):
        numbers = [number_of(frame.pixels) for frame in source.read(frames)]
        assert numbers == [20 + index for index in frames]
    assert caplog.messages == []


def test_strides_skip_frames(clip):
    source = open_clip(clip, frames="3-30x9")
    assert source.frames == range(3, 31, 9)
    assert [number_of(frame.pixels) for frame in source.read(source.frames)] == [3, 12, 21, 30]


def test_several_readers_may_be_open_at_once(clip):
    source = open_clip(clip)
    with closing(source.read(range(COUNT))) as one, closing(source.read(range(20, COUNT))) as two:
        pairs = [(next(one).index, next(two).index) for _ in range(5)]
    assert pairs == [(k, 20 + k) for k in range(5)]


def test_closing_a_reader_ends_its_process(clip, monkeypatch):
    import subprocess

    started = []

    class Kept(subprocess.Popen):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            started.append(self)

    source = open_clip(clip)
    monkeypatch.setattr(subprocess, "Popen", Kept)
    reader = source.read(source.frames)
    next(reader)
    assert [process.poll() for process in started] == [None]
    reader.close()
    assert all(process.returncode is not None for process in started)


def test_variable_rate_keeps_each_frames_own_time(tmp_path):
    path = numbered_clip(
        tmp_path / "vfr.mkv", 6, "-vf", "setpts='(N*N+N)/25/TB'", "-fps_mode", "passthrough", *FAST
    )
    source = open_clip(path)
    assert not source.probe.constant
    assert any("variable" in note for note in source.notes)
    for index in range(6):
        assert abs(source.time(index) - Fraction(index * index + index, 25)) < Fraction(1, 500)
    assert [number_of(frame.pixels) for frame in source.read(range(4, 6))] == [4, 5]


@pytest.mark.parametrize(("angle", "corner"), [(90, "bl"), (180, "br"), (270, "tr"), (0, "tl")])
def test_rotation_is_applied(tmp_path, angle, corner):
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:16, :16] = 255
    straight, turned = tmp_path / "straight.mp4", tmp_path / "turned.mp4"
    raw = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "64x48", "-i", "-")
    ffmpeg(*raw, *FAST, straight, feed=picture.tobytes())
    ffmpeg("-display_rotation", angle, "-i", straight, "-c", "copy", turned)
    source = open_clip(turned)
    size = (48, 64) if angle in (90, 270) else (64, 48)
    assert source.size(0) == size
    (frame,) = source.read(range(1))
    assert frame.pixels.shape == (size[1], size[0], 3)
    rows = slice(4, 12) if corner[0] == "t" else slice(-12, -4)
    columns = slice(4, 12) if corner[1] == "l" else slice(-12, -4)
    assert frame.pixels[rows, columns].min() > 240
    assert frame.pixels.mean() < 40


def test_pixels_are_made_square(tmp_path):
    path = numbered_clip(tmp_path / "wide.mp4", 1, "-vf", "setsar=3/2", *FAST)
    assert open_clip(path).size(0) == (96, 48)
    assert open_clip(path, size=48).size(0) == (48, 24)


@pytest.mark.parametrize("size", [(63, 47), (64, 47), (63, 48)])
def test_odd_sizes_are_read_as_they_are(tmp_path, size):
    path = numbered_clip(tmp_path / "odd.mkv", 2, "-c:v", "ffv1", "-pix_fmt", "gbrp", size=size)
    source = open_clip(path)
    assert source.size(0) == size
    assert [number_of(frame.pixels) for frame in source.read(range(2))] == [0, 1]
    odd = numbered_clip(tmp_path / "odd.mp4", 2, "-c:v", "mpeg4", "-q:v", "2", size=size)
    assert [frame.pixels.shape for frame in open_clip(odd).read(range(1))] == [(*size[::-1], 3)]


@pytest.mark.parametrize("pixels", ["yuv411p", "yuv410p"])
def test_colours_that_four_pixels_share_need_no_sides_that_four_divides(tmp_path, pixels):
    path = numbered_clip(tmp_path / "old.mkv", 2, "-c:v", "ffv1", "-pix_fmt", pixels, size=(62, 46))
    assert [number_of(frame.pixels) for frame in open_clip(path).read(range(2))] == [0, 1]


def test_frames_are_scaled_down_but_never_up(clip):
    assert open_clip(clip, size=32).size(0) == (32, 24)
    assert open_clip(clip, size=33).size(0) == (33, 25)
    assert open_clip(clip, size=4096).size(0) == (64, 48)
    assert open_clip(clip, size=64, height=24).size(0) == (32, 24)
    (frame,) = open_clip(clip, size=33).read(range(5, 6))
    assert frame.pixels.shape == (25, 33, 3)
    assert number_of(frame.pixels) == 5


def test_thumbnails_are_the_selected_frames_made_small(clip):
    small = list(open_clip(clip, frames="2-8x3").thumbnails(height=24))
    assert [number_of(pixels) for pixels in small] == [2, 5, 8]
    assert small[0].shape == (24, 32, 3)


def test_interlaced_video_is_said_and_made_whole_on_request(tmp_path):
    fields = [np.zeros((48, 64, 3), np.uint8) for _ in range(24)]
    for number, field in enumerate(fields):
        field[12:36, 2 * number : 2 * number + 12] = 235  # a bar that moves with every field
    path = tmp_path / "fields.mp4"
    ffmpeg(
        *("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "64x48", "-r", "50", "-i", "-"),
        *("-vf", "tinterlace=interleave_top,setfield=tff", *FAST, "-flags", "+ildct+ilme", "-g", 4),
        path,
        feed=b"".join(field.tobytes() for field in fields),
    )
    combed = open_clip(path)
    assert any("interlaced" in note for note in combed.notes)
    whole = open_clip(path, deinterlace=True)
    assert not any("interlaced" in note for note in whole.notes)
    torn, smooth = list(combed.read(combed.frames)), list(whole.read(whole.frames))
    assert len(smooth) == 12

    def off(frame):
        return np.abs(frame.pixels.astype(int) - fields[2 * frame.index]).mean()

    assert max(off(frame) for frame in smooth) < min(off(frame) for frame in torn) / 2
    for first in (1, 7, 11):  # pixels do not depend on where reading starts
        (again,) = whole.read(range(first, first + 1))
        assert np.array_equal(again.pixels, smooth[first].pixels)


def test_a_range_outside_the_clip_is_refused(clip):
    with pytest.raises(SourceError, match=r"clip\.mp4.*frames are 0-39"):
        open_clip(clip, frames="0-40")


def test_the_fingerprint_follows_the_bytes_and_not_the_date(tmp_path, clip):
    import os

    copy = tmp_path / "copy.mp4"
    copy.write_bytes(clip.read_bytes())
    os.utime(copy, (1, 1))
    assert open_clip(copy).fingerprint() == open_clip(clip).fingerprint()
    copy.write_bytes(clip.read_bytes() + b"\0" * 8)
    assert open_clip(copy).fingerprint() != open_clip(clip).fingerprint()


def test_a_frame_that_does_not_decode_is_named_and_the_rest_goes_on(tmp_path, caplog):
    source = open_clip(hurt_clip(tmp_path / "hurt.mkv", 7, "-c:v", "ffv1", "-g", "1"))
    seen = []
    with pytest.raises(FrameError, match=r"hurt\.mkv frame 7: .*damaged there") as caught:
        seen.extend(number_of(frame.pixels) for frame in source.read(source.frames))
    assert caught.value.frame == 7
    assert seen == list(range(7))
    assert [number_of(frame.pixels) for frame in source.read(range(8, 20))] == list(range(8, 20))
    assert "hurt.mkv frame 7 is damaged" in caplog.text
    assert len(list(source.thumbnails())) == 20


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("hurt.mp4", (*FAST, "-g", "5")),
        ("hurt.avi", ("-c:v", "mpeg4", "-g", "5")),
    ],
)
def test_damage_that_the_decoder_conceals_is_told_with_the_frame(tmp_path, caplog, name, options):
    source = open_clip(hurt_clip(tmp_path / name, 12, *options))
    assert len(list(source.read(source.frames))) == 20
    said = [record.message for record in caplog.records]
    assert [text.partition(" is damaged: ")[0] for text in said] == [f"{name} frame 12"]


def test_the_stream_that_the_job_names_is_read(tmp_path, clip):
    other = numbered_clip(tmp_path / "other.mp4", 5, *FAST, size=(32, 32))
    both = tmp_path / "both.mkv"
    ffmpeg(
        *("-i", clip, "-i", other, "-map", "0", "-map", "1", "-c", "copy"),
        *("-disposition:v:0", "0", "-disposition:v:1", "default", both),
    )
    assert open_clip(both).size(0) == (32, 32)
    assert open_clip(both, stream=0).size(0) == (64, 48)
    assert any("2 video streams" in note for note in open_clip(both).notes)
    with pytest.raises(SourceError, match=r"video stream 2 .* 0-1"):
        open_clip(both, stream=2)
