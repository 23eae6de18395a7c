"""Pictures of a report, as small data URIs: the page needs no file beside it."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

from PIL import Image

from render.errors import RenderError
from render.media.images import ImageSource
from render.media.source import MovingSource, open_source
from render.pixels import Pixels
from render.report.facts import Facts
from render.store import LIST

LARGE, SMALL = 1280, 240
"""Long side of the pictures to compare, and of those in the contact sheet."""
MOST_LARGE, MOST_SMALL = 8, 96
"""How many of each a page holds: it should open at once, also over a network."""


@dataclass(frozen=True)
class Pair:
    """A frame before and after; `before` is empty where the source cannot be read any more."""

    frame: int
    name: str
    before: str
    after: str
    width: int
    height: int


@dataclass
class Gallery:
    """Makes pictures of an output's frames, each once, however often a live page is rewritten."""

    source: ImageSource | MovingSource | None = None
    _pairs: dict[int, Pair] = field(default_factory=dict)
    _thumbnails: dict[int, str] = field(default_factory=dict)

    def pairs(self, facts: Facts, frames: Sequence[int]) -> list[Pair]:
        """These frames beside their originals."""
        if self.source is None:
            job, kept = facts.job, facts.folder / LIST
            try:
                self.source = open_source(
                    job.input, job.output, kept=kept if kept.is_dir() else None
                )
            except RenderError:
                self.source = None
        return [self._pair(facts, frame) for frame in frames]

    def thumbnail(self, facts: Facts, frame: int) -> str:
        """A small picture of a finished frame."""
        if frame not in self._thumbnails:
            self._thumbnails[frame] = as_uri(facts.result(frame), SMALL)
            _forget(self._thumbnails, 4 * MOST_SMALL)
        return self._thumbnails[frame]

    def _pair(self, facts: Facts, frame: int) -> Pair:
        if frame not in self._pairs:
            result = facts.result(frame)
            before, name = "", f"frame {frame}"
            if self.source is not None:
                try:
                    name = self.source.name(frame)
                    original = next(iter(self.source.read(range(frame, frame + 1)))).pixels
                    before = as_uri(original, LARGE)
                except (RenderError, IndexError, StopIteration):
                    before = ""
            height, width = result.shape[:2]
            self._pairs[frame] = Pair(frame, name, before, as_uri(result, LARGE), width, height)
            _forget(self._pairs, 4 * MOST_LARGE)
        return self._pairs[frame]


def _forget(pictures: dict[int, Any], most: int) -> None:
    """Let go of the oldest: a page that is rewritten for days shows ever others."""
    while len(pictures) > most:
        del pictures[next(iter(pictures))]


def spread(frames: Sequence[int], most: int) -> list[int]:
    """At most `most` of the frames, evenly spread, the first and the last among them."""
    if len(frames) <= most:
        return list(frames)
    return [frames[round(n * (len(frames) - 1) / (most - 1))] for n in range(most)]


def as_uri(pixels: Pixels, long_side: int) -> str:
    """A picture as the address of itself: WebP in base 64."""
    image = Image.fromarray(pixels)
    image.thumbnail((long_side, long_side), Image.Resampling.LANCZOS)
    buffer = BytesIO()
    image.save(buffer, "WEBP", quality=82, method=4)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()
