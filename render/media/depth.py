"""Still pictures of any depth to 8 bits a channel, as their files mean them."""

from __future__ import annotations

from typing import BinaryIO

import cv2
import imageio.v3 as iio
import numpy as np
from PIL import Image
from PIL.ExifTags import Base as ExifTag

_PNG_DEPTH = 24  # place of the bit depth in the header
_WHITE_IS_ZERO = 0


def eight_bits(image: Image.Image, file: BinaryIO) -> Image.Image:
    """The picture with channels of 8 bits, rounded; what stands for clear stays so.

    Args:
        image: as Pillow opened it.
        file: that it is in.

    Raises:
        ValueError: not all of its numbers are finite, or a TIFF has 16-bit channels that lie one after
            the other, which Pillow and OpenCV would mix up.
    """
    tags = getattr(image, "tag_v2", {})
    bits = max(tags.get(ExifTag.BitsPerSample, (8,)))
    if image.format == "PNG":
        bits = read_from(file, _PNG_DEPTH, 1)[0]
    if image.mode.startswith("I"):
        return _grey(image, min(bits, 16))
    if image.mode == "F":
        return _float(image)
    if image.mode == "L" and bits in (2, 4) and "transparency" in image.info:
        # Pillow spreads the levels over 8 bits, but not the one that stands for clear.
        image.info["transparency"] *= 255 // (2**bits - 1)
    if bits == 16 and image.mode in ("RGB", "RGBA"):
        return _colour(image, file) or image
    return image


def _colour(image: Image.Image, file: BinaryIO) -> Image.Image | None:
    """A 16-bit colour picture rounded, where Pillow would cut the low bits off."""
    tags = getattr(image, "tag_v2", {})
    if tags.get(ExifTag.PlanarConfiguration) == 2:
        raise ValueError(
            "its 16-bit channels are stored one after the other; save them interleaved"
        )
    if tags.get(ExifTag.ExtraSamples) == (1,):  # alpha multiplied in, which Pillow alone takes out
        return None
    whole = iio.imread(read_from(file, 0), index=0, plugin="opencv", flags=cv2.IMREAD_UNCHANGED)
    if whole.dtype != np.uint16:
        return None
    return Image.fromarray(((whole.astype(np.uint32) + 128) // 257).astype(np.uint8))


def _grey(image: Image.Image, bits: int) -> Image.Image:
    """Levels of 12 or 16 bits rounded; with alpha if one of them stands for what is clear."""
    top = 2**bits - 1
    deep = np.clip(np.asarray(image).astype(np.int64), 0, top)
    if image.mode == "I;16" and _photometric(image) == _WHITE_IS_ZERO:
        deep = top - deep
    grey = Image.fromarray(((deep * 255 + top // 2) // top).astype(np.uint8))
    clear = image.info.get("transparency")
    if clear is None:
        return grey
    solid = Image.fromarray(np.where(deep == clear, 0, 255).astype(np.uint8))
    return Image.merge("LA", (grey, solid))


def _photometric(image: Image.Image) -> int | None:
    """What a TIFF's smallest level stands for; Pillow heeds it at 8 bits only."""
    found: int | None = getattr(image, "tag_v2", {}).get(ExifTag.PhotometricInterpretation)
    return found


def _float(image: Image.Image) -> Image.Image:
    """Levels from 0 to 1 by 255."""
    level = np.asarray(image, dtype=np.float64)
    broken = level.size - np.count_nonzero(np.isfinite(level))
    if broken:
        raise ValueError(f"{broken} of its {level.size} pixels are no finite numbers")
    return Image.fromarray((np.clip(level, 0, 1) * 255 + 0.5).astype(np.uint8))


def read_from(file: BinaryIO, position: int, length: int = -1) -> bytes:
    """Bytes of a file, which stays where Pillow left it."""
    before = file.tell()
    file.seek(position)
    data = file.read(length)
    file.seek(before)
    return data
