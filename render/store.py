"""The output folder: what is finished is on disk, whole, and written down.

A frame goes to a temporary name in its own folder, is flushed to the disk, recorded in the ledger, an
append-only file of JSON lines, and then renamed. A second run believes a line only if the file is
there and has the recorded digest; so a crash before the rename costs the frame in hand, and one after
it costs nothing.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Self

import yaml

from render.errors import OutputError
from render.files import write_atomically
from render.ledger import Record, parse_record, write_record
from render.plan import Plan
from render.spec.job import Job
from render.spec.load import dump_job
from render.spec.media import VideoInput

_PAINTING_KEYS = ("size", "height")
"""Keys of `output` that decide what is painted; the others say only how it is written."""


def store_folder(job: Job) -> Path:
    """`out/clip.render` beside `out/clip.mp4`; `out/.render` in a folder of pictures `out`."""
    path = job.output.path
    video = isinstance(job.input, VideoInput)
    return path.with_suffix(".render") if video else path / ".render"


class Store:
    """The output of one job, held by one run at a time; use as a context manager.

    Attributes:
        folder: where everything but the final result lies.
        records: finished frames, by index.
        stages: pictures of frames that are not finished, by index and stage.
        damaged: frames that the ledger has, but whose files are missing or damaged.
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
        self.records: dict[int, Record] = {}
        self.stages: dict[tuple[int, int], Record] = {}
        self.damaged: set[int] = set()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = self._take_lock()
        except OSError as error:
            raise OutputError(
                f"output.path: {self.folder} cannot be written ({error.strerror}); choose another path"
            ) from error
        try:
            if fresh:
                self._clear()
            self._settle_job()
            self.ledger = self._open_ledger()
        except BaseException as error:
            self._lock.close()
            if isinstance(error, OSError):
                raise OutputError(
                    f"{self.folder} cannot be written or read: {error.strerror}"
                ) from error
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.ledger.close()
        self._lock.close()

    def plan(self) -> Plan | None:
        """The plan that an earlier run wrote down, if it did."""
        data = self._read_json("plan.json")
        return None if data is None else Plan.from_data(data)

    def keep_plan(self, plan: Plan) -> None:
        """Write the plan down for later runs."""
        write_atomically(self.folder / "plan.json", _json(plan.to_data()).encode())

    def commit(
        self,
        frame: int,
        file: str,
        data: bytes,
        info: Mapping[str, Any],
        *,
        stage: int | None = None,
    ) -> Record:
        """Make a frame durable, with its line in the ledger before it takes its name.

        Args:
            frame: index in the source.
            file: name of the committed file, relative to the store's folder.
            data: its bytes.
            info: what is known of its making.
            stage: after which stage it was taken; `None`: it is the finished frame.
        """
        record = Record(frame, file, hashlib.sha256(data).hexdigest(), info, stage)
        line = write_record(record)
        try:
            write_atomically(self.folder / file, data, before=lambda: self._append(line))
            self._keep(record)
        except BaseException:
            if self._is_whole(
                record
            ):  # interrupted behind the rename, while the disk was waited for
                self._keep(record)
            raise
        return record

    def _append(self, line: bytes) -> None:
        """Add a line to the ledger, whole or not at all."""
        end = os.fstat(self.ledger.fileno()).st_size
        try:
            if os.write(self.ledger.fileno(), line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(self.ledger.fileno())
        except OSError:
            os.ftruncate(self.ledger.fileno(), end)
            raise

    def read(self, frame: int) -> bytes:
        """The committed bytes of a finished frame."""
        return (self.folder / self.records[frame].file).read_bytes()

    def read_stage(self, frame: int, stage: int) -> bytes:
        """The committed bytes of a frame after a stage that was not its last."""
        return (self.folder / self.stages[frame, stage].file).read_bytes()

    def drop_stages(self) -> None:
        """Delete the pictures between stages, once nothing can need them."""
        self.stages.clear()
        shutil.rmtree(self.folder / "stages", ignore_errors=True)

    def _keep(self, record: Record) -> None:
        if record.stage is None:
            self.records[record.frame] = record
        else:
            self.stages[record.frame, record.stage] = record

    def receipt(self) -> dict[str, Any] | None:
        """What the final file was made of, when it was last written; `None` if it was not."""
        return self._read_json("output.json")

    def keep_receipt(self, receipt: Mapping[str, Any]) -> None:
        """Note what the final file was made of."""
        write_atomically(self.folder / "output.json", _json(receipt).encode())

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        """Write `summary.json`."""
        write_atomically(self.folder / "summary.json", _json(summary).encode())

    def add_to_summary(self, more: Mapping[str, Any]) -> None:
        """Put more into `summary.json`, beside what is there."""
        self.write_summary({**(self._read_json("summary.json") or {}), **more})

    def _read_json(self, name: str) -> dict[str, Any] | None:
        path = self.folder / name
        try:
            data: dict[str, Any] = json.loads(path.read_text())
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise OutputError(f"{path} is damaged; start over with --fresh") from error
        return data

    def _take_lock(self) -> IO[bytes]:
        """Lock the folder; the system lets go of the lock when this process ends, however it does."""
        lock = (self.folder / "lock").open("ab")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise OutputError(f"another run is writing to {self.folder}; wait for it") from None
        return lock

    def _clear(self) -> None:
        for path in self.folder.iterdir():
            if path.name == "lock":
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()

    def _settle_job(self) -> None:
        """Write the job down, or hold it against the one whose frames are here."""
        path = self.folder / "job.yaml"
        if path.exists():
            changes = list(
                _changes(_painting(yaml.safe_load(path.read_text())), _painting_of(self.job))
            )
            if changes:
                raise OutputError(
                    f"{self.folder} holds frames of this job with other settings: "
                    + "; ".join(changes)
                    + ". Change them back, choose another output.path, or start over with --fresh"
                )
        write_atomically(path, dump_job(self.job).encode())

    def _open_ledger(self) -> IO[bytes]:
        """Read the ledger, drop a last line that a crash cut short, and open it for more."""
        path = self.folder / "ledger" / "frames.jsonl"
        path.parent.mkdir(exist_ok=True)
        data = path.read_bytes() if path.exists() else b""
        for line in data.split(b"\n")[:-1]:
            record = parse_record(line)
            if record is None:
                continue
            if self._is_whole(record):
                self._keep(record)
            elif record.stage is None:
                self.damaged.add(record.frame)
        self.damaged -= self.records.keys()
        for name in ("frames", "stages"):
            for left in (self.folder / name).glob(".*.part"):
                left.unlink()  # of a run that was killed
        ledger = path.open("ab", buffering=0)
        ledger.truncate(data.rfind(b"\n") + 1)
        return ledger

    def _is_whole(self, record: Record) -> bool:
        path = self.folder / record.file
        with suppress(OSError), path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == record.sha256
        return False


def _painting_of(job: Job) -> dict[str, Any]:
    return _painting(yaml.safe_load(dump_job(job)))


def _painting(data: dict[str, Any]) -> dict[str, Any]:
    """The settings that decide what the frames look like.

    Left out: the farm, but for its threads, which change rounding, how the video is encoded, and the
    folders of files: what is in those the plan's fingerprint says, and a job may go on elsewhere, where
    a cluster has unpacked it for example.
    """
    kept = {key: value for key, value in data.items() if key not in ("farm", "output")}
    output = data.get("output", {})
    kept["output"] = {key: output.get(key) for key in _PAINTING_KEYS}
    threads = data.get("farm", {}).get("cpus_per_worker")
    kept["farm"] = {"cpus_per_worker": threads}
    named: dict[str, Any] = _without_folders(kept)
    return named


def _without_folders(value: Any) -> Any:  # noqa: ANN401 - any tree of plain data
    if isinstance(value, dict):
        return {key: _without_folders(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_without_folders(inner) for inner in value]
    if isinstance(value, str) and value.startswith("/"):
        return Path(value).name
    return value


def _changes(old: object, new: object, key: str = "") -> Iterator[str]:
    """Differences of two trees of plain data, as `key: old → new`."""
    if isinstance(old, dict) and isinstance(new, dict):
        for name in sorted(old.keys() | new.keys()):
            yield from _changes(old.get(name), new.get(name), f"{key}.{name}" if key else str(name))
    elif old != new:
        yield f"{key}: {_short(old)} → {_short(new)}"


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _json(data: Mapping[str, Any]) -> str:
    return json.dumps(data, indent=2) + "\n"
