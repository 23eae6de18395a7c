"""What an output folder says about its job, read without opening anything else."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from render.errors import OutputError
from render.ledger import Record, parse_record
from render.plan import Plan
from render.spec.job import Job
from render.spec.load import load_job


@dataclass(frozen=True)
class Facts:
    """Everything that a report tells.

    Attributes:
        folder: the `.render` folder.
        job: the resolved job.
        plan: its shots and units.
        records: finished frames, by index.
        stages: what is known of frames after the stages before their last, by index and stage.
        failures: frames that are missing, each with its reason.
        summary: how the last run ended; empty while the first one is running.
        versions: program and libraries that the last run had, by name.
        metrics: what was measured of each frame; empty if nothing was.
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

    @property
    def frames(self) -> list[int]:
        """Indices of the finished frames, in order."""
        return [frame for frame in self.plan.frames if frame in self.records]

    def steps(self, frame: int) -> list[Mapping[str, Any]]:
        """What is known of the making of a finished frame, stage by stage."""
        earlier = self.stages.get(frame, {})
        return [*(earlier[stage] for stage in sorted(earlier)), self.records[frame].info]


def read_facts(output: Path) -> Facts:
    """Read an output.

    Args:
        output: the result, a video or a folder of pictures, or the `.render` folder itself.

    Raises:
        OutputError: no job has been rendered there.
        JobError: its `job.yaml` is of another version of this program.
    """
    folder = find_folder(output)
    try:
        plan = Plan.from_data(_json(folder / "plan.json"))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise OutputError(f"{folder} has no plan yet; has its job been started?") from error
    summary = _json(folder / "summary.json") or {}
    records = _records(folder)
    return Facts(
        folder,
        load_job(folder / "job.yaml"),
        plan,
        {
            record.frame: record
            for record in records
            if record.stage is None and (folder / record.file).is_file()
        },
        _stages(records),
        {each["frame"]: each["reason"] for each in summary.get("frames_failed", [])},
        summary,
        _json(folder / "versions.json") or {},
        (_json(folder / "metrics.json") or {}).get("per_frame", []),
    )


def find_folder(output: Path) -> Path:
    """The `.render` folder of an output.

    Raises:
        OutputError: there is none.
    """
    for folder in (output, output / ".render", output.with_suffix(".render")):
        if (folder / "job.yaml").is_file():
            return folder
    raise OutputError(
        f"{output}: no output of render; name a finished video, a folder of pictures, or the "
        f".render folder of either"
    )


def _json(path: Path) -> Any:  # noqa: ANN401
    """The data of a file; `None` if it is missing or damaged: a report tells what there is."""
    with suppress(OSError, ValueError):
        return json.loads(path.read_text())
    return None


def _records(folder: Path) -> list[Record]:
    with suppress(OSError):
        lines = (folder / "ledger" / "frames.jsonl").read_bytes().split(b"\n")
        return [record for line in lines if (record := parse_record(line)) is not None]
    return []


def _stages(records: Sequence[Record]) -> dict[int, dict[int, Mapping[str, Any]]]:
    found: dict[int, dict[int, Mapping[str, Any]]] = {}
    for record in records:
        if record.stage is not None:
            found.setdefault(record.frame, {})[record.stage] = record.info
    return found
