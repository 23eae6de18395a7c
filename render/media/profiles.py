"""Colour of still pictures: any Pillow mode and ICC profile to 8-bit sRGB."""

from __future__ import annotations

import logging
import struct
from io import BytesIO
from typing import BinaryIO

from PIL import Image, ImageCms

from render.media.colour import HDR_TRANSFERS, WIDE_PRIMARIES
from render.media.depth import read_from
from render.media.metadata import png_chunks

log = logging.getLogger(__name__)

_DATE = slice(24, 36)
_CICP = 4  # bytes
_NCLX = 4  # bytes of the primaries and the transfer


def _srgb_profile() -> bytes:
    """LittleCMS's sRGB profile without the date of its making, so that files are reproducible."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    data[_DATE] = bytes([0x07, 0xD0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0])  # 1 January 2000
    return bytes(data)


SRGB_PROFILE = _srgb_profile()
"""ICC profile that written pictures carry."""


def check_colour(image: Image.Image, file: BinaryIO, name: str) -> None:
    """Refuse HDR, and warn of wide colours, that code points say and no profile; they are not converted.

    Args:
        image: as Pillow opened it.
        file: that it is in.
        name: for messages.

    Raises:
        ValueError: its levels are PQ or HLG.
    """
    if image.info.get("icc_profile"):
        return
    primaries, transfer = _code_points(image, file)
    if transfer in HDR_TRANSFERS:
        raise ValueError(f"HDR ({HDR_TRANSFERS[transfer]}); save it as SDR first, best as sRGB")
    if primaries in WIDE_PRIMARIES:
        log.warning(
            "%s: its colours are of %s primaries, which are converted only by an ICC profile; taken "
            "as sRGB",
            *(name, WIDE_PRIMARIES[primaries]),
        )


def _code_points(image: Image.Image, file: BinaryIO) -> tuple[int, int]:
    """Primaries and transfer of a PNG or an AVIF by ITU-T H.273, each 0 if it does not say."""
    if image.format == "PNG":
        said = next((data for name, data in png_chunks(file) if name == b"cICP"), b"")
        return (said[0], said[1]) if len(said) >= _CICP else (0, 0)
    if image.format == "AVIF":
        # Encoders write the picture's own box first; others are of what goes with it.
        said = read_from(file, 0).partition(b"colrnclx")[2][:_NCLX]
        if len(said) == _NCLX:
            primaries, transfer = struct.unpack(">HH", said)
            return primaries, transfer
    return 0, 0


def to_srgb(image: Image.Image, profile: bytes | None, name: str) -> Image.Image:
    """The picture as `RGB`, or `RGBA` if it has alpha, in sRGB.

    Args:
        image: any mode of 8 bits that Pillow opens, its transparency in `image.info`.
        profile: its ICC profile; `None`: it is sRGB.
        name: for messages.
    """
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
