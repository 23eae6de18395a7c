"""What an output folder says about its job, read without opening anything else."""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from render import storage
from render.errors import OutputError
from render.ledger import Record, parse_record
from render.media.stills import decode_png, read_still
from render.papers import read_note, read_plan
from render.pixels import Pixels
from render.places import find_folder
from render.plan import Plan
from render.report.trust import Ending, Measurements, Step, check
from render.spec.job import Job
from render.spec.load import load_job
from render.spec.media import VideoInput
from render.spec.url import AnyPath, Url

MOST_READ = 2_000_000
"""Bytes of a ledger of pictures that a report is made of: some thousand of them."""

MOST_MENDED = 100


@dataclass(frozen=True)
class Facts:
    """Everything that a report tells.

    Attributes:
        folder: the `.render` folder.
        job: the resolved job.
        plan: its shots and units.
        records: finished frames, by index; of very many pictures those that were finished last.
        stages: what is known of frames after the stages before their last, by index and stage.
        failures: frames that are missing, each with its reason.
        summary: how the last run ended; empty while the first one is running.
        versions: program and libraries that the last run had, by name.
        metrics: what was measured of each frame; empty if nothing was.
        mended: the last faults that did not cost a frame, as the log has them.
    """

    folder: Path
    job: Job
    plan: Plan
    records: Mapping[int, Record]
    stages: Mapping[int, Mapping[int, Mapping[str, Any]]]
    failures: Mapping[int, str]
    summary: Mapping[str, Any]
    versions: Mapping[str, str]
    metrics: Sequence[Mapping[str, Any]]
    mended: Sequence[Mapping[str, Any]]

    @property
    def frames(self) -> list[int]:
        """Indices of the finished frames of which something is known, in order."""
        return sorted(self.records)

    def result(self, frame: int) -> Pixels:
        """What a finished frame looks like, H×W×3.

        Raises:
            SourceError: its file cannot be read.
        """
        file = self.records[frame].file
        if isinstance(self.job.input, VideoInput):
            return decode_png(storage.read(self.folder / file)).pixels
        return read_still(_place(self.folder, self.job) / file).pixels

    def steps(self, frame: int) -> list[Mapping[str, Any]]:
        """What is known of the making of a finished frame, stage by stage."""
        earlier = self.stages.get(frame, {})
        return [*(earlier[stage] for stage in sorted(earlier)), self.records[frame].info]


def read_facts(output: Path) -> Facts:
    """Read an output.

    Args:
        output: the result, a video or a folder of pictures, or the `.render` folder itself.

    Raises:
        OutputError: no job has been rendered there, or what is noted there is damaged.
        JobError: its `job.yaml` is of another version of this program.
    """
    folder = find_folder(output)
    try:
        plan = read_plan(folder / "plan.json")
    except FileNotFoundError as error:
        raise OutputError(f"{folder} has no plan yet; has its job been started?") from error
    summary = _note(folder / "summary.json", Ending)
    job = load_job(folder / "job.yaml")
    pictures = not isinstance(job.input, VideoInput)
    records = _records(folder, pictures=pictures)
    files = _place(folder, job) if pictures else folder
    return Facts(
        folder,
        job,
        plan,
        {
            record.frame: record
            for record in records
            if record.stage is None and (isinstance(files, Url) or (files / record.file).is_file())
        },
        _stages(records),
        {each["frame"]: each["reason"] for each in summary.get("frames_failed", [])},
        summary,
        read_note(folder / "versions.json"),
        _note(folder / "metrics.json", Measurements).get("per_frame", []),
        _mended(folder),
    )


def _note(path: Path, kind: type[BaseModel]) -> dict[str, Any]:
    """What was noted, if it was: a report tells what there is."""
    note = read_note(path)
    check(kind, note, path)
    return note


def _mended(folder: Path) -> list[Mapping[str, Any]]:
    """Attempts that were tried again and workers that were replaced, as the log has them."""
    found: deque[Mapping[str, Any]] = deque(maxlen=MOST_MENDED)
    with suppress(OSError), (folder / "log.jsonl").open(errors="replace") as lines:
        for line in lines:
            with suppress(ValueError, RecursionError):
                match json.loads(line):
                    case {"at": str(), "event": "FrameRetried" | "WorkerLost"} as entry:
                        found.append(entry)
    return list(found)


def _place(folder: Path, job: Job) -> AnyPath:
    """Where finished pictures lie: around their `.render` folder, wherever that is now."""
    return job.output.path if isinstance(job.output.path, Url) else folder.parent


def _records(folder: Path, *, pictures: bool) -> list[Record]:
    """The ledger's records; of pictures, of which there may be millions, the last."""
    path = folder / "ledger" / "frames.jsonl"
    with suppress(OSError), path.open("rb") as file:
        length = file.seek(0, os.SEEK_END)
        file.seek(max(0, length - MOST_READ) if pictures else 0)
        lines = file.read().split(b"\n")
        found = (parse_record(line, pictures=pictures) for line in lines)
        records = [record for record in found if record is not None]
        for record in records:
            check(Step, record.info, path, f"frame {record.frame}")
        return records
    return []


def _stages(records: Sequence[Record]) -> dict[int, dict[int, Mapping[str, Any]]]:
    found: dict[int, dict[int, Mapping[str, Any]]] = {}
    for record in records:
        if record.stage is not None:
            found.setdefault(record.frame, {})[record.stage] = record.info
    return found
