"""Still pictures: any common file in, upright 8-bit sRGB out, and back into files."""

from __future__ import annotations

import logging
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Any, BinaryIO

import imageio.v3 as iio
import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from render import storage
from render.errors import OutputError, SourceError
from render.media.depth import eight_bits
from render.media.frames import rendered_size
from render.media.metadata import kept_exif, orientation
from render.media.profiles import SRGB_PROFILE, check_colour, to_srgb
from render.pixels import Pixels
from render.spec.url import AnyPath, Url

log = logging.getLogger(__name__)

FORMATS = {"PNG": "png", "JPEG": "jpeg", "MPO": "jpeg", "WEBP": "webp", "TIFF": "tiff",
           "AVIF": "avif", "BMP": "bmp", "DIB": "bmp"}  # fmt: skip
"""Pillow's names of the formats that are read, and ours."""
_OPENED = ("PNG", "JPEG", "WEBP", "TIFF", "AVIF", "BMP", "DIB")  # MPO is opened as JPEG
EXTENSIONS = {"png": ".png", "jpeg": ".jpg", "webp": ".webp", "tiff": ".tif",
              "avif": ".avif", "bmp": ".bmp"}  # fmt: skip
"""File name extension of each format that is written."""
FORMAT_OF = {
    **{suffix: form for form, suffix in EXTENSIONS.items()},
    **{".jpeg": "jpeg", ".jpe": "jpeg", ".tiff": "tiff", ".dib": "bmp"},
}
"""The format that a file name extension in small letters stands for."""
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What turns a picture upright, by its EXIF orientation; from 5 on, sides change places."""
_MOST_JPEG_EXIF = 65533  # bytes, with the header: a marker says its length in 16 bits
_FAST_PNG = {"compress_level": 1, "compress_type": 3}  # run lengths: half the time, 2 % larger


@dataclass(frozen=True)
class Still:
    """A picture as it is worked on.

    Attributes:
        pixels: H×W×3, sRGB, 0 to 255, upright.
        alpha: H×W, 0 (clear) to 255 (solid), or `None`.
        exif: the file's EXIF block without the orientation, which is applied; may be empty.
        format: the file's format, a key of `EXTENSIONS`.
    """

    pixels: Pixels
    alpha: npt.NDArray[np.uint8] | None
    exif: bytes
    format: str


def read_still(place: AnyPath, data: bytes | None = None) -> Still:
    """Read a picture, turned upright and converted to sRGB by its profile.

    Reads PNG, JPEG, WebP, TIFF, AVIF and BMP, 8 and 16 bit, grey, palette, CMYK, with alpha; of a
    file with several pictures the first. The content decides, not the name. `data` is what is in the
    file, if that was read before.

    Raises:
        SourceError: missing, no picture, cut off, or over Pillow's limit of pixels.
    """
    with _opened(place, data) as (opened, file):
        turn = orientation(opened, file)
        check_colour(opened, file, place.name)
        image = to_srgb(eight_bits(opened, file), opened.info.get("icc_profile"), place.name)
        if turn in _TURNS:
            image = image.transpose(_TURNS[turn])
        whole = np.asarray(image)
        return Still(
            pixels=np.ascontiguousarray(whole[..., :3]),
            alpha=np.ascontiguousarray(whole[..., 3]) if image.mode == "RGBA" else None,
            exif=kept_exif(opened, place.name),
            format=FORMATS[opened.format or ""],
        )


def still_size(place: AnyPath) -> tuple[int, int]:
    """Width and height of a picture, upright, from the header of its file.

    Raises:
        SourceError: as `read_still`, but a cut-off file may pass.
    """
    with _opened(place) as (image, file):
        width, height = image.size
        return (height, width) if orientation(image, file) >= 5 else (width, height)


def still_format(place: AnyPath) -> str:
    """Format of a picture's content, a key of `EXTENSIONS`; errors as `still_size`."""
    with _opened(place) as (image, _):
        return FORMATS[image.format or ""]


def resize_still(still: Still, long_side: int | None, tallest: int | None = None) -> Still:
    """Scale a picture down to a long side and a height; never up.

    Colours are weighted by their alpha, so that what is clear does not bleed into what is solid.
    """
    height, width = still.pixels.shape[:2]
    size = rendered_size(width, height, long_side, tallest)
    return still if size == (width, height) else scale_still(still, size)


def scale_still(still: Still, size: tuple[int, int]) -> Still:
    """Scale a picture to a width and height; clear colours do not bleed into solid ones."""
    if still.alpha is None:
        image = Image.fromarray(still.pixels).resize(size, Image.Resampling.LANCZOS)
        return replace(still, pixels=np.array(image))
    image = Image.fromarray(np.dstack([still.pixels, still.alpha])).convert("RGBa")
    whole = np.array(image.resize(size, Image.Resampling.LANCZOS).convert("RGBA"))
    return replace(
        still,
        pixels=np.ascontiguousarray(whole[..., :3]),
        alpha=np.ascontiguousarray(whole[..., 3]),
    )


