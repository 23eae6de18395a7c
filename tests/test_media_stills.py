import io
import multiprocessing
import struct
import warnings

import imageio.v3 as iio
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from media_stills import chunk, picture, png, saved
from PIL import Image, ImageCms
from PIL.ExifTags import IFD, Base
from PIL.PngImagePlugin import PngImageFile

from render.errors import OutputError, SourceError
from render.media.profiles import SRGB_PROFILE
from render.media.stills import (
    EXTENSIONS,
    decode_png,
    encode_png,
    encode_still,
    read_still,
    resize_still,
    still_size,
)

LOSSLESS = ("png", "tiff", "bmp")


def nearly(one, other, levels):
    return np.abs(one.astype(int) - other.astype(int)).mean() <= levels


@pytest.mark.parametrize("form", EXTENSIONS)
def test_what_is_written_is_read_again(tmp_path, form):
    path = tmp_path / f"a{EXTENSIONS[form]}"
    path.write_bytes(encode_still(picture(), None, form))
    still = read_still(path)
    assert still.format == form
    assert still.alpha is None
    assert nearly(still.pixels, picture(), 0 if form in LOSSLESS else 1.5)


@pytest.mark.parametrize("form", ["png", "webp", "tiff", "avif"])
def test_alpha_is_kept(tmp_path, form):
    alpha = np.linspace(0, 255, 40 * 60).reshape(40, 60).astype(np.uint8)
    path = tmp_path / f"a{EXTENSIONS[form]}"
    path.write_bytes(encode_still(picture(), alpha, form))
    assert nearly(read_still(path).alpha, alpha, 0 if form in LOSSLESS else 1)


@pytest.mark.parametrize("form", ["jpeg", "bmp"])
def test_clear_parts_become_white_where_a_format_has_no_alpha(tmp_path, form):
    alpha = np.zeros((40, 60), np.uint8)
    alpha[:, :30] = 255
    path = tmp_path / f"a{EXTENSIONS[form]}"
    path.write_bytes(encode_still(picture(), alpha, form))
    still = read_still(path)
    assert still.alpha is None
    assert still.pixels[:, 40:].min() > 250
    assert nearly(still.pixels[:, :25], picture()[:, :25], 1.5)


@pytest.mark.parametrize("form", ["png", "jpeg", "webp", "tiff", "avif"])
def test_written_pictures_say_that_they_are_srgb(form):
    with Image.open(io.BytesIO(encode_still(picture(), None, form))) as image:
        assert image.info["icc_profile"] == SRGB_PROFILE


def odd_exif(tag, kind, value):
    """An EXIF block of one tag of a type (EXIF 2.3, 4.6.2) that it should not have."""
    head = b"Exif\0\0" + struct.pack("<2sHIH", b"II", 42, 8, 1)
    return head + struct.pack("<HHI4sI", tag, kind, len(value) if kind == 2 else 1, value, 0)


@pytest.mark.parametrize(
    "exif",
    [
        odd_exif(Base.XResolution, 2, b"72\0\0"),
        odd_exif(Base.Software, 5, struct.pack("<I", 26)) + struct.pack("<II", 9, 2),
    ],
    ids=["text for a resolution", "a fraction for software"],
)
def test_a_picture_whose_exif_is_odd_is_read_and_named(tmp_path, caplog, exif):
    still = read_still(saved(tmp_path / "odd.jpg", Image.fromarray(picture()), exif=exif))
    assert still.pixels.shape == (40, 60, 3)
    assert still.exif == b""
    assert "odd.jpg: its EXIF block cannot be kept" in caplog.text


@pytest.mark.parametrize(("kind", "value"), [(3, b"\x09\0\0\0"), (3, b"\0\6\0\0"), (2, b"6\0\0\0")])
def test_an_orientation_that_is_none_turns_nothing(tmp_path, kind, value):
    exif = odd_exif(Base.Orientation, kind, value)
    path = saved(tmp_path / "a.jpg", Image.fromarray(picture()), exif=exif)
    assert still_size(path) == (60, 40)
    assert read_still(path).pixels.shape == (40, 60, 3)


