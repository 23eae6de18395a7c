"""Running a job that has a study: its cells side by side on one farm, then the sheet of them all."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from render import pipeline
from render.farm.cluster import connected
from render.farm.events import Event, Note, OnEvent, OutputWritten
from render.files import write_atomically
from render.media.frames import Pixels
from render.media.images import ImageSource
from render.media.source import MovingSource
from render.media.stills import decode_png, encode_png
from render.pipeline import Status, Summary
from render.plan import Plan, plan_units
from render.report.facts import read_facts
from render.report.sheet import contact_sheet
from render.spec.job import Job
from render.spec.media import VideoInput
from render.spec.study import Cell, expand_study
from render.store import store_folder

AT_ONCE = 16
"""Cells that are prepared at the same time; Ray lets as many paint as there is room for."""


def run(
    job: Job,
    *,
    on_event: OnEvent = lambda _: None,
    fresh: bool = False,
    verify: bool = False,
) -> Summary:
    """Render a job, with all cells of its study if it has one, or finish it.

    Args:
        job: what to render.
        on_event: is told what happens, as it happens; one call at a time, but those of a study's cells
            come from several threads.
        fresh: throw away what an earlier run made.
        verify: trust nothing that is there; see `pipeline.run`.

    Returns:
        How it ended; of a study, the sums over its cells, and the first reason for each frame.

    Raises:
        RenderError: the job, or a cell, cannot be rendered at all.
        KeyboardInterrupt: it was interrupted; what is finished is kept.
    """
    if not job.study:
        return pipeline.run(job, on_event=on_event, fresh=fresh, verify=verify)
    started = time.monotonic()
    cells = expand_study(job)
    turn = threading.Lock()

    def tell(event: Event) -> None:
        with turn:
            on_event(event)

    def render(cell: Cell) -> Summary:
        tell(Note(f"cell {cell.label}: begun"))
        return pipeline.run(cell.job, on_event=_of_cell(cell, tell), fresh=fresh, verify=verify)

    with connected(job.farm):
        pool = ThreadPoolExecutor(AT_ONCE)
        try:
            summaries = list(pool.map(render, cells))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
    pictures = [(cell.label, picture) for cell in cells for picture in _first_picture(cell)]
    folder = _folder(job)
    if pictures:
        sheet = folder / "contact_sheet.png"
        write_atomically(sheet, encode_png(contact_sheet(pictures)))
        on_event(OutputWritten(sheet, len(pictures)))
    return _summed(folder, summaries, time.monotonic() - started)


@dataclass(frozen=True)
class Planned:
    """A job, or a cell of a study, before it is rendered; `label` is empty for a job alone."""

    label: str
    job: Job
    plan: Plan
    source: ImageSource | MovingSource


def plan_all(job: Job) -> list[Planned]:
    """What `run` would render: the job, or the cells of its study.

    Raises:
        RenderError: something that they read is missing or wrong.
    """
    planned = []
    for cell in expand_study(job) if job.study else [Cell("", job)]:
        prepared = pipeline.prepare(cell.job)
        plan = plan_units(cell.job, prepared.source, prepared.fingerprint())
        planned.append(Planned(cell.label, cell.job, plan, prepared.source))
    return planned


def _of_cell(cell: Cell, tell: OnEvent) -> OnEvent:
    """Passes on what a person wants to know of a cell among many: what goes wrong, and its end."""

    def on_event(event: Event) -> None:
        if isinstance(event, OutputWritten):
            tell(Note(f"cell {cell.label}: finished, in {event.path}"))
        elif not isinstance(event, Note):
            tell(event)

    return on_event


def _folder(job: Job) -> Path:
    path = job.output.path
    return path.with_suffix(".study") if isinstance(job.input, VideoInput) else path


def _first_picture(cell: Cell) -> list[Pixels]:
    """The first finished frame of a cell, if there is one."""
    facts = read_facts(store_folder(cell.job))
    if not facts.frames:
        return []
    path = facts.folder / facts.records[facts.frames[0]].file
    return [decode_png(path.read_bytes()).pixels]


def _summed(folder: Path, summaries: list[Summary], seconds: float) -> Summary:
    failed: dict[int, str] = {}
    for summary in summaries:
        for frame, reason in summary.frames_failed.items():
            failed.setdefault(frame, f"{summary.output.name}: {reason}")
    status: Status = "incomplete" if failed else "finished"
    return Summary(
        status,
        folder,
        folder,
        sum(each.frames_total for each in summaries),
        sum(each.frames_done for each in summaries),
        sum(each.frames_reused for each in summaries),
        failed,
        seconds,
        sum(each.evaluations for each in summaries),
        sum(each.workers for each in summaries),
    )
