import subprocess

import numpy as np
import pytest
from media_clips import ffmpeg

from render.errors import SourceError
from render.media.encode import write_video
from render.media.ffmpeg import executable
from render.media.source import open_source
from render.spec.media import Output, VideoInput

PATCH = 32
BARS = np.array(
    [
        *([255, 255, 255], [191, 191, 0], [0, 191, 191], [0, 191, 0]),
        *([191, 0, 191], [191, 0, 0], [0, 0, 191], [0, 0, 0]),
        *([128, 128, 128], [255, 0, 0], [0, 255, 0], [0, 0, 255]),
        *([16, 16, 16], [235, 200, 170], [90, 60, 40], [30, 90, 160]),
    ],
    np.uint8,
)
# ITU-T H.273: luminance weights of red and blue.
WEIGHTS = {"bt709": (0.2126, 0.0722), "smpte170m": (0.299, 0.114), "bt2020nc": (0.2627, 0.0593)}


def bars():
    """4×4 flat patches."""
    return np.kron(BARS.reshape(4, 4, 3), np.ones((PATCH, PATCH, 1), np.uint8))


def patches(pixels):
    """Mean colour of the inside of each patch."""
    grid = pixels.reshape(4, PATCH, 4, PATCH, 3)[:, 8:-8, :, 8:-8].astype(float)
    return grid.mean(axis=(1, 3)).reshape(-1, 3)


def planes(picture, matrix, full, depth):
    """Planar 4:4:4 YCbCr by the formulas of ITU-R BT.709 and BT.2020, in `depth` bits."""
    red, blue = WEIGHTS[matrix]
    rgb = picture.astype(float) / 255
    luma = rgb @ [red, 1 - red - blue, blue]
    chroma = [(rgb[..., 2] - luma) / (2 - 2 * blue), (rgb[..., 0] - luma) / (2 - 2 * red)]
    scale = 2 ** (depth - 8)
    if full:
        top = 2**depth - 1
        levels = [luma * top, *(c * top + 128 * scale for c in chroma)]
    else:
        levels = [(16 + 219 * luma) * scale, *((128 + 224 * c) * scale for c in chroma)]
    kind = np.uint8 if depth == 8 else np.uint16
    limit = 2**depth - 1
    return np.stack([np.clip(np.round(x), 0, limit) for x in levels]).astype(kind).tobytes()


def coded(path, matrix, full, depth, *options, tags=()):
    stored = "yuv444p" if depth == 8 else f"yuv444p{depth}le"
    side = 4 * PATCH
    tagged = ":".join(["setparams=range=" + ("pc" if full else "tv"), *tags])
    ffmpeg(
        *("-f", "rawvideo", "-pix_fmt", stored, "-s", f"{side}x{side}", "-r", "25", "-i", "-"),
        *("-vf", tagged, "-c:v", "libx264", "-preset", "ultrafast", "-qp", "0", *options, path),
        feed=planes(bars(), matrix, full, depth) * 3,
    )
    return path


def open_clip(path, **keys):
    return open_source(VideoInput(kind="video", path=str(path), **keys))


def first_of(source):
    (frame,) = source.read(range(1))
    return frame.pixels


@pytest.mark.parametrize("matrix", ["bt709", "smpte170m"])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("depth", [8, 10])
@pytest.mark.parametrize("stored", ["yuv420p", "yuv444p"])
def test_tagged_colours_are_read_within_two_levels(tmp_path, matrix, full, depth, stored):
    stored += "10le" if depth == 10 else ""
    path = coded(
        tmp_path / "in.mkv", matrix, full, depth, "-pix_fmt", stored, tags=(f"colorspace={matrix}",)
    )
    assert np.abs(patches(first_of(open_clip(path))) - BARS).max() <= 2


def test_untagged_small_video_is_bt601_by_custom(tmp_path):
    path = coded(tmp_path / "in.mkv", "smpte170m", False, 8)
    assert np.abs(patches(first_of(open_clip(path))) - BARS).max() <= 2


def test_untagged_large_video_is_bt709_by_custom(tmp_path):
    path = tmp_path / "large.mkv"
    raw = planes(np.full((32, 1280, 3), (200, 40, 90), np.uint8), "bt709", full=False, depth=8)
    ffmpeg(
        *("-f", "rawvideo", "-pix_fmt", "yuv444p", "-s", "1280x32", "-i", "-"),
        *("-c:v", "ffv1", path),
        feed=raw,
    )
    assert np.abs(first_of(open_clip(path)).astype(int) - (200, 40, 90)).max() <= 2