def test_an_avif_without_a_picture_is_refused_by_name(tmp_path):
    data = encode_still(picture(), None, "avif").replace(b"pitm", b"free")
    (tmp_path / "none.avif").write_bytes(data)
    for read in (read_still, still_size):
        with pytest.raises(SourceError, match=r"none\.avif: the picture cannot be read"):
            read(tmp_path / "none.avif")


TURNED = Image.Exif()


TURNED[Base.Orientation] = 6


XMP = b"XML:com.adobe.xmp\0\0\0\0\0" + b'<x tiff:Orientation="6"/>'


@pytest.mark.parametrize(
    "said", [chunk(b"eXIf", TURNED.tobytes().removeprefix(b"Exif\0\0")), chunk(b"iTXt", XMP)]
)
def test_a_png_may_say_its_orientation_before_its_pixels_or_behind(tmp_path, said):
    rows = [bytes(30)] * 4
    for name, data in (("a", png(rows, 8, 2, said)), ("b", png(rows, 8, 2, behind=said))):
        (tmp_path / name).write_bytes(data)
        assert still_size(tmp_path / name) == (4, 10)
        assert read_still(tmp_path / name).pixels.shape == (10, 4, 3)


def test_the_size_of_a_png_is_read_without_its_pixels(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    path.write_bytes(png([bytes(30)] * 4, 8, 2, behind=chunk(b"tEXt", b"date:create\0today")))
    monkeypatch.setattr(PngImageFile, "load", lambda _: pytest.fail("decoded"))
    assert still_size(path) == (10, 4)


def avif(primaries, transfer):
    """An AVIF whose box `colr` has these code points in the place of a profile."""
    buffer = io.BytesIO()
    Image.fromarray(picture()).save(buffer, "AVIF")
    head, found, tail = buffer.getvalue().partition(b"colrnclx")
    return head + found + struct.pack(">HH", primaries, transfer) + tail[4:]


@pytest.mark.parametrize("form", ["png", "avif"])
def test_hdr_is_refused_and_wide_colours_are_told_of(tmp_path, caplog, form):
    def make(primaries, transfer):
        data = avif(primaries, transfer)
        if form == "png":
            points = chunk(b"cICP", bytes([primaries, transfer, 0, 1]))
            data = png([bytes(30)] * 4, 8, 2, points)
        (tmp_path / f"a.{form}").write_bytes(data)
        return tmp_path / f"a.{form}"

    for transfer, kind in ((16, "smpte2084"), (18, "arib-std-b67")):
        with pytest.raises(SourceError, match=rf"a\.{form}: .*HDR \({kind}\); save it as SDR"):
            read_still(make(9, transfer))
    read_still(make(1, 13))
    assert not caplog.records
    read_still(make(12, 13))
    assert f"a.{form}: its colours are of smpte432 primaries" in caplog.text


def test_the_content_decides_and_not_the_name(tmp_path):
    path = saved(tmp_path / "photo.jpg", Image.fromarray(picture()), format="PNG")
    assert read_still(path).format == "png"
    assert np.array_equal(read_still(path).pixels, picture())


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_and_forgotten(tmp_path, orientation, name):
    turn = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: np.rot90(a, 1),
        7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
        8: lambda a: np.rot90(a, -1),
    }[orientation]
    exif = Image.Exif()
    exif[Base.Orientation] = orientation
    stored = Image.fromarray(np.ascontiguousarray(turn(picture())))
    path = saved(tmp_path / name, stored, exif=exif)
    assert still_size(path) == (60, 40)
    still = read_still(path)
    assert np.array_equal(still.pixels, picture())
    kept = Image.Exif()
    kept.load(still.exif)
    assert Base.Orientation not in kept