def encode_still(
    pixels: Pixels,
    alpha: npt.NDArray[np.uint8] | None,
    format: str,  # noqa: A002 - the word of the job file
    *,
    exif: bytes = b"",
    quality: int = 95,
    name: str = "the picture",
) -> bytes:
    """A picture file, tagged as sRGB.

    Args:
        pixels: H×W×3, sRGB, 0 to 255.
        alpha: H×W or `None`. JPEG and BMP have none: the picture is laid on white.
        format: a key of `EXTENSIONS`.
        exif: EXIF block to keep, unless the format cannot hold it.
        quality: 1 to 100, of JPEG, WebP and AVIF.
        name: what messages call it.

    Raises:
        OutputError: there is no such format, or it cannot hold the picture.
    """
    if format not in EXTENSIONS:
        raise OutputError(f"pictures cannot be written as {format!r}; {', '.join(EXTENSIONS)} can")
    if alpha is not None and format in ("jpeg", "bmp"):
        share = alpha[..., None].astype(np.float32) / 255
        pixels = (pixels * share + 255 * (1 - share) + 0.5).astype(np.uint8)
        alpha = None
    whole = pixels if alpha is None else np.dstack([pixels, alpha])
    options: dict[str, Any] = {"icc_profile": SRGB_PROFILE}
    if format == "jpeg" and len(exif) > _MOST_JPEG_EXIF:
        log.warning(
            "%s: its EXIF block of %d bytes is left out; a JPEG holds %d at most",
            *(name, len(exif), _MOST_JPEG_EXIF),
        )
        exif = b""
    if exif and format != "bmp":
        options["exif"] = exif
    if format in ("jpeg", "webp", "avif"):
        options["quality"] = quality
    if format == "jpeg":
        options["subsampling"] = 0
    if format == "tiff":
        # Pillow's compressing writer cannot hold the parts of an EXIF block.
        options["compression"] = "raw" if exif else "tiff_deflate"
    if format == "bmp":
        options = {}
    extension = EXTENSIONS[format]
    try:
        return bytes(iio.imwrite("<bytes>", whole, extension=extension, plugin="pillow", **options))
    except (OSError, ValueError, RuntimeError, SyntaxError, struct.error) as error:
        # Each format has its own way to say that a side is too long, or EXIF not what it should be.
        size = f"{whole.shape[1]}×{whole.shape[0]} pixels"
        raise OutputError(f"{name}: {size} cannot be written as {format}: {error}") from error


def encode_png(pixels: Pixels, alpha: npt.NDArray[np.uint8] | None = None) -> bytes:
    """A lossless PNG, made fast; the same bytes for the same pixels in every process."""
    whole = pixels if alpha is None else np.dstack([pixels, alpha])
    chunks = PngInfo()
    chunks.add(b"sRGB", b"\0")
    buffer = BytesIO()
    Image.fromarray(whole).save(buffer, "PNG", pnginfo=chunks, **_FAST_PNG)
    return buffer.getvalue()


def decode_png(data: bytes) -> Still:
    """What `encode_png` made.

    Raises:
        SourceError: the bytes are no whole PNG.
    """
    try:
        with Image.open(BytesIO(data), formats=["PNG"]) as image:
            whole = np.array(image)
    except (OSError, SyntaxError, ValueError) as error:
        raise SourceError(f"a PNG frame cannot be read: {error}") from error
    alpha = np.ascontiguousarray(whole[..., 3]) if whole.shape[-1] == 4 else None
    return Still(np.ascontiguousarray(whole[..., :3]), alpha, b"", "png")


@contextmanager
def _opened(place: AnyPath, data: bytes | None = None) -> Iterator[tuple[Image.Image, BinaryIO]]:
    """The picture in a file, and the file; errors are told as ours."""
    try:
        file = _open(place, data)
        with warnings.catch_warnings():
            # Pillow's grumbles about odd metadata are nobody's business; its limit is a limit here.
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with file, Image.open(file, formats=_OPENED) as image:
                yield image, file
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise SourceError(
            f"{place}: over the limit of {Image.MAX_IMAGE_PIXELS} pixels; scale it down first"
        ) from error
    except UnidentifiedImageError as error:
        raise SourceError(
            f"{place}: not a picture that can be read (PNG, JPEG, WebP, TIFF, AVIF and BMP can)"
        ) from error
    except (OSError, SyntaxError, ValueError, EOFError, RuntimeError) as error:
        # Each format has its own way to say that a file is damaged; AVIF has the last.
        raise SourceError(f"{place}: the picture cannot be read: {error}") from error


def _open(place: AnyPath, data: bytes | None) -> BinaryIO:
    """A file on a disk, opened, or one from object storage, read; or what was read of it before."""
    file: BinaryIO
    if data is not None:
        file = BytesIO(data)
    elif isinstance(place, Url):
        file = BytesIO(storage.read(place))
    elif place.is_file():
        file = place.open("rb")
    else:
        raise SourceError(f"{place}: no such file; check the path of the picture")
    if not file.read(1):
        file.close()
        raise SourceError(f"{place}: the file is empty (0 bytes)")
    file.seek(0)
    return file
