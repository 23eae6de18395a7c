"""One stage of a unit on its way: what its next frame starts from, ready to be sent."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable
from contextlib import suppress

from render.errors import SourceError
from render.farm.actor import Task
from render.farm.window import Window
from render.materials import read_masks
from render.media.frames import FrameError, Source
from render.media.stills import decode_png
from render.motion.detail import Detail
from render.painted import Below
from render.pixels import Pixels
from render.plan import Unit
from render.spec.job import Job
from render.spec.stages import frames_kept, gaps_back
from render.store import Store
from render.turns import Turns
from render.warm import Bridge, Neighbour

LEAD = 1.6
"""Times an equal step that a frame is led towards the next anchor, as painting undoes a part of it. The
errors of the last two steps on a hand-held clip: 2.0 and 3.7 with 1, 3.0 and 2.0 with this, 3.8 and 1.8
with 2."""


class Lane:
    """Reads a unit's frames in order and says how one stage of each is to be painted.

    A lane is fed to one worker at a time. After a failure it is rewound and goes on, there or
    elsewhere, from what is committed; its attempt number rises, and what an earlier attempt still
    reports no longer counts.

    Attributes:
        turns: which frame is next.
        attempt: from 1.
        keep: how many of its frames the worker is to keep.
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
        self.turns = Turns(unit, stage, store.painted, failed)
        self.attempt = 1
        self.keep = frames_kept(job)
        self._gaps = gaps_back(job)
        self._job = job
        self._store = store
        self._window = Window(source, unit.whole)

    @property
    def unit(self) -> Unit:
        """Whose frames these are."""
        return self.turns.unit

    @property
    def stage(self) -> int:
        """From 0."""
        return self.turns.stage

    def rewind(self) -> None:
        """Forget what was sent: whatever is not committed by now will be sent again."""
        self.close()
        self.attempt += 1
        self.turns.rewind()

    def close(self) -> None:
        """Stop reading."""
        self._window.close()

    def ended(self) -> bool:
        """Whether no frame is left to be sent."""
        return self.turns.ended()

    def ready(self) -> bool:
        """Whether `next` has a frame to give."""
        return self.turns.ready()

    def next(self, held: Collection[int] = ()) -> Task:
        """The next frame that is neither finished nor set aside nor sent; ask `ready` before.

        Args:
            held: frames whose pictures after this stage the worker has, which saves sending them.

        Raises:
            FrameError: the frame, a mask of it or a frame that it is linked to cannot be read; once
                it is set aside, go on.
        """
        turns, unit = self.turns, self.unit
        index = turns.frame
        before, towards, probe = turns.predecessor(), turns.towards(), unit.probed(turns.position)
        earlier = sorted(turns.earlier(self._gaps))
        # Frames are asked for in their order, as they are read.
        self._window.forget(min(earlier, default=index if before is None else before))
        old = [frame if frame in held else self._neighbour(frame, index) for frame in earlier]
        chain = before if before is None or before in held else self._neighbour(before, index)
        between = () if before is None else self._contents(unit.between(before, index))
        content = self._window.frame(index)
        try:
            masks = read_masks(self._job, index)
        except SourceError as error:
            raise FrameError(str(error), index) from error
        bridge = None
        if towards is not None:
            ahead = unit.between(index, towards)
            path = self._contents(ahead)
            bridge = Bridge(self._neighbour(towards, index, path), LEAD / (len(ahead) + 2))
        turns.advance()
        return Task(
            content,
            masks,
            chain,
            between[::-1],
            tuple(reversed(old)),
            bridge,
            unit.number,
            self.stage,
            self._below(index),
            self.stage == 0 and probe,
            self.attempt,
        )

    def _below(self, frame: int) -> Below | None:
        """The frame after the stage before this one."""
        stage = self.stage - 1
        if stage < 0:
            return None
        picture, detail = self._painted(frame, stage)
        return Below(picture, self._store.curvature(frame, stage), detail)

    def _painted(self, frame: int, stage: int) -> tuple[Pixels, Detail | None]:
        """A frame after a stage, and what was known of the detail of paintings there."""
        store = self._store
        if stage == self.unit.stages - 1:
            data, record = store.read(frame), store.records[frame]
        else:
            data, record = store.read_stage(frame, stage), store.stages[frame, stage]
        known = record.info.get("detail")  # an older version did not say
        return decode_png(data).pixels, None if known is None else Detail(**known)

    def _neighbour(self, frame: int, of: int, between: tuple[Pixels, ...] = ()) -> Neighbour:
        picture, detail = self._painted(frame, self.stage)
        try:
            content = self._window.frame(frame).pixels
        except FrameError as error:
            # This one may be finished, and only the one that is asked for can be set aside.
            raise FrameError(
                f"frame {frame}, which it is linked to, cannot be read: {error}", of
            ) from error
        return Neighbour(content, picture, between, abs(frame - of), detail)

    def _contents(self, frames: Iterable[int]) -> tuple[Pixels, ...]:
        """Contents on the way from one frame to another; what cannot be read is passed over."""
        found = []
        for frame in frames:
            with suppress(FrameError):
                found.append(self._window.frame(frame).pixels)
        return tuple(found)
