"""What a picture's file says beside its pixels, and which of it an output keeps."""

from __future__ import annotations

from PIL import Image
from PIL.ExifTags import IFD, Base

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


def kept_exif(image: Image.Image) -> bytes:
    """The EXIF block that goes with the repainted picture; empty if there is nothing to say."""
    given, kept = image.getexif(), Image.Exif()
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
