"""Colour of still pictures: any Pillow mode and ICC profile to 8-bit sRGB."""

from __future__ import annotations

import logging
from io import BytesIO

import numpy as np
from PIL import Image, ImageCms

log = logging.getLogger(__name__)

_DATE = slice(24, 36)


def _srgb_profile() -> bytes:
    """LittleCMS's sRGB profile without the date of its making, so that files are reproducible."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    data[_DATE] = bytes([0x07, 0xD0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0])  # 1 January 2000
    return bytes(data)


SRGB_PROFILE = _srgb_profile()
"""ICC profile that written pictures carry."""


def to_srgb(image: Image.Image, profile: bytes | None, name: str) -> Image.Image:
    """The picture as `RGB`, or `RGBA` if it has alpha, in sRGB.

    Args:
        image: any mode that Pillow opens, its transparency in `image.info`.
        profile: its ICC profile; `None`: it is sRGB.
        name: for messages.

    Raises:
        ValueError: not all of its numbers are finite.
    """
    image = _eight_bits(image)
    alpha = None
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        alpha = image.getchannel("A")
        image = image.convert("RGB")
    elif image.mode in ("P", "1", "YCbCr", "HSV", "RGBX"):
        image = image.convert("RGB")
    if profile:
        image = _by_profile(image, profile, name)
    image = image.convert("RGB")
    if alpha is not None:
        image.putalpha(alpha)
    return image


def _eight_bits(image: Image.Image) -> Image.Image:
    """Deep grey levels rounded to 8 bits: 16-bit ones by 257, floats from 0 to 1 by 255.

    With alpha if one of the 16-bit levels stands for what is clear.
    """
    if image.mode.startswith("I"):
        deep = np.clip(np.asarray(image).astype(np.int64), 0, 65535)
        grey = Image.fromarray(((deep + 128) // 257).astype(np.uint8))
        clear = image.info.get("transparency")
        if clear is None:
            return grey
        solid = Image.fromarray(np.where(deep == clear, 0, 255).astype(np.uint8))
        return Image.merge("LA", (grey, solid))
    if image.mode == "F":
        level = np.asarray(image, dtype=np.float64)
        broken = level.size - np.count_nonzero(np.isfinite(level))
        if broken:
            raise ValueError(f"{broken} of its {level.size} pixels are no finite numbers")
        return Image.fromarray((np.clip(level, 0, 1) * 255 + 0.5).astype(np.uint8))
    return image


def _by_profile(image: Image.Image, profile: bytes, name: str) -> Image.Image:
    """Convert by an embedded profile; one that does not fit the pixels is left aside, and said."""
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        space = source.profile.xcolor_space.strip()
        if space == "GRAY" and image.mode == "RGB":
            image = image.convert("L")
        if space == "RGB" and image.mode == "L":
            image = image.convert("RGB")
        converted = ImageCms.profileToProfile(
            image,
            source,
            ImageCms.ImageCmsProfile(BytesIO(SRGB_PROFILE)),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
        log.warning("%s: its colour profile cannot be used (%s); taken as sRGB", name, error)
        return image
    return converted or image
