"""Pictures of which tests know every pixel."""

import struct
import zlib

import numpy as np


def picture(height=40, width=60):
    """A smooth picture in which each corner has its own colour."""
    y, x = np.mgrid[0:height, 0:width] / np.array([height - 1, width - 1])[:, None, None]
    return (np.dstack([x, y, 1 - x * y]) * 200 + 30).astype(np.uint8)


def saved(path, image, **options):
    image.save(path, **options)
    return path


def chunk(name, data):
    """One chunk of a PNG."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(rows, depth, colours, *front, behind=b""):
    """A PNG of packed rows, with chunks in front of the pixels and behind them."""
    width = len(rows[0]) * 8 // depth // (3 if colours == 2 else 1)
    head = struct.pack(">IIBBBBB", width, len(rows), depth, colours, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
    chunks = (chunk(b"IHDR", head), *front, pixels, behind, chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)
