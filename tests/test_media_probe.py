import re
from fractions import Fraction

import pytest
from media_clips import FAST, ffmpeg, number_of, numbered_clip
from PIL import Image

from render.errors import SourceError
from render.media.ffmpeg import DEMUXERS
from render.media.probe import probe
from render.media.source import open_source
from render.media.timeline import source_timeline
from render.media.timestamps import frame_rate
from render.spec.media import VideoInput

TONE = "sine=duration=1"


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    return numbered_clip(path, 30, *FAST, "-g", "10", "-c:a", "aac", sound=TONE)


def open_clip(path, **keys):
    return open_source(VideoInput(kind="video", path=str(path), **keys))


def refused(path, words):
    with pytest.raises(SourceError, match=words) as caught:
        probe(path)
    assert path.name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_a_folder_and_an_empty_file_are_refused(tmp_path):
    refused(tmp_path / "gone.mp4", "no such file")
    refused(tmp_path, "not a file")
    (tmp_path / "empty.mp4").touch()
    refused(tmp_path / "empty.mp4", "0 bytes")


def test_text_and_pictures_named_as_videos_are_refused(tmp_path):
    (tmp_path / "words.mp4").write_text("just words\n" * 50)
    refused(tmp_path / "words.mp4", "not a video that can be read")
    for form in ("png", "jpeg", "webp", "bmp", "tiff", "avif"):
        Image.new("RGB", (16, 16)).save(tmp_path / f"{form}.mp4", form)
        refused(tmp_path / f"{form}.mp4", "a picture, not a video")


def test_a_video_under_a_wrong_extension_is_read(tmp_path, clip):
    (tmp_path / "clip.avi").write_bytes(clip.read_bytes())
    assert len(probe(tmp_path / "clip.avi").pts) == 30


@pytest.mark.parametrize(
    "text",
    [
        "#EXTM3U\n#EXTINF:1,\n{clip}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile '{clip}'\n",
        "file '{clip}'\n",
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"></MPD>',
        "v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n",
        "\ufeff\n  #EXTM3U\n{clip}\n",
    ],
)
@pytest.mark.parametrize("suffix", [".mp4", ".m3u8", ".txt"])
def test_playlists_dressed_as_videos_are_refused(tmp_path, clip, text, suffix):
    path = tmp_path / f"list{suffix}"
    path.write_text(text.format(clip=clip))
    refused(path, "playlist")


def test_a_playlist_that_is_not_recognised_is_still_not_followed(tmp_path, clip):
    """Without the guard on demuxers, ffmpeg would open the clip through it."""
    path = tmp_path / "list.mp4"
    path.write_text(f"[General]\n#EXTM3U\nfile '{clip}'\n#EXTM3U\n{clip}\n")
    refused(path, "not a video")
    for name in ("concat", "hls", "dash", "image2", "lavfi", "sdp", "imf", "tee", "rtsp"):
        assert name not in DEMUXERS.split(",")


def test_a_file_without_video_is_refused(tmp_path, clip):
    sound = tmp_path / "sound.m4a"
    ffmpeg("-i", clip, "-map", "0:a", "-c", "copy", sound)
    refused(sound, r"no video in it \(there is: audio\)")


def test_a_cover_picture_is_no_video(tmp_path, clip):
    Image.new("RGB", (32, 32)).save(tmp_path / "cover.png")
    covered = tmp_path / "covered.mp4"
    ffmpeg(
        *("-i", tmp_path / "cover.png", "-i", clip, "-map", "0", "-map", "1", "-c", "copy"),
        *("-disposition:v:0", "attached_pic", covered),
    )
    facts = probe(covered)
    assert (facts.width, facts.height, len(facts.pts)) == (64, 48, 30)
    only = tmp_path / "only.m4a"
    ffmpeg(
        *("-i", tmp_path / "cover.png", "-i", clip, "-map", "0:v", "-map", "1:a", "-c", "copy"),
        *("-disposition:v:0", "attached_pic", "-f", "mp4", only),
    )
    refused(only, r"no video in it \(there is: a cover picture, audio\)")


def test_a_name_that_no_disk_can_have_is_refused(tmp_path):
    refused(tmp_path / ("long" * 70 + ".mp4"), "cannot be read: File name too long")


CUT = {
    "clip.mp4": ("-c", "copy"),
    "front.mp4": ("-c", "copy", "-movflags", "+faststart"),
    "clip.mkv": ("-c", "copy"),
    "clip.webm": ("-an", "-c:v", "libvpx-vp9", "-cpu-used", "8", "-deadline", "realtime"),
}


@pytest.fixture(scope="module", params=CUT)
def whole(request, tmp_path_factory, clip):
    """A whole file of each kind."""
    path = tmp_path_factory.mktemp("whole") / request.param
    ffmpeg("-i", clip, *CUT[request.param], path)
    return path


