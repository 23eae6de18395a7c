"""The output folder: what is finished is on disk, whole, and written down.

A frame goes to a temporary name in its own folder, is flushed to the disk, recorded in the ledger, an
append-only file of JSON lines, and then renamed. A second run believes a line only if the file is
there and has the recorded digest; so a crash before the rename costs the frame in hand, and one after
it costs nothing.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from render.difference import differences
from render.errors import OutputError
from render.files import digest, empty_folder, intact, write_atomically
from render.index import Index
from render.learnt import Learnt
from render.ledger import Ledger, Record, parse_record, write_record
from render.lock import Lock, refuse_links
from render.media.manifest import Manifest
from render.papers import Notes, no_plan, read_plan, write_plan
from render.places import store_folder
from render.plan import Plan
from render.spec.job import Job
from render.spec.load import dump_job
from render.spec.media import VideoInput
from render.spec.stages import stage_count

LIST, PREVIEWS = "pictures", "preview"
"""Folders that hold the list of a job's pictures, and what `render preview` painted."""
_ADDED_TO = ("lock", "ledger/frames.jsonl", "log.jsonl")
_NO_LINKS = (*_ADDED_TO, "ledger", "frames", "stages", LIST, PREVIEWS)


class Store:
    """The output of one job, held by one run at a time; use as a context manager.

    Attributes:
        folder: where everything but the final result lies.
        records: finished frames, by index.
        stages: pictures of frames that are not finished, by index and stage.
        damaged: frames that the ledger has, but whose files are missing or damaged.
        unreadable: lines of the ledger that are no records.
        notes: how the job went.
    """

    def __init__(self, job: Job, *, fresh: bool = False) -> None:
        """Take the output folder, and read what an earlier run of this job finished.

        Args:
            job: whose output this is.
            fresh: throw away what is there and start over.

        Raises:
            OutputError: the folder cannot be written, another run holds it, or it holds the
                frames of a job with other settings.
        """
        self.job = job
        self.folder = store_folder(job)
        self._learnt = Learnt(self.folder / "stages", stage_count(job))
        self._ledger_path = self.folder / "ledger" / "frames.jsonl"
        self.records: Mapping[int, Record] = {}
        self._index: Index | None = None
        self.stages: dict[tuple[int, int], Record] = {}
        self.damaged: set[int] = set()
        self.unreadable = 0
        self.notes = Notes(self.folder)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            refuse_links(self.folder / name for name in _NO_LINKS)
            self._lock = Lock(self.folder)
        except OSError as error:
            raise OutputError(
                f"output.path: {self.folder} cannot be written ({error.strerror}); choose another path"
            ) from error
        try:
            if fresh:
                self._clear()
            self._take_over()
            self._sweep()
            if isinstance(job.input, VideoInput):
                self.records, end = self._read_ledger()
            else:
                self.records = self._index = Index(self._ledger_path, anew=fresh)
                self.unreadable, end = self._index.unreadable, self._index.end
            self._settle_job()
            self._ledger = Ledger(self._ledger_path, end)
        except BaseException as error:
            if self._index is not None:
                self._index.close()
            self._lock.release()
            if isinstance(error, OSError):
                raise OutputError(f"{self.folder} cannot be used: {error.strerror}") from error
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            if self._index is not None:
                self._index.close()
        finally:
            self._ledger.close()
            self._lock.release()

    @property
    def begun(self) -> bool:
        """Whether anything was painted before, be it damaged by now."""
        return bool(self.records or self.stages or self.damaged)

    def plan(self) -> Plan | None:
        """The plan that an earlier run wrote down, if it did.

        Raises:
            OutputError: it is damaged, or missing where frames are finished.
        """
        path = self.folder / "plan.json"
        try:
            return read_plan(path)
        except FileNotFoundError:
            if self.records or self.stages:
                raise no_plan(path, "is missing") from None
            return None

    def keep_plan(self, plan: Plan) -> None:
        """Write the plan down for later runs."""
        write_plan(self.folder / "plan.json", plan)

    def keep_list(self, pictures: Manifest) -> None:
        """Write the list of a job's pictures down for later runs."""
        pictures.move(self.folder / LIST)

    def commit(
        self,
        frame: int,
        file: str,
        data: bytes,
        info: Mapping[str, Any],
        *,
        stage: int | None = None,
        curvature: bytes | None = None,
    ) -> Record:
        """Make a frame durable, with its line in the ledger before it takes its name.

        What its stage before had learnt is then of no more use, and deleted.

        Args:
            frame: index in the source.
            file: name of the committed file, relative to the store's folder.
            data: its bytes.
            info: what is known of its making.
            stage: after which stage it was taken; `None`: it is the finished frame.
            curvature: what that stage has learnt, for the next one.
        """
        self._lock.check()
        if stage is not None and curvature is not None:
            info = {**info, **self._learnt.keep(frame, stage, curvature)}
        record = Record(frame, file, digest(data), info, stage)
        line = write_record(record)
        try:
            write_atomically(self.folder / file, data, before=lambda: self._ledger.append(line))
            self._keep(record)
        except BaseException:
            if self._whole(record) is not None:  # interrupted behind the rename, while waiting
                self._keep(record)
            raise
        self._learnt.below(frame, stage).unlink(missing_ok=True)
        return record

    def record(self, records: Sequence[Record]) -> None:
        """Write down pictures that are whole under their names, all in one go.

        Those that are `lost` are no longer finished.
        """
        assert self._index is not None
        self._lock.check()
        lines = [write_record(record) for record in records]
        self._ledger.append(b"".join(lines))
        self._index.add(records, lines)

    def read(self, frame: int) -> bytes:
        """The committed bytes of a finished frame.

        Raises:
            OutputError: they are no longer what was committed.
        """
        return self._read(self.records[frame])

    def read_stage(self, frame: int, stage: int) -> bytes:
        """The committed bytes of a frame after a stage that was not its last; errors as `read`."""
        return self._read(self.stages[frame, stage])

    def curvature(self, frame: int, stage: int) -> bytes | None:
        """What was learnt of a frame in a stage, if anything was; errors as `read`."""
        try:
            return self._learnt.read(self.stages[frame, stage])
        except OSError:
            raise _damaged(self._learnt.path(frame, stage)) from None

    def _read(self, record: Record) -> bytes:
        if (data := self._whole(record)) is not None:
            return data
        raise _damaged(self.folder / record.file)

    def painted(self, frame: int, stage: int | None) -> bool:
        """Whether a frame's picture after a stage is committed; `None`: the finished frame."""
        return frame in self.records if stage is None else (frame, stage) in self.stages

    def drop_stages(self) -> None:
        """Delete the pictures between stages, once nothing can need them."""
        self.stages.clear()
        shutil.rmtree(self.folder / "stages", ignore_errors=True)

    def _keep(self, record: Record) -> None:
        if record.stage is None:
            assert isinstance(self.records, dict)
            self.records[record.frame] = record
        else:
            self.stages[record.frame, record.stage] = record

    def _clear(self) -> None:
        empty_folder(self.folder, keep="lock")

    def _take_over(self) -> None:
        """Get what an earlier run left elsewhere: see `mirror`."""

    def _sweep(self) -> None:
        """Delete what a run that was killed had begun to write."""
        for folder in (self.folder, self.folder / "frames", self.folder / "stages"):
            for left in folder.glob(".*.part"):
                left.unlink()

    def _read_ledger(self) -> tuple[dict[int, Record], int]:
        """What the ledger and the files agree on, and the bytes of the ledger's whole lines."""
        path = self._ledger_path
        data = path.read_bytes() if path.exists() else b""
        records: dict[int, Record] = {}
        lines = data[: data.rfind(b"\n") + 1]  # a last line that a crash cut short is none
        for line in lines.split(b"\n")[:-1]:
            record = parse_record(line)
            if record is None:
                self.unreadable += 1
            elif self._whole(record) is None:
                self.damaged |= {record.frame} if record.stage is None else set()
            elif record.stage is None:
                records[record.frame] = record
            else:
                self.stages[record.frame, record.stage] = record
        self.damaged -= records.keys()
        for lost in self._learnt.wanting(self.stages, records):
            del self.stages[lost]
        return records, len(lines)

    def _settle_job(self) -> None:
        """Write the job down, or hold it against the one whose frames are here."""
        path = self.folder / "job.yaml"
        try:
            changes = differences(path, self.job)
        except FileNotFoundError:
            changes = ["job.yaml, which says which, is missing"]
        if changes and self.begun:
            raise OutputError(
                f"{self.folder} holds frames of this job with other settings: "
                + "; ".join(changes)
                + ". Change them back, choose another output.path, or start over with --fresh"
            )
        if changes:
            (self.folder / "plan.json").unlink(missing_ok=True)  # it was made for those
        write_atomically(path, dump_job(self.job).encode())

    def _whole(self, record: Record) -> bytes | None:
        """The bytes of a record, if they are there and are those that were recorded."""
        return intact(self.folder / record.file, record.sha256)


def _damaged(path: Path) -> OutputError:
    return OutputError(
        f"{path} was damaged or deleted while this run was going on; the same command makes it again"
    )
