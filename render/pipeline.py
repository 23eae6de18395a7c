"""From a job to its finished result: the one place that knows the order of things."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal

from render.farm.cluster import connected
from render.farm.driver import Driver
from render.farm.events import (
    Event,
    FrameDone,
    FrameFailed,
    Note,
    OnEvent,
    OutputWritten,
    RunStarted,
    StageDone,
)
from render.farm.gauges import measured
from render.farm.log import logged
from render.farm.pool import Pool
from render.finish import finish_video, lost_pictures
from render.inputs import are_few, prepare, settled_plan, some
from render.ledger import Record
from render.media.images import ImageSource
from render.mirror import open_store
from render.places import store_place
from render.plan import Plan
from render.report.live import LiveReport, keep_versions
from render.schedule import evaluations_left
from render.spec.job import Job
from render.spec.url import AnyPath
from render.store import Store

Status = Literal["finished", "incomplete", "failed"]


@dataclass(frozen=True)
class Summary:
    """How a run ended.

    Attributes:
        status: `finished`; `incomplete` if frames are missing, set aside or not yet rendered;
            `failed` if an error ended the run.
        output: the final file or folder.
        folder: where the frames, the ledger and this summary lie.
        frames_total: frames of the job.
        frames_done: of those, finished by now.
        frames_reused: of those, finished before this run.
        frames_failed: frames that were set aside, with their reasons.
        seconds: time that this run took.
        evaluations: evaluations that this run made.
        workers: workers that this run had at most.
        cells: of a study, its cells with their labels; their failed frames are theirs alone.
    """

    status: Status
    output: AnyPath
    folder: AnyPath
    frames_total: int
    frames_done: int
    frames_reused: int
    frames_failed: dict[int, str]
    seconds: float
    evaluations: int
    workers: int
    cells: tuple[tuple[str, Summary], ...] = ()

    def to_data(self) -> dict[str, Any]:
        """As plain data, for `summary.json` and the last line of the log."""
        return {
            "status": self.status,
            "output": str(self.output),
            "folder": str(self.folder),
            "frames_total": self.frames_total,
            "frames_done": self.frames_done,
            "frames_reused": self.frames_reused,
            "frames_failed": [
                {"frame": frame, "reason": reason}
                for frame, reason in sorted(self.frames_failed.items())
            ]
            + [
                {"cell": label, **failure}
                for label, cell in self.cells
                for failure in cell.to_data()["frames_failed"]
            ],
            "seconds": round(self.seconds, 3),
            "evaluations": self.evaluations,
            "workers": self.workers,
        }


def run(
    job: Job,
    pool: Pool | None = None,
    *,
    on_event: OnEvent = lambda _: None,
    fresh: bool = False,
    verify: bool = False,
    study: AnyPath | None = None,
) -> Summary:
    """Render a job without a study, or finish it where an earlier run left off.

    Every run holds all committed frames, finished videos, and pictures if there are no more than some
    thousand, against their digests, and makes again what differs. `verify` does so with any number of
    pictures, also looks whether those that are read are the same, and says how many frames agreed.

    Args:
        job: what to render.
        pool: where to take workers from; `None`: it has its own.
        on_event: is told what happens, as it happens.
        fresh: throw away what an earlier run made.
        verify: trust nothing that is there.
        study: of a cell, the folder of its study.

    Returns:
        How it ended. Frames that cannot be rendered are no exception: they are in the summary.

    Raises:
        RenderError: the job cannot be rendered at all.
        KeyboardInterrupt: it was interrupted; what is finished is kept, and so is a summary.
    """
    started = time.monotonic()
    with _warnings_told(on_event):
        prepared = prepare(job, look=fresh or verify, study=study)
    source = prepared.source
    with _warnings_told(on_event) as teller, open_store(job, fresh=fresh) as store:
        on_event = teller.on_event = logged(on_event, store.folder / "log.jsonl")
        plan = settled_plan(job, prepared, store)
        if isinstance(source, ImageSource) and (verify or are_few(plan.total)):
            _take_back(store, list(lost_pictures(job, store, thorough=verify)))
        reused = len(store.records)
        on_event(_started(job, plan, store))
        agreed = [f"{reused} committed frames agree with the ledger"] if verify else []
        for note in prepared.notes:
            on_event(Note(note, shared=True))
        for note in (*_damage(store), *agreed):
            on_event(Note(note))
        keep_versions(store.folder, job)
        page = LiveReport(store.folder, source)
        page.update()
        evaluations = 0

        def watch(event: Event) -> None:
            nonlocal evaluations
            if isinstance(event, FrameDone):
                evaluations += event.evaluations
            if isinstance(event, FrameFailed):
                page.failures[event.frame] = event.reason
            if isinstance(event, FrameDone | FrameFailed):
                page.update()
            elif isinstance(event, StageDone):
                evaluations += event.evaluations
            on_event(event)

        driver = Driver(job, plan, source, prepared.materials, store)

        def summary(status: Status) -> Summary:
            return Summary(
                status,
                job.output.path,
                store_place(job),
                plan.total,
                len(store.records),
                reused,
                driver.failed,
                time.monotonic() - started,
                evaluations,
                driver.workers,
            )

        # Should this run be cut off, no earlier one is to speak for it.
        store.notes.drop_summary(painted=reused < plan.total)
        try:
            if reused < plan.total:
                with connected(job.farm), nullcontext(pool) if pool else Pool() as workers:
                    driver.run(workers, measured(watch, job.output.path.name))
            if not driver.failed:
                count = (
                    plan.total
                    if isinstance(source, ImageSource)
                    else finish_video(job, plan, source, store)
                )
                store.drop_stages()
        except BaseException as error:
            status, why = _cut_short(error)
            store.notes.write_summary({**summary(status).to_data(), "error": why})
            page.finish()
            raise
        result = summary("incomplete" if driver.failed else "finished")
        store.notes.write_summary(result.to_data())
        page.finish()
        if not driver.failed:
            on_event(OutputWritten(job.output.path, count))
        return result


def _cut_short(error: BaseException) -> tuple[Status, str]:
    """How a run ended that an error ended, and why."""
    if isinstance(error, KeyboardInterrupt):
        return "incomplete", "interrupted"
    return "failed", str(error) or type(error).__name__


class _Teller(logging.Handler):
    """Hands warnings to whoever watches the run, `on_event`, each once."""

    def __init__(self, on_event: OnEvent) -> None:
        super().__init__(logging.WARNING)
        self.on_event = on_event
        self._told: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        words = record.getMessage()
        if words not in self._told:  # a damaged frame is met by the search for cuts, and then again
            self._told.add(words)
            self.on_event(Note(words, shared=True))


@contextmanager
def _warnings_told(on_event: OnEvent) -> Iterator[_Teller]:
    """Have what is logged meanwhile, of damaged frames for example, come as notes among the events."""
    logger, teller = logging.getLogger("render"), _Teller(on_event)
    logger.addHandler(teller)
    try:
        yield teller
    finally:
        logger.removeHandler(teller)


def _started(job: Job, plan: Plan, store: Store) -> RunStarted:
    done = store.records
    if plan.rate is None:
        by_shot: tuple[tuple[int, int], ...] = ((plan.total, len(done)),)
    else:
        by_shot = tuple((len(shot), sum(frame in done for frame in shot)) for shot in plan.shots)
    stages = [record for record in store.stages.values() if record.frame not in done]
    spent = sum(record.info.get("evaluations", 0) for record in stages)
    return RunStarted(
        plan.total,
        sum(finished for _, finished in by_shot),
        len(plan.shots),
        len(plan.units),
        store.folder,
        max(0, evaluations_left(job, plan, done) - spent),
        by_shot,
    )


def _take_back(store: Store, lost: Sequence[int]) -> None:
    """Write down that pictures are not finished after all."""
    store.record([Record(frame, store.records[frame].file, "") for frame in lost])
    store.damaged.update(lost)


def _damage(store: Store) -> Iterator[str]:
    if store.unreadable:
        yield f"{store.unreadable} lines of the ledger cannot be read; their frames are rendered again"
    if store.damaged:
        named = some([str(frame) for frame in sorted(store.damaged)])
        yield f"missing or damaged, rendered again: frames {named}"
