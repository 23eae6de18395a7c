"""Reading frames in order, and keeping those that will be asked for again."""

from __future__ import annotations

from collections.abc import Generator, Iterator

from render.media.frames import Frame, Source


class Window:
    """A reader that remembers.

    Args:
        source: of the frames.
        frames: those that are read one after the other.
    """

    def __init__(self, source: Source, frames: range) -> None:
        self._source = source
        self._frames = frames
        self._reader: Iterator[Frame] | None = None
        self._next: int | None = None  # index of the frame that the reader will give next
        self._kept: dict[int, Frame] = {}

    def frame(self, index: int) -> Frame:
        """The frame with this index; it is kept until it is forgotten.

        Raises:
            FrameError: it cannot be had.
        """
        kept = self._kept.get(index)
        if kept is not None:
            return kept
        if self._reader is None or self._next != index:
            self._stop_reading()
            self._reader = self._source.read(self._frames[self._frames.index(index) :])
        self._next = None  # should reading fail, the reader is of no more use
        frame = next(self._reader)
        self._next = index + self._frames.step
        self._kept[index] = frame
        return frame

    def forget(self, before: int) -> None:
        """Let go of the frames before this one."""
        self._kept = {index: frame for index, frame in self._kept.items() if index >= before}

    def close(self) -> None:
        """Stop reading and forget everything."""
        self._stop_reading()
        self._kept.clear()

    def _stop_reading(self) -> None:
        if isinstance(self._reader, Generator):
            self._reader.close()
        self._reader = None
