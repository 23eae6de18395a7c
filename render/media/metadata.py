"""What a picture's file says beside its pixels, and which of it an output keeps."""

from __future__ import annotations

from PIL import Image
from PIL.ExifTags import IFD, Base

# Who, when, where and with what. Left out is what describes the stored pixels: the orientation,
# which is applied, and the layout of a TIFF file, which the new file has its own of.
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
_OLD_SIZE = (Base.ExifImageWidth, Base.ExifImageHeight)


def kept_exif(image: Image.Image) -> bytes:
    """The EXIF block that goes with the repainted picture; empty if there is nothing to say."""
    given, kept = image.getexif(), Image.Exif()
    for tag in _KEPT:
        if tag in given:
            kept[tag] = given[tag]
    for part in (IFD.Exif, IFD.GPSInfo):
        facts = {tag: value for tag, value in given.get_ifd(part).items() if tag not in _OLD_SIZE}
        if facts:
            kept.get_ifd(part).update(facts)
            kept[part] = kept.get_ifd(part)
    return kept.tobytes() if len(kept) else b""
