"""A labelled contact sheet of several pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from render.pixels import Pixels

PAPER, INK = (251, 250, 248), (29, 28, 26)
LONG_SIDE, GAP, LINE = 360, 16, 26
ONE_ROW = 4
"""Pictures that stand in one row, if nothing else is asked for."""


def contact_sheet(pictures: Sequence[tuple[str, Pixels]], columns: int | None = None) -> Pixels:
    """Pictures in rows, each with its label below; H×W×3.

    Args:
        pictures: label and H×W×3 pixels of each; a label too long for its picture is cut.
        columns: of the sheet; `None`: one row of few pictures, about a square of many.
    """
    images = []
    for label, pixels in pictures:
        image = Image.fromarray(pixels)
        image.thumbnail((LONG_SIDE, LONG_SIDE), Image.Resampling.LANCZOS)
        images.append((label, image))
    few = len(images) <= ONE_ROW
    columns = columns or (len(images) if few else math.ceil(math.sqrt(len(images))))
    font = ImageFont.load_default(15)
    longest = max(font.getlength(" ".join(label.split())) for label, _ in images)
    # Small pictures stand apart, rather than that their labels lose what tells them apart.
    wide = max(*(image.width for _, image in images), min(math.ceil(longest), LONG_SIDE))
    high = max(image.height for _, image in images) + LINE
    rows = -(-len(images) // columns)
    sheet = Image.new("RGB", (GAP + columns * (wide + GAP), GAP + rows * (high + GAP)), PAPER)
    pen = ImageDraw.Draw(sheet)
    for number, (label, image) in enumerate(images):
        left = GAP + number % columns * (wide + GAP)
        top = GAP + number // columns * (high + GAP)
        sheet.paste(image, (left, top))
        pen.text((left, top + image.height + 5), _fitting(label, wide, font), INK, font)
    return np.asarray(sheet)


def _fitting(label: str, width: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """The label, or as much of it as the width takes."""
    text = " ".join(label.split())
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"
