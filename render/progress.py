"""What a person sees of a run: a bar on a terminal, lines in a log."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

from render.farm.events import (
    Event,
    FrameDone,
    FrameFailed,
    FrameRetried,
    FrameSent,
    Note,
    OutputWritten,
    RunStarted,
    StageDone,
    WorkerLost,
    WorkerReady,
)
from render.spec.url import AnyPath

LINE_EVERY = 10.0
"""Seconds between two lines of progress in a log."""
MOST_WORKERS = 4
"""Workers of which a line tells what they do."""


class Display:
    """Shows events on a console; a context manager, to be called with each event."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._begun = self._started = time.monotonic()
        self._last_line = 0.0
        self._folder: AnyPath | None = None
        self._total = 0
        self._reused = 0
        self._rendered = 0
        self._failed = 0
        self._evaluations = 0
        self._wanted = 0
        self._by_shot: list[list[int]] = []
        self._shot = "rendering"
        self._tasks: dict[str, list[tuple[str, int]]] = {}
        self._bar: Progress | None = None
        self._live = Live(console=console, get_renderable=self._picture, refresh_per_second=4)
        if console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=None),  # what the others leave of the line
                MofNCompleteColumn(),
                TextColumn("{task.fields[pace]}"),
                console=console,
                expand=True,
            )
            self._task = self._bar.add_task("preparing", total=None, pace="")

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def _picture(self) -> Group:
        """The bar, and below it what the workers do, as far as the line is long."""
        doing = self.doing()
        workers = [Text(doing, "dim", no_wrap=True, overflow="ellipsis")] if doing else []
        return Group(*([] if self._bar is None else [self._bar]), *workers)

    def __call__(self, event: Event) -> None:
        """Show one event."""
        match event:
            case RunStarted():
                self._begin(event)
            case Note():
                self._say(event.text)
            case WorkerReady():
                if not self._evaluations and not self._rendered:
                    self._started = time.monotonic()  # what came before was no painting
                self._greet(event)
            case FrameSent():
                self._tasks.setdefault(event.worker, []).append((event.cell, event.frame))
            case FrameDone():
                self._count(event)
                self._rendered += 1
                if event.shot < len(self._by_shot) > 1:
                    shot = self._by_shot[event.shot]
                    shot[1] += 1
                    self._shot = f"shot {event.shot + 1}/{len(self._by_shot)}: {shot[1]}/{shot[0]}"
                self._tell()
            case StageDone():
                self._count(event)
                self._tell()
            case FrameRetried():
                self._say(
                    f"{_frame(event.cell, event.frame)} failed, trying again: {event.reason}",
                    "yellow",
                )
            case FrameFailed():
                self._failed += 1
                self._say(f"{_frame(event.cell, event.frame)} is set aside: {event.reason}", "red")
            case WorkerLost():
                self._tasks.pop(event.worker, None)
                self._say(f"{event.worker} died: {event.reason}", "yellow")
            case OutputWritten():
                self._end(event)

    def doing(self) -> str:
        """What each worker paints: `worker-1: frame 12`; of many workers the first few."""
        each = [
            f"{name}: {_frame(*tasks[0])}" if tasks else f"{name}: waiting"
            for name, tasks in self._tasks.items()
        ]
        more = len(each) - MOST_WORKERS
        return ", ".join(each[:MOST_WORKERS] + ([f"and {more} more"] if more > 0 else []))

    def _begin(self, event: RunStarted) -> None:
        self._started = time.monotonic()
        self._folder = event.folder
        self._total, self._reused, self._wanted = event.frames, event.reused, event.evaluations
        self._by_shot = [list(shot) for shot in event.by_shot]
        reused = f", {event.reused} of them finished before" if event.reused else ""
        shots = f" in {event.shots} shots" if event.shots > 1 else ""
        self._say(f"{event.frames} frames{shots}{reused}; kept in {event.folder}")
        if self._bar is not None:
            self._bar.update(
                self._task, total=event.frames, completed=event.reused, description="hiring"
            )

    def _greet(self, event: WorkerReady) -> None:
        if event.worker in self._tasks:
            return  # which is ready for the next cell of a study
        self._tasks[event.worker] = []
        if self._bar is not None:
            self._bar.update(self._task, description=self._shot)
        gpus = f", GPU {', '.join(event.gpus)}" if event.gpus else ""
        self._say(
            f"{event.worker} is ready on {event.node} ({event.device}{gpus}; "
            f"model loaded in {event.seconds:.1f} s)"
        )

    def _end(self, event: OutputWritten) -> None:
        self._say(f"wrote {event.path} ({event.frames} frames)")
        if isinstance(self._folder, Path) and (page := self._folder / "report.html").is_file():
            self._say(f"its report is {page}")
        if self._bar is not None:
            took = clock(time.monotonic() - self._begun)
            self._tasks.clear()
            self._bar.update(self._task, description="finished", pace=f"in {took}")

    def _count(self, event: FrameDone | StageDone) -> None:
        """A worker is done with a frame, and with what it was sent before."""
        self._evaluations += event.evaluations
        tasks = self._tasks.setdefault(event.worker, [])
        done = event.cell, event.frame
        if done in tasks:  # after a fault it may have been sent twice
            del tasks[: len(tasks) - tasks[::-1].index(done)]

    def _tell(self) -> None:
        done = self._reused + self._rendered
        if self._bar is not None:
            self._bar.update(
                self._task,
                completed=done,
                description=self._shot,
                pace=self._pace(),
            )
            return
        now = time.monotonic()
        if now - self._last_line >= LINE_EVERY or done == self._total:
            self._last_line = now
            self._say(f"{done}/{self._total} frames, {self._shot}, {self._pace()}; {self.doing()}")

    def _pace(self) -> str:
        """Speed and time left, from what this run made: reused frames cost nothing."""
        seconds = max(time.monotonic() - self._started, 1e-3)
        frames = self._total - self._reused - self._failed
        if self._wanted and self._evaluations:
            left = seconds * max(0, self._wanted - self._evaluations) / self._evaluations
        elif self._rendered:
            left = seconds * (frames - self._rendered) / self._rendered
        else:
            return ""
        if self._rendered >= frames:
            left = 0
        return (
            f"{self._rendered / seconds:.2g} frames/s, "
            f"{self._evaluations / seconds:.1f} evaluations/s, {clock(left)} left"
        )

    def _say(self, text: str, colour: str | None = None) -> None:
        text = escape(text)
        self._console.print(
            f"[{colour}]{text}[/]" if colour else text, highlight=False, soft_wrap=True
        )


def clock(seconds: float) -> str:
    """Hours, minutes and seconds, `0:02:09`."""
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"


def _frame(cell: str, frame: int) -> str:
    return f"frame {frame} of cell {cell}" if cell else f"frame {frame}"