@pytest.mark.parametrize("form", ["jpeg", "webp", "png", "tiff"])
@pytest.mark.parametrize("given", ["jpeg", "tiff"])
def test_exif_comes_along(tmp_path, given, form):
    exif = Image.Exif()
    exif[Base.Make] = "Maker"
    exif[Base.Orientation] = 6
    exif.get_ifd(IFD.Exif)[Base.ExposureTime] = 0.25
    exif.get_ifd(IFD.Exif)[Base.ColorSpace] = 65535  # none that it has a number for
    (tmp_path / "a").write_bytes(encode_still(picture(), None, given, exif=exif.tobytes()))
    still = read_still(tmp_path / "a")
    data = encode_still(still.pixels, None, form, exif=still.exif)
    with Image.open(io.BytesIO(data)) as image:
        found = image.getexif()
        assert found[Base.Make] == "Maker"
        assert found.get(Base.Orientation, 1) == 1
        assert found.get_ifd(IFD.Exif)[Base.ExposureTime] == 0.25
        assert Base.ColorSpace not in found.get_ifd(IFD.Exif)
        assert image.size == (still.pixels.shape[1], still.pixels.shape[0])


def long_exif(length):
    """An EXIF block of so many bytes, all told."""
    exif = Image.Exif()
    exif[Base.ImageDescription] = "x" * 100
    exif[Base.ImageDescription] = "x" * (100 + length - len(exif.tobytes()))
    assert len(exif.tobytes()) == length
    return exif.tobytes()


def test_exif_that_a_jpeg_cannot_hold_is_left_out_and_named(caplog):
    for length, kept in ((65532, True), (65534, False)):
        data = encode_still(picture(), None, "jpeg", exif=long_exif(length), name="a.jpg")
        with Image.open(io.BytesIO(data)) as image:
            assert (Base.ImageDescription in image.getexif()) == kept
            assert image.size == (60, 40)
    assert caplog.messages == [
        "a.jpg: its EXIF block of 65534 bytes is left out; a JPEG holds 65533 at most"
    ]
    data = encode_still(picture(), None, "webp", exif=long_exif(65534))
    with Image.open(io.BytesIO(data)) as image:
        assert Base.ImageDescription in image.getexif()


@pytest.mark.parametrize(("form", "side"), [("jpeg", 65501), ("webp", 16384), ("avif", 65537)])
def test_a_picture_that_a_format_cannot_hold_is_an_error_that_names_it(form, side):
    wide = np.zeros((1, side, 3), np.uint8)
    with pytest.raises(OutputError, match=rf"^wide: {side}×1 pixels cannot be written as {form}: "):
        encode_still(wide, None, form, name="wide")


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr"])
def test_every_mode_becomes_rgb(tmp_path, mode):
    image = Image.fromarray(np.full((8, 8, 3), (255, 255, 255), np.uint8)).convert(mode)
    still = read_still(saved(tmp_path / "a.tif", image))
    assert still.pixels.shape == (8, 8, 3)
    assert still.pixels.min() >= 254
    assert (still.alpha is not None) == (mode in ("LA", "RGBA"))


def test_palette_transparency_is_alpha(tmp_path):
    image = Image.fromarray((np.arange(64).reshape(8, 8) % 4).astype(np.uint8)).convert("P")
    path = saved(tmp_path / "a.png", image, transparency=2)
    still = read_still(path)
    assert set(np.unique(still.alpha)) == {0, 255}


def linear_profile():
    """sRGB with linear curves: each tag `?TRC` made a curve without points (ICC.1:2010, 10.5)."""
    data = bytearray(SRGB_PROFILE)
    (count,) = struct.unpack(">I", data[128:132])
    for at in range(132, 132 + 12 * count, 12):
        tag, offset, _ = struct.unpack(">4sII", data[at : at + 12])
        if tag.endswith(b"TRC"):
            data[offset : offset + 12] = b"curv" + bytes(8)
    return bytes(data)


def test_a_profile_is_converted_to_srgb(tmp_path):
    """The same light in a profile with a linear curve is stored much darker."""
    stored = Image.new("RGB", (8, 8), (55, 0, 255))
    path = saved(tmp_path / "a.png", stored, icc_profile=linear_profile())
    # IEC 61966-2-1: 55/255 of the light is sRGB 128.
    assert np.abs(read_still(path).pixels.astype(int) - (128, 0, 255)).max() <= 2


