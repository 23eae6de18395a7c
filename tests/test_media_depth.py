"""Levels of any depth come out as 8 bits, rounded, and what stands for clear stays clear."""

import struct

import cv2
import numpy as np
import pytest
from media_stills import chunk, png, saved
from PIL import Image

from render.errors import SourceError
from render.media.stills import (
    read_still,
    still_size,
)


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_a_picture_with_numbers_that_are_none_is_refused(tmp_path, broken):
    levels = np.full((20, 30), 0.5, np.float32)
    path = saved(tmp_path / "float.tif", Image.fromarray(levels))
    assert (read_still(path).pixels == 128).all()
    levels[3, 4] = broken
    saved(path, Image.fromarray(levels))
    with pytest.raises(
        SourceError, match=r"float\.tif: .* 1 of its 600 pixels are no finite number"
    ):
        read_still(path)


@pytest.mark.parametrize(("depth", "row", "clear"), [(2, 0b00011011, 1), (4, 0x3F, 3)])
def test_a_grey_of_few_bits_that_stands_for_clear_is_alpha(tmp_path, depth, row, clear):
    path = tmp_path / "a.png"
    path.write_bytes(png([bytes([row])] * 3, depth, 0, chunk(b"tRNS", struct.pack(">H", clear))))
    levels = [row >> shift & 2**depth - 1 for shift in range(8 - depth, -1, -depth)]
    still = read_still(path)
    assert still.pixels[0, :, 0].tolist() == [level * 255 // (2**depth - 1) for level in levels]
    assert still.alpha[0].tolist() == [0 if level == clear else 255 for level in levels]


def test_white_may_be_the_smallest_of_deep_grey_levels(tmp_path):
    deep = np.full((8, 8, 1), 60000, np.uint16)
    for zero, level in ((0, round((65535 - 60000) / 257)), (1, round(60000 / 257))):
        (tmp_path / "a.tif").write_bytes(tiff(deep, t258=16, t262=zero))
        assert (read_still(tmp_path / "a.tif").pixels == level).all()


def test_twelve_bits_are_rounded_to_eight(tmp_path):
    levels = list(range(0, 4096, 64))
    bits = "".join(f"{level:012b}" for level in levels)
    packed = np.frombuffer(int(bits, 2).to_bytes(96, "big"), "<u2").reshape(8, 6, 1)
    (tmp_path / "a.tif").write_bytes(tiff(packed, t256=8, t258=12, t262=1))
    still = read_still(tmp_path / "a.tif")
    assert still.pixels[..., 0].ravel().tolist() == [round(level * 255 / 4095) for level in levels]


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_sixteen_bits_are_rounded_to_eight(tmp_path, name, channels):
    deep = np.random.default_rng(0).integers(0, 65536, (20, 30, channels)).astype(np.uint16)
    cv2.imwrite(str(tmp_path / name), deep if channels > 1 else deep[..., 0])
    still = read_still(tmp_path / name)
    expected = np.round(deep / 257).astype(np.uint8)
    if channels == 1:
        assert np.array_equal(still.pixels, expected.repeat(3, axis=-1))
    else:
        assert np.array_equal(still.pixels, expected[..., 2::-1])
    if channels == 4:
        assert np.array_equal(still.alpha, expected[..., 3])


def tiff(deep, *, pages=1, **changes):
    """A 16-bit TIFF of raw pixels as others write it (TIFF 6.0): tags by number in `changes`."""
    height, width, channels = deep.shape
    data = bytearray(b"II*\0\0\0\0\0")
    link = 4
    for _ in range(pages):
        pixels, bits = len(data), len(data) + deep.nbytes
        data += deep.astype("<u2").tobytes() + struct.pack(f"<{channels}H", *[16] * channels)
        tags = {256: width, 257: height, 258: bits, 259: 1, 262: 2, 273: pixels, 274: 1,
                277: channels, 278: height, 279: deep.nbytes, 284: 1}  # fmt: skip
        tags |= {int(tag[1:]): value for tag, value in changes.items()}
        data[link : link + 4] = struct.pack("<I", len(data))
        data += struct.pack("<H", len(tags))
        for tag, value in sorted(tags.items()):
            data += struct.pack("<HHII", tag, 3, channels if tag == 258 else 1, value)
        link = len(data)
        data += bytes(4)
    return bytes(data)


DEEP = np.random.default_rng(1).integers(0, 65536, (20, 30, 3)).astype(np.uint16)


@pytest.mark.parametrize(
    ("orientation", "turn"), [(3, lambda a: a[::-1, ::-1]), (6, lambda a: np.rot90(a, -1))]
)
def test_deep_tiffs_are_turned_upright_once(tmp_path, orientation, turn):
    path = tmp_path / "a.tif"
    path.write_bytes(tiff(DEEP, t274=orientation))
    pixels = read_still(path).pixels
    assert np.array_equal(pixels, turn(np.round(DEEP / 257).astype(np.uint8)))
    assert still_size(path) == pixels.shape[1::-1]


def test_of_a_deep_file_with_several_pictures_the_first_is_read(tmp_path):
    path = tmp_path / "a.tif"
    path.write_bytes(tiff(DEEP, pages=3))
    assert np.array_equal(read_still(path).pixels, np.round(DEEP / 257).astype(np.uint8))


def test_alpha_that_is_multiplied_into_deep_colours_is_taken_out(tmp_path):
    path = tmp_path / "a.tif"
    path.write_bytes(tiff(np.full((4, 4, 4), 32768, np.uint16), t338=1))
    still = read_still(path)
    assert still.pixels.min() >= 253
    assert (still.alpha == 128).all()


def test_deep_channels_one_after_the_other_are_refused(tmp_path):
    path = tmp_path / "a.tif"
    path.write_bytes(tiff(DEEP, t284=2))
    with pytest.raises(SourceError, match=r"a\.tif: .* one after the other; save them interleaved"):
        read_still(path)


def test_a_deep_grey_that_stands_for_clear_is_alpha(tmp_path):
    deep = np.full((8, 8), 40000, np.uint16)
    deep[:, 4:] = 300
    still = read_still(saved(tmp_path / "a.png", Image.fromarray(deep), transparency=300))
    assert (still.alpha[:, :4] == 255).all()
    assert (still.alpha[:, 4:] == 0).all()
    assert (still.pixels[:, :4] == round(40000 / 257)).all()