def test_wide_bt2020_colours_become_srgb(tmp_path):
    tags = ("colorspace=bt2020nc", "color_primaries=bt2020", "color_trc=bt2020-10")
    path = coded(tmp_path / "in.mkv", "bt2020nc", False, 10, tags=tags)
    found = patches(first_of(open_clip(path)))
    greys = [0, 7, 8, 12]
    assert np.abs(found[greys] - BARS[greys]).max() <= 2
    # ITU-R BT.2087: the linear matrix from BT.2020 to BT.709 primaries, on a muted skin tone.
    to_709 = np.array(
        [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]]
    )

    def linear(level):
        level = level / 255
        return np.where(level < 0.081, level / 4.5, ((level + 0.099) / 1.099) ** (1 / 0.45))

    def curved(light):
        light = np.clip(light, 0, 1)
        return 255 * np.where(light < 0.018, 4.5 * light, 1.099 * light**0.45 - 0.099)

    for muted in (13, 14):
        expected = curved(to_709 @ linear(BARS[muted].astype(float)))
        assert np.abs(found[muted] - expected).max() <= 3


def test_grey_and_rgb_video_are_read(tmp_path):
    side = 4 * PATCH
    raw = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{side}x{side}", "-i", "-")
    ffmpeg(*raw, "-c:v", "ffv1", "-pix_fmt", "gbrp", tmp_path / "rgb.mkv", feed=bars().tobytes())
    assert np.array_equal(first_of(open_clip(tmp_path / "rgb.mkv")), bars())
    for stored in ("gray", "gray10le"):
        grey = bars()[..., :1].repeat(3, axis=-1)
        path = tmp_path / f"{stored}.mkv"
        ffmpeg(*raw, "-c:v", "ffv1", "-pix_fmt", stored, path, feed=grey.tobytes())
        assert np.abs(first_of(open_clip(path)).astype(int) - grey).max() <= 2


@pytest.mark.parametrize("codec", ["h264", "h265", "av1", "vp9", "prores"])
def test_written_video_is_bt709_and_says_so(tmp_path, codec):
    """Bars through the writer, read back by ffmpeg's own conversion and by ours."""
    suffix = {"vp9": ".webm", "prores": ".mov"}.get(codec, ".mp4")
    path = coded(tmp_path / "in.mkv", "bt709", False, 8, tags=("colorspace=bt709",))
    source, out = open_clip(path), tmp_path / f"out{suffix}"
    write_video(
        out,
        iter([bars()] * 3),
        output=Output(path=out, codec=codec, crf=None if codec == "prores" else 4),
        source=source,
        selected=range(3),
    )
    said = subprocess.run([executable(), "-i", out], capture_output=True, text=True, check=False)
    assert "tv, bt709" in said.stderr
    assert "bt709/bt709/bt709" in said.stderr or "tv, bt709, progressive" in said.stderr
    back = open_clip(out)
    assert (back.probe.colour.matrix, back.probe.colour.full) == ("709", False)
    assert np.abs(patches(first_of(back)) - BARS).max() <= 2
    flags = "scale=flags=accurate_rnd+full_chroma_int+full_chroma_inp"
    theirs = ffmpeg(
        *("-i", out, "-frames:v", 1, "-vf", flags, "-pix_fmt", "rgb24", "-f", "rawvideo", "-")
    )
    side = 4 * PATCH
    theirs = np.frombuffer(theirs, np.uint8).reshape(side, side, 3)
    assert np.abs(patches(theirs) - BARS).max() <= 2


@pytest.mark.parametrize("transfer", ["smpte2084", "arib-std-b67"])
def test_hdr_is_refused_or_mapped(tmp_path, transfer):
    tags = ("colorspace=bt2020nc", "color_primaries=bt2020", f"color_trc={transfer}")
    path = coded(tmp_path / "hdr.mkv", "bt2020nc", False, 10, tags=tags)
    with pytest.raises(SourceError, match=r"hdr\.mkv: HDR.*tonemap"):
        open_clip(path)
    source = open_clip(path, hdr="tonemap")
    assert any("HDR" in note for note in source.notes)
    mapped = patches(first_of(source))
    white, grey, black = mapped[0], mapped[8], mapped[7]
    assert black.max() < 8
    assert black.mean() < grey.mean() < white.mean()
    assert np.ptp(white) <= 2