@pytest.mark.parametrize("share", [0.05, 0.5, 0.9])
def test_a_cut_off_file_is_refused_but_not_the_frames_that_it_has(tmp_path, whole, share):
    path = tmp_path / whole.name
    data = whole.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(
        SourceError, match=r"cut off|not a video that can be read|no frame"
    ) as caught:
        open_clip(path)
    there = re.search(r"input\.frames: (0-\d+) ", str(caught.value))
    if there is None:
        assert share == 0.05 or path.name == "clip.mp4"  # without an index nothing can be found
        return
    source = open_clip(path, frames=there[1])
    assert "cut off" in source.notes[0]
    numbers = [number_of(frame.pixels) for frame in source.read(source.frames)]
    assert numbers == list(source.frames)
    for beyond in ("0-", f"0-{len(numbers)}"):
        with pytest.raises(SourceError, match="cut off"):
            open_clip(path, frames=beyond)


def test_a_cut_off_film_has_sound_as_long_as_its_pictures(tmp_path, clip):
    path = tmp_path / "front.mp4"
    ffmpeg("-i", clip, "-c", "copy", "-movflags", "+faststart", path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * 0.8)])
    count = len(probe(path).pts)
    facts = open_clip(path, frames=f"0-{count - 1}").probe
    assert source_timeline(facts, range(count)).end == Fraction(count, 25)


def test_places_without_a_frame_in_an_avi_are_no_missing_frames(tmp_path):
    """Its sound begins before the pictures; ffmpeg fills the time with an empty place."""
    sound = ("-c:a", "libmp3lame")
    path = numbered_clip(tmp_path / "in.avi", 12, "-c:v", "mjpeg", *sound, sound=TONE)
    source = open_clip(path)
    assert [number_of(frame.pixels) for frame in source.read(source.frames)] == list(range(12))
    assert not source.probe.cut_off
    places = [int(tick) for tick in source.probe.pts]
    assert places == [0, *range(2, 13)]
    assert source.time(11) == Fraction(12, 25)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    with pytest.raises(SourceError, match=r"cut off|not a video"):
        open_clip(path)


@pytest.mark.parametrize("later", [-1, 0, 30])
def test_recordings_joined_end_to_end_are_refused_with_the_way_out(tmp_path, clip, later):
    ffmpeg("-i", clip, "-c", "copy", tmp_path / "one.ts")
    ffmpeg("-i", clip, "-c", "copy", "-output_ts_offset", later, tmp_path / "two.ts")
    joined = tmp_path / "joined.ts"
    joined.write_bytes((tmp_path / "one.ts").read_bytes() + (tmp_path / "two.ts").read_bytes())
    refused(joined, r"at about frame 30 its clock starts anew.*ffmpeg -i FILE -c copy NEW\.mkv")
    ffmpeg("-i", joined, "-c", "copy", tmp_path / "new.mkv")
    source = open_clip(tmp_path / "new.mkv")
    assert [number_of(frame.pixels) for frame in source.read(source.frames)] == [*range(30)] * 2


def test_streams_are_counted_by_kind(clip):
    facts = probe(clip)
    assert facts.audio == ("aac",)
    assert facts.subtitles == ()
    assert (facts.codec, facts.video_streams, facts.interlaced) == ("h264", 1, False)


def test_a_coarse_clock_does_not_change_the_rate():
    import numpy as np

    tick = Fraction(1, 1000)
    for exact in (Fraction(24000, 1001), Fraction(60000, 1001), Fraction(30), Fraction(2997, 100)):
        pts = np.array([round(k / exact / tick) for k in range(5000)], dtype=np.int64)
        assert frame_rate(pts, tick, [exact.limit_denominator(400)]) == (exact, True)
    pts[2500:] += 40
    assert not frame_rate(pts, tick, [exact])[1]


@pytest.mark.parametrize("quality", ["0", "20"])
def test_only_of_old_x264_decoding_444_begins_at_the_files_start(tmp_path, quality):
    groups = ("-g", "5", "-sc_threshold", "0")
    options = ("-c:v", "libx264", "-pix_fmt", "yuv444p", "-qp", quality, *groups)
    path = numbered_clip(tmp_path / "new.mp4", 30, *options)
    source = open_clip(path)
    assert len(source.probe.keys) == 6
    whole = list(source.read(source.frames))
    for frame in source.read(range(23, 30)):
        assert (frame.pixels == whole[frame.index].pixels).all()
    data = path.read_bytes()
    written = re.search(rb"x264 - core [0-9]+", data)[0]
    for version, keys in ((b"150", 0), (b"151", 6)):
        (tmp_path / "old.mp4").write_bytes(data.replace(written, b"x264 - core " + version))
        assert len(open_clip(tmp_path / "old.mp4").probe.keys) == keys
