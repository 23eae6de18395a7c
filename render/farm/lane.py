"""One stage of a unit on its way: which frame is next, and what it starts from."""

from __future__ import annotations

from collections.abc import Container, Generator, Iterator
from typing import Literal

from render.errors import SourceError
from render.farm.actor import Task
from render.materials import read_masks
from render.media.frames import Frame, FrameError, Source
from render.media.stills import decode_png
from render.painter import Pixels, Previous, picture_level
from render.plan import Unit
from render.spec.job import Job
from render.store import Store

AHEAD = 4
"""Frames by which a stage may be ahead of the next one: so much is painted but not yet used."""


class Lane:
    """Reads a unit's frames in order and says how one stage of each is to be painted.

    A lane is fed to one worker at a time. After a failure it is rewound and goes on, there or
    elsewhere, from what is committed; its attempt number rises, and what an earlier attempt still
    reports no longer counts. The lanes of a unit's stages together are its waves: (frame,
    stage) needs (frame, stage - 1) and (frame - 1, stage), and all with one sum can run at once.

    A frame that is set aside at some stage counts for the stages that it has left and for no later
    one: in each, its successors start from the nearest frame before them that has left it. So what
    they start from depends on which frames fail where, and never on when that was found.

    Attributes:
        unit: whose frames these are.
        stage: from 0.
        attempt: from 1.
    """

    def __init__(
        self,
        job: Job,
        unit: Unit,
        stage: int,
        source: Source,
        store: Store,
        failed: Container[int],
    ) -> None:
        self.unit = unit
        self.stage = stage
        self.attempt = 1
        self._last_stage = stage == unit.stages - 1
        self._job = job
        self._source = source
        self._store = store
        self._failed = failed
        self._position = self._begin()
        self._end = self._stop()
        self._reader: Iterator[Frame] | None = None
        self._reader_at: int | None = None  # index of the frame that the reader will give next
        self._content: tuple[int, Pixels] | None = None
        self._level: tuple[int, float] | None = None

    def rewind(self) -> None:
        """Forget what was sent: whatever is not committed by now will be sent again."""
        self.close()
        self.attempt += 1
        self._position = self._begin()

    def close(self) -> None:
        """Stop reading."""
        self._stop_reading()
        self._content = None

    def ended(self) -> bool:
        """Whether no frame is left to be sent."""
        self._skip()
        return self._position >= self._end

    def ready(self) -> bool:
        """Whether `next` has a frame to give: one that the stage below has left, and not too early."""
        if self.ended():
            return False
        frames, here = self.unit.frames, self._position
        if self.stage > 0 and (frames[here], self.stage - 1) not in self._store.stages:
            return False
        if self.unit.chained and self._first() is None and here != self._start():
            return False  # the first frame, whose detail all others keep, is not committed yet
        behind = here - AHEAD
        return self._last_stage or behind < 0 or self._passed(frames[behind])

    def next(self, held: int | None = None) -> Task:
        """The next frame that is neither finished nor set aside nor sent; ask `ready` before.

        Args:
            held: the frame whose picture after this stage the worker has, which saves sending it.

        Raises:
            FrameError: the frame or a mask of it cannot be read; once it is set aside, go on.
        """
        self._skip()
        index = self.unit.frames[self._position]
        before = self._predecessor() if self.unit.chained else None
        chain: Previous | Literal["last"] | None = None
        if before is not None:
            chain = "last" if before == held else self._committed(before)
        content = self._read(index)
        try:
            masks = read_masks(self._job, index)
        except SourceError as error:
            raise FrameError(str(error), index) from error
        below = None if self.stage == 0 else self._picture(index, self.stage - 1)
        self._position += 1
        predecessor = before if chain == "last" else None
        level = self._chain_level() if chain == "last" else None
        return Task(
            content,
            masks,
            chain,
            predecessor,
            level,
            self.unit.number,
            self.stage,
            below,
            self.attempt,
        )

    def _begin(self) -> int:
        """Where to begin: behind the frames from the first on that have left this stage.

        A finished frame whose stages are gone counts for the last stage alone: the others are
        painted again if a later frame needs what follows from them.
        """
        frames = self.unit.frames
        done = (n for n, frame in enumerate(frames) if not self._settled(frame))
        return next(done, len(frames))

    def _stop(self) -> int:
        """Behind the last frame that is not finished."""
        frames = self.unit.frames
        records = self._store.records
        return next((n + 1 for n in reversed(range(len(frames))) if frames[n] not in records), 0)

    def _skip(self) -> None:
        while self._position < self._end and self._settled(self.unit.frames[self._position]):
            self._position += 1

    def _start(self) -> int:
        """Position of the first frame that is not missing from this stage."""
        frames = self.unit.frames
        return next((n for n, frame in enumerate(frames) if not self._missing(frame)), len(frames))

    def _first(self) -> int | None:
        """Index of the first frame that is not missing, once it has left this stage."""
        start = self._start()
        if start == len(self.unit.frames):
            return None
        frame = self.unit.frames[start]
        return frame if self._left(frame) else None

    def _chain_level(self) -> float | None:
        """The detail of the first frame after this stage, which the others are to keep."""
        first = self._first()
        if first is None:
            return None
        if self._level is None or self._level[0] != first:
            self._level = first, picture_level(self._picture(first, self.stage))
        return self._level[1]

    def _passed(self, frame: int) -> bool:
        """Whether the next stage is done with a frame."""
        above = self.stage + 1
        return (
            frame in self._failed
            or (frame, above) in self._store.stages
            or (above == self.unit.stages - 1 and frame in self._store.records)
        )

    def _picture(self, frame: int, stage: int) -> Pixels:
        last = stage == self.unit.stages - 1
        data = self._store.read(frame) if last else self._store.read_stage(frame, stage)
        return decode_png(data).pixels

    def _predecessor(self) -> int | None:
        earlier = reversed(self.unit.frames[: self._position])
        return next((frame for frame in earlier if not self._missing(frame)), None)

    def _settled(self, frame: int) -> bool:
        return frame in self._failed or self._left(frame)

    def _missing(self, frame: int) -> bool:
        """Whether a frame was set aside before it left this stage."""
        return frame in self._failed and not self._left(frame)

    def _left(self, frame: int) -> bool:
        """Whether there is a committed picture of a frame after this stage."""
        if self._last_stage:
            return frame in self._store.records
        return (frame, self.stage) in self._store.stages

    def _committed(self, frame: int) -> Previous:
        if self._content is None or self._content[0] != frame:
            self._read(frame)
        assert self._content is not None
        return Previous(self._content[1], self._picture(frame, self.stage), self._chain_level())

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