def test_lab_is_converted_to_srgb(tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    lab = Image.new("LAB", (8, 8), (128, 128, 128))
    path = saved(tmp_path / "a.tif", lab, icc_profile=profile.tobytes())
    # CIE L* = 50.2 is sRGB 119.
    assert np.abs(read_still(path).pixels.astype(int) - 119).max() <= 2


def test_an_srgb_profile_changes_nothing(tmp_path):
    path = saved(tmp_path / "a.png", Image.fromarray(picture()), icc_profile=SRGB_PROFILE)
    assert np.array_equal(read_still(path).pixels, picture())


def test_a_broken_profile_is_left_aside_and_said(tmp_path, caplog):
    path = saved(tmp_path / "odd.png", Image.fromarray(picture()), icc_profile=b"nonsense")
    assert np.array_equal(read_still(path).pixels, picture())
    assert "odd.png: its colour profile cannot be used" in caplog.text


def test_a_picture_over_the_limit_is_refused(tmp_path, monkeypatch):
    path = saved(tmp_path / "big.png", Image.fromarray(picture()))
    for limit in (2000, 1000):
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        with pytest.raises(SourceError, match=rf"big\.png: over the limit of {limit} pixels"):
            read_still(path)


@pytest.mark.parametrize("form", ["png", "jpeg", "webp", "tiff", "avif", "bmp"])
def test_a_cut_off_picture_is_refused(tmp_path, form):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    data = encode_still(noise, None, form)
    path = tmp_path / f"half{EXTENSIONS[form]}"
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(SourceError, match=r"half\."):
        read_still(path)


@pytest.mark.parametrize(
    ("content", "words"), [(None, "no such file"), (b"", "empty"), (b"plain text", "not a picture")]
)
def test_what_is_no_picture_is_refused(tmp_path, content, words):
    path = tmp_path / "a.png"
    if content is not None:
        path.write_bytes(content)
    for read in (read_still, still_size):
        with pytest.raises(SourceError, match=words):
            read(path)


def test_a_picture_with_its_own_ideas_of_format_is_refused():
    with pytest.raises(OutputError, match="gif"):
        encode_still(picture(), None, "gif")


@settings(max_examples=40, deadline=None)
@given(
    hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=40)).flatmap(
        lambda grid: st.tuples(
            st.just(np.dstack([grid, grid ^ 85, grid // 2])), st.one_of(st.none(), st.just(grid))
        )
    )
)
def test_png_frames_come_back_bit_for_bit(given_pair):
    pixels, alpha = given_pair
    still = decode_png(encode_png(pixels, alpha))
    assert np.array_equal(still.pixels, pixels)
    assert (still.alpha is None) == (alpha is None)
    if alpha is not None:
        assert np.array_equal(still.alpha, alpha)
    assert encode_png(pixels, alpha) == encode_png(pixels.copy(), alpha)


def test_png_bytes_are_the_same_in_every_process():
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(encode_png, (picture(),)) == encode_png(picture())


def test_a_broken_png_frame_is_an_error():
    data = encode_png(picture())
    for broken in (b"", data[:-30], data[:200] + bytes(20) + data[220:]):
        with pytest.raises(SourceError, match="PNG frame"):
            decode_png(broken)


def test_scaling_down_keeps_flat_colour_and_never_scales_up(tmp_path):
    path = saved(tmp_path / "a.png", Image.new("RGB", (100, 50), (10, 200, 30)))
    still = read_still(path)
    small = resize_still(still, 40)
    assert small.pixels.shape == (20, 40, 3)
    assert np.array_equal(np.unique(small.pixels.reshape(-1, 3), axis=0), [[10, 200, 30]])
    assert resize_still(still, 40, 10).pixels.shape == (10, 20, 3)
    assert resize_still(still, 1000) is still


def test_clear_colours_do_not_bleed_when_scaled(tmp_path):
    whole = np.zeros((64, 64, 4), np.uint8)
    whole[:, :33] = (255, 0, 0, 255)
    whole[:, 33:] = (0, 255, 0, 0)
    small = resize_still(read_still(saved(tmp_path / "a.png", Image.fromarray(whole))), 16)
    solid = small.alpha > 16
    assert small.pixels[solid][:, 1].max() == 0
    assert small.pixels[solid][:, 0].min() >= 250


def test_reading_warns_of_nothing(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        iio.imwrite(tmp_path / "a.webp", picture())
        read_still(tmp_path / "a.webp")
