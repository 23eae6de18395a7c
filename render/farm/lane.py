"""One unit on its way: which frame is next, and what it starts from."""

from __future__ import annotations

from collections.abc import Container, Generator, Iterator
from typing import Literal

from render.errors import SourceError
from render.farm.actor import Task
from render.materials import read_masks
from render.media.frames import Frame, FrameError, Source
from render.media.stills import decode_png
from render.painter import Previous
from render.pixels import Pixels
from render.plan import Unit
from render.spec.job import Job
from render.store import Store


class Lane:
    """Reads a unit's frames in order and says how each is to be painted.

    A lane is fed to one worker at a time. After a failure it is rewound and goes on, there or
    elsewhere, from what is committed.
    """

    def __init__(
        self, job: Job, unit: Unit, source: Source, store: Store, failed: Container[int]
    ) -> None:
        self.unit = unit
        self._job = job
        self._source = source
        self._store = store
        self._failed = failed
        self._position = 0
        self._reader: Iterator[Frame] | None = None
        self._reader_at: int | None = None  # index of the frame that the reader will give next
        self._content: tuple[int, Pixels] | None = None
        self._last_sent: int | None = None

    def rewind(self) -> None:
        """Forget what was sent: whatever is not committed by now will be sent again."""
        self.close()
        self._position = 0

    def close(self) -> None:
        """Stop reading."""
        self._stop_reading()
        self._content = None
        self._last_sent = None

    def next(self) -> Task | None:
        """The next frame that is neither finished nor set aside nor sent; `None` at the end.

        A frame follows the nearest one before it that is not set aside.

        Raises:
            FrameError: the frame or a mask of it cannot be read; once it is set aside, go on.
        """
        frames = self.unit.frames
        while self._position < len(frames) and self._settled(frames[self._position]):
            self._position += 1
        if self._position == len(frames):
            return None
        index = frames[self._position]
        before = self._predecessor() if self.unit.chained else None
        chain: Previous | Literal["last"] | None = None
        if before is not None:
            chain = "last" if before == self._last_sent else self._committed(before)
        content = self._read(index)
        try:
            masks = read_masks(self._job, index)
        except SourceError as error:
            raise FrameError(str(error), index) from error
        self._position += 1
        self._last_sent = index
        return Task(content, masks, chain, before if chain == "last" else None)

    def _predecessor(self) -> int | None:
        earlier = reversed(self.unit.frames[: self._position])
        return next((frame for frame in earlier if frame not in self._failed), None)

    def _settled(self, frame: int) -> bool:
        return frame in self._store.records or frame in self._failed

    def _committed(self, frame: int) -> Previous:
        if self._content is None or self._content[0] != frame:
            self._read(frame)
        assert self._content is not None
        return Previous(self._content[1], decode_png(self._store.read(frame)).pixels)

    def _read(self, index: int) -> Frame:
        """The frame with this index, from where the reader stands if it comes next there."""
        frames = self.unit.frames
        if self._reader is None or self._reader_at != index:
            self._stop_reading()
            self._reader = self._source.read(frames[frames.index(index) :])
        self._reader_at = None  # should reading fail, the reader is of no more use
        frame = next(self._reader)
        self._reader_at = index + frames.step
        self._content = (index, frame.pixels)
        return frame

    def _stop_reading(self) -> None:
        if isinstance(self._reader, Generator):
            self._reader.close()
        self._reader = None
