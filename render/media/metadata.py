"""What a picture's file says beside its pixels, and which of it an output keeps."""

from __future__ import annotations

import logging
import struct
from typing import BinaryIO

from PIL import Image
from PIL.ExifTags import IFD, Base

log = logging.getLogger(__name__)

# Who, when, where and with what. Left out is what describes the stored pixels: the orientation,
# which is applied, the colour space, which is sRGB now, and the layout of a TIFF file, which the new
# file has its own of.
_KEPT = (
    Base.ImageDescription,
    Base.Make,
    Base.Model,
    Base.XResolution,
    Base.YResolution,
    Base.ResolutionUnit,
    Base.Software,
    Base.DateTime,
    Base.Artist,
    Base.Copyright,
    Base.Rating,
    Base.XPTitle,
    Base.XPComment,
    Base.XPAuthor,
    Base.XPKeywords,
    Base.XPSubject,
)
_OF_STORED_PIXELS = (
    Base.ExifImageWidth,
    Base.ExifImageHeight,
    Base.ColorSpace,
    Base.Gamma,
    IFD.Interop,
)
_UNFIT = (ArithmeticError, AttributeError, LookupError, OSError, SyntaxError, TypeError, ValueError,
          struct.error)  # fmt: skip
"""What Pillow raises over a tag of another type than it should be."""
_ORIENTATIONS = range(1, 9)
_TELLING = (b"XML:com.adobe.xmp\0", b"Raw profile type exif\0")
"""How texts in a PNG begin of which Pillow takes the orientation."""
_PNG_SIGNATURE = 8  # bytes before the first chunk
_PNG_NAMED = 8  # bytes of a chunk's length and name
_PNG_HEAD = _PNG_NAMED + 32  # and of what is looked at in it
_PNG_CHECK = 4  # bytes behind it


def orientation(image: Image.Image, file: BinaryIO) -> int:
    """How a picture must still be turned, 1 to 8, by EXIF: Pillow and OpenCV turn a TIFF themselves.

    Args:
        image: as Pillow opened it.
        file: that it is in.
    """
    if image.format == "TIFF":
        return 1
    if image.format == "PNG" and "exif" not in image.info and not _says_behind(file):
        # Its own way would decode the picture to see whether something stands behind it.
        given = Image.Image.getexif(image).get(Base.Orientation, 1)
    else:
        given = image.getexif().get(Base.Orientation, 1)
    return int(given) if given in _ORIENTATIONS else 1


def _says_behind(file: BinaryIO) -> bool:
    """Whether something that may tell the orientation stands behind the pixels of a PNG."""
    pixels = False
    for name, data in png_chunks(file):
        pixels |= name == b"IDAT"
        if pixels and (name == b"eXIf" or data.startswith(_TELLING)):
            return True
    return False


def png_chunks(file: BinaryIO) -> list[tuple[bytes, bytes]]:
    """Name and first bytes of each chunk of a PNG; the file stays where Pillow left it."""
    before, place = file.tell(), _PNG_SIGNATURE
    found: list[tuple[bytes, bytes]] = []
    while not found or found[-1][0] != b"IEND":
        file.seek(place)
        head = file.read(_PNG_HEAD)
        if len(head) < _PNG_NAMED:
            break  # cut off
        length = int.from_bytes(head[:4], "big")
        found.append((head[4:_PNG_NAMED], head[_PNG_NAMED : _PNG_NAMED + length]))
        place += _PNG_NAMED + length + _PNG_CHECK
    file.seek(before)
    return found


def kept_exif(image: Image.Image, name: str) -> bytes:
    """The EXIF block that goes with the repainted picture; empty if there is nothing to say.

    Args:
        image: with its metadata.
        name: for messages.
    """
    given, kept = image.getexif(), Image.Exif()
    try:
        for tag in _KEPT:
            if tag in given:
                kept[tag] = given[tag]
        for part in (IFD.Exif, IFD.GPSInfo):
            given_part = given.get_ifd(part)
            facts = {tag: given_part[tag] for tag in given_part if tag not in _OF_STORED_PIXELS}
            if facts:
                kept.get_ifd(part).update(facts)
                kept[part] = kept.get_ifd(part)
        return kept.tobytes() if len(kept) else b""
    except _UNFIT as error:
        log.warning("%s: its EXIF block cannot be kept and is left out: %s", name, error)
        return b""
