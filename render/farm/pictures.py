"""Pictures that do not follow each other as work: batches out, finished files in."""

from __future__ import annotations

import time
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from render import storage
from render.batches import portions
from render.dispatch import Dispatch, Given
from render.errors import RenderError
from render.farm.actor import BatchReply, BatchTask, Reply
from render.farm.events import Event, FrameDone, Note
from render.farm.transfer import direct
from render.farm.work import Errand, Fault
from render.ledger import Record
from render.materials import read_masks
from render.media.names import output_name
from render.spec.job import Job
from render.spec.url import AnyPath
from render.store import Store
from render.together import Finished, Keeper, Readable, Unreadable, Wanted

MOST_TRACES = 1000
"""Pictures of a job whose loss on the way is written down: curves of a million are of use to nobody."""


@dataclass(eq=False)
class BatchErrand(Errand):
    """A batch."""

    given: Given


class PictureSource(Protocol):
    """What this needs of a source."""

    @property
    def frames(self) -> range:
        """The pictures."""

    def name(self, frame: int) -> str:
        """Path of a picture below the input folder."""

    def path(self, frame: int) -> AnyPath:
        """File of a picture."""

    def planned_sizes(self) -> Iterator[tuple[int, tuple[int, int]]]:
        """Index and size as rendered of all pictures, in order; (0, 0): not known."""

    def original(self, frame: int, *, read: bool) -> Readable:
        """A picture to be sent away, with what is in its file if it is to be read here."""


class Pictures:
    """All pictures that are not finished; see `Work`.

    Args:
        job: what is rendered.
        source: its pictures.
        store: what is finished.
        failed: pictures that are set aside.
        keeper: keeps finished files on the workers' side; `None`: this writes them.
    """

    def __init__(
        self,
        job: Job,
        source: PictureSource,
        store: Store,
        failed: Container[int],
        keeper: Keeper | None = None,
    ) -> None:
        self._job = job
        self._source = source
        self._store = store
        self._failed = failed
        self._keeper = keeper
        total = len(source.frames)
        self._traced = max(1, total // MOST_TRACES)
        self._suspects: list[Given] = []
        self._dispatch = Dispatch(portions(job, source.planned_sizes(), total), self._wanted)

    def places(self) -> int:
        """Batches that are left, as far as is looked ahead."""
        return self._dispatch.left

    def next(self, worker: str) -> BatchErrand | None:
        """The next batch; what cannot be read of it is for the worker to say."""
        given = self._dispatch.next(worker)
        if given is None:
            return None
        frames = given.batch.frames
        task = BatchTask(tuple(map(self._picture, frames)), given.attempt, self._keeper)
        return BatchErrand(task, frames, 0, 0, given)

    def take(
        self, errand: Errand, reply: Reply | BatchReply, worker: str
    ) -> Iterator[Event | Fault] | None:
        """Commit what is good of a batch; `None`: it is of an attempt that was given up."""
        assert isinstance(errand, BatchErrand)
        assert isinstance(reply, BatchReply)
        if reply.attempt != errand.given.attempt:
            return None
        self._dispatch.done(worker, errand.given)
        return self._taken(errand.given, reply.pictures, worker)

    def release(self, worker: str, errands: Sequence[Errand]) -> None:
        """Take a worker's batches back."""
        self._dispatch.release(worker, [e.given for e in errands if isinstance(e, BatchErrand)])
        for suspect in self._suspects:
            self._dispatch.separate(suspect)
        self._suspects.clear()

    def separate(self, errand: Errand) -> None:
        """Paint each picture of a batch by itself from now on, once it is released."""
        assert isinstance(errand, BatchErrand)
        self._suspects.append(errand.given)

    def stuck(self) -> None:
        """Pictures wait for nothing."""

    def close(self) -> None:
        """Nothing is open."""

    def _wanted(self, frame: int) -> bool:
        return frame not in self._store.records and frame not in self._failed

    def _picture(self, frame: int) -> Wanted:
        name = self._name(frame)
        try:
            masks = read_masks(self._job, frame)
            here = not direct(self._job, self._source.path(frame))
            original = self._source.original(frame, read=here)
        except RenderError as error:
            return Wanted(frame, name, Unreadable(str(error)))
        return Wanted(frame, name, original, masks)

    def _taken(
        self, given: Given, brought: Sequence[Finished], worker: str
    ) -> Iterator[Event | Fault]:
        good = [one for one in brought if not one.reason and self._wanted(one.frame)]
        self._commit(good, given, worker)
        for one in good:
            for note in one.notes:
                yield Note(note, shared=True)
            yield FrameDone(
                one.frame, given.unit, 0, worker, one.seconds, one.evaluations, one.loss
            )
        for one in brought:
            if one.reason and self._wanted(one.frame):
                yield Fault(one.frame, 0, one.reason, one.final)
                if self._wanted(one.frame):
                    self._dispatch.again(given, one.frame)

    def _commit(self, good: Sequence[Finished], given: Given, worker: str) -> None:
        """Write the files, and when all are on the disk, their lines of the ledger."""
        if self._keeper is None:
            for one in good:
                storage.write(self._job.output.path / self._name(one.frame), one.data)
        self._store.record([self._record(one, given, worker) for one in good])

    def _record(self, one: Finished, given: Given, worker: str) -> Record:
        about: dict[str, object] = {
            "unit": given.unit,
            "attempt": given.attempt,
            "worker": worker,
            "seconds": round(one.seconds, 3),
            "evaluations": one.evaluations,
            "loss": one.loss,
            "source": one.source,
            "bytes": one.size,
            "at": round(time.time(), 3),
        }
        if one.frame % self._traced == 0:
            about["trace"] = one.trace
        if one.changed:
            about["changed"] = one.changed
        return Record(one.frame, self._name(one.frame), one.sha256, about)

    def _name(self, frame: int) -> str:
        return str(output_name(self._source, frame, self._job.output))
