"""Running a job that has a study: its cells side by side on one farm, then the sheet of them all."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace

from render import pipeline, storage
from render.errors import RenderError
from render.farm.cluster import connected, muster
from render.farm.events import (
    Event,
    FrameDone,
    FrameFailed,
    FrameRetried,
    FrameSent,
    Note,
    OnEvent,
    OutputWritten,
    RunStarted,
    StageDone,
)
from render.farm.pool import Pool
from render.farm.site import await_room, growth
from render.inputs import Prepared, prepare
from render.materials import named_files
from render.media.images import ImageSource
from render.media.names import check_sheet
from render.media.source import MovingSource
from render.media.stills import encode_png
from render.media.video import VideoSource
from render.pipeline import Summary
from render.pixels import Pixels
from render.places import store_folder
from render.plan import Plan
from render.planner import plan_units, with_batches
from render.report.cells import CellsPage
from render.report.facts import read_facts
from render.report.sheet import contact_sheet
from render.spec.farm import Farm
from render.spec.job import Job
from render.spec.media import VideoInput
from render.spec.study import Cell, axis_lengths, expand_study
from render.spec.url import AnyPath, beside

MOST_WORKERS = 64
"""Workers at most: each of them may have a cell for itself, and every cell has a thread here."""
SHEET = "contact_sheet.png"
MOST_COLUMNS = 8
"""Columns up to which a grid is shown as a grid."""


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
        How it ended; of a study, the sums over its cells.

    Raises:
        RenderError: the job, or a cell, cannot be rendered at all.
        KeyboardInterrupt: it was interrupted; what is finished is kept.
    """
    if not job.study:
        return pipeline.run(job, on_event=on_event, fresh=fresh, verify=verify)
    started = time.monotonic()
    cells = expand_study(job)
    folder = _folder(job)
    total = sum(len(_prepared(cell, folder).source.frames) for cell in cells)
    reused = 0 if fresh else sum(_finished(cell) for cell in cells)
    on_event(RunStarted(total, reused, 1, len(cells), folder))
    page = CellsPage(folder, [(cell.label, store_folder(cell.job)) for cell in cells])
    try:
        page.update()
        with connected(job.farm), growth() as growing:
            # Here, and not in every cell's thread: it is said once, and can be interrupted.
            for note in await_room(job.farm, MOST_WORKERS):
                on_event(Note(note))
            workers = _most_workers(job.farm, growing=growing)
            summaries, peak = _render_all(
                cells, folder, workers, page, on_event, fresh=fresh, verify=verify
            )
    finally:
        page.finish()
    pictures = [(cell.label, picture) for cell in cells for picture in _first_picture(cell)]
    if pictures:
        sheet = folder / SHEET
        columns = _columns(job) if len(pictures) == len(cells) else None
        storage.write(sheet, encode_png(contact_sheet(pictures, columns)))
        on_event(OutputWritten(sheet, len(pictures)))
    labelled = zip((cell.label for cell in cells), summaries, strict=True)
    return _summed(folder, tuple(labelled), time.monotonic() - started, peak)


def _most_workers(farm: Farm, *, growing: bool) -> int:
    """Workers that the cells may have together; those that there is no room for yet are waited for."""
    if farm.workers != "auto":
        return min(farm.workers, MOST_WORKERS)
    return MOST_WORKERS if growing else muster(farm, MOST_WORKERS).workers


def _render_all(
    cells: Sequence[Cell],
    folder: AnyPath,
    workers: int,
    page: CellsPage,
    on_event: OnEvent,
    *,
    fresh: bool,
    verify: bool,
) -> tuple[list[Summary], int]:
    """Render the cells with so many workers for all; an error or an interrupt ends them all.

    Returns:
        How each of them ended, and the workers that there were at most.
    """
    pool = Pool(workers)
    # What watches may itself cause a warning, which is told like the rest.
    turn, stop = threading.RLock(), threading.Event()
    told: set[str] = set()

    def render(cell: Cell) -> Summary:
        def tell(event: Event) -> None:
            if stop.is_set():
                raise KeyboardInterrupt  # as if this thread had been interrupted: it tidies up
            if isinstance(event, RunStarted):
                return
            with turn:
                if not isinstance(event, Note) or not event.shared:
                    on_event(_of_cell(event, cell.label))
                elif event.text not in told:
                    told.add(event.text)
                    on_event(event)

        return pipeline.run(cell.job, pool, on_event=tell, fresh=fresh, verify=verify, study=folder)

    # One more than can have a worker: it makes ready meanwhile.
    threads = ThreadPoolExecutor(workers + 1)
    calls = [threads.submit(render, cell) for cell in cells]
    try:
        for call in as_completed(calls):
            call.result()
            page.update()
    except BaseException:
        stop.set()
        pool.close()
        raise
    finally:
        threads.shutdown(wait=True, cancel_futures=True)
        pool.close()
    return [call.result() for call in calls], pool.peak


def _prepared(cell: Cell, folder: AnyPath) -> Prepared:
    """What a cell of the study in a folder reads, opened.

    Raises:
        RenderError: something is missing or wrong; the message begins with the cell.
    """
    try:
        prepared = prepare(cell.job, study=folder)
        source = prepared.source
        if not isinstance(source, VideoSource):
            pictures = source if isinstance(source, ImageSource) else source.pictures
            check_sheet(folder / SHEET, pictures, named_files(cell.job, source.frames))
        return prepared
    except RenderError as error:
        raise type(error)(f"cell {cell.label}: {error}") from error


def _finished(cell: Cell) -> int:
    """Frames of a cell that an earlier run finished."""
    try:
        return len(read_facts(store_folder(cell.job)).frames)
    except RenderError:
        return 0


def _columns(job: Job) -> int | None:
    """Those of the sheet of a grid: the values of its last key."""
    values = axis_lengths(job)
    return values[-1] if len(values) > 1 and values[-1] <= MOST_COLUMNS else None


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
        prepared = _prepared(cell, _folder(job)) if job.study else prepare(job)
        plan = plan_units(cell.job, prepared.source, prepared.fingerprints())
        if isinstance(prepared.source, ImageSource):
            plan = with_batches(cell.job, plan, prepared.source)
        planned.append(Planned(cell.label, cell.job, plan, prepared.source))
    return planned


def _of_cell(event: Event, label: str) -> Event:
    """The event, with the cell where it tells of one."""
    match event:
        case FrameSent() | FrameDone() | StageDone() | FrameFailed() | FrameRetried():
            return replace(event, cell=label)
        case Note():
            return Note(f"cell {label}: {event.text}")
        case OutputWritten():
            return Note(f"cell {label}: finished, in {event.path}")
    return event


def _folder(job: Job) -> AnyPath:
    path = job.output.path
    if not isinstance(job.input, VideoInput):
        return path
    return beside(path, ".study", folder=job.output.codec == "frames")


def _first_picture(cell: Cell) -> list[Pixels]:
    """The first finished frame of a cell, if there is one."""
    facts = read_facts(store_folder(cell.job))
    if not facts.frames:
        return []
    return [facts.result(facts.frames[0])]


def _summed(
    folder: AnyPath, cells: tuple[tuple[str, Summary], ...], seconds: float, workers: int
) -> Summary:
    summaries = [summary for _, summary in cells]
    whole = all(each.status == "finished" for each in summaries)
    return Summary(
        "finished" if whole else "incomplete",
        folder,
        folder,
        sum(each.frames_total for each in summaries),
        sum(each.frames_done for each in summaries),
        sum(each.frames_reused for each in summaries),
        {},
        seconds,
        sum(each.evaluations for each in summaries),
        workers,
        cells,
    )
