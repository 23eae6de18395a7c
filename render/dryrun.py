"""The dry run: what a job would render and what it would take, in words and as data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from render.estimate import Estimate, estimate, look_ahead
from render.plan import Unit
from render.progress import clock
from render.schedule import Forecast, Part, forecast, in_evaluations
from render.spec.job import Job
from render.study import Planned, plan_all

MOST_ROWS = 40
"""Units, or cells of a study, that are listed; all of them are in the data."""
MOST_ANCHORS = 8
"""Anchors of a shot that are listed."""
GAIN = 1.02
"""Speed-up over the row above from which a number of workers is worth a row."""


@dataclass(frozen=True)
class DryRun:
    """What was found out.

    Attributes:
        planned: the job, or the cells of its study.
        parts: their plans, with what each stage costs in evaluations.
        ahead: how the evaluations can be shared.
        estimate: time and memory; `None` if nothing was tried.
    """

    planned: Sequence[Planned]
    parts: Sequence[Part]
    ahead: Forecast
    estimate: Estimate | None

    @property
    def evaluations(self) -> int:
        """Of all frames together, about: some that change much take more, some that do not take less."""
        return sum(_evaluations(one.job, part) for one, part in self._pairs())

    def to_data(self) -> dict[str, Any]:
        """As plain data: a job's plan, or a study's cells, with forecast and estimate."""
        if self.planned[0].label:
            plan: dict[str, Any] = {
                "cells": [
                    {
                        "label": one.label,
                        "output": str(one.job.output.path),
                        "frames": one.plan.total,
                        "evaluations": _evaluations(one.job, part),
                    }
                    for one, part in self._pairs()
                ]
            }
        else:
            plan = self.planned[0].plan.to_data()
        return {
            **plan,
            "forecast": {
                "evaluations": self.evaluations,
                "critical_path": self.ahead.critical_path,
                "speedup": self.ahead.speedup,
                "exact": self.ahead.exact,
            },
            "estimate": None if self.estimate is None else self.estimate.to_data(),
        }

    def show(self, console: Console) -> None:
        """Tell a person."""
        frames = sum(one.plan.total for one in self.planned)
        if self.planned[0].label:
            console.print(_cells(self._pairs()[:MOST_ROWS]))
            what = f"{len(self.planned)} cells"
            rows = len(self.planned)
        else:
            plan = self.planned[0].plan
            console.print(_units(self.planned[0]))
            rows = len(plan.units)
            what = f"{_many(len(plan.shots), 'shot')}, {_many(rows, 'unit')}"
        if rows > MOST_ROWS:
            console.print(f"... and {rows - MOST_ROWS} more; --json lists them all")
        console.print(
            f"{frames} frames, {what}, about {self.evaluations} evaluations", soft_wrap=True
        )
        if any(unit.stages > 1 for one in self.planned for unit in one.plan.units):
            console.print(
                "a stage of a frame waits for the one before it and for the same stage of the frame "
                "before",
                soft_wrap=True,
            )
        console.print(self._path(), soft_wrap=True)
        if self.estimate is not None:
            _show_estimate(self.estimate, console)
        elif self.ahead.speedup:
            speeds = ", ".join(f"{crew}: {speed:.1f}" for crew, speed in self.ahead.speedup.items())
            console.print(f"speed-up to expect by workers of one speed: {speeds}", soft_wrap=True)
        if not self.ahead.exact:
            console.print(
                "(at best: so long a plan is worked out roughly, and may take a quarter longer)",
                soft_wrap=True,
            )

    def _path(self) -> str:
        """The critical path in words."""
        path, total = self.ahead.critical_path, self.ahead.total
        chained = any(unit.chained for one in self.planned for unit in one.plan.units)
        later = max(sum(part.efforts["later" if chained else "first"]) for part in self.parts)
        frames = f", {path / later:.0f} times that of a frame" if later else ""
        share = f"{path / total:.0%} of all" if total else "nothing"
        return f"what must be done one after the other: {share}{frames}"

    def _pairs(self) -> list[tuple[Planned, Part]]:
        return list(zip(self.planned, self.parts, strict=True))


def dry_run(job: Job, *, measure: bool = True) -> DryRun:
    """Plan a job and its study, and estimate what they take.

    Args:
        job: what would be rendered.
        measure: try a little painting, which takes some seconds.

    Raises:
        RenderError: something that the job reads is missing or wrong, or it cannot be painted here.
    """
    planned = plan_all(job)
    parts = [in_evaluations(one.job, one.plan) for one in planned]
    found = None
    if measure and job.engine == "vgg":
        found = estimate([look_ahead(one.job, one.plan, one.source) for one in planned])
    return DryRun(planned, parts, forecast(parts), found)


def _evaluations(job: Job, part: Part) -> int:
    return 0 if job.engine == "passthrough" else int(part.total)


def _units(one: Planned) -> Table:
    table = Table("unit", "shot", "frames", "count", "stages", "starts from", "is led to", box=None)
    for unit in one.plan.units[:MOST_ROWS]:
        table.add_row(
            str(unit.number),
            str(unit.shot),
            _frames(unit),
            str(len(unit.frames)),
            str(unit.stages),
            _start(unit),
            "" if unit.towards is None else f"frame {unit.towards}, over {unit.bridge}",
        )
    return table


def _frames(unit: Unit) -> str:
    frames = unit.frames
    if unit.anchors:
        listed = ", ".join(map(str, frames[:MOST_ANCHORS]))
        return f"{listed} …" if len(frames) > MOST_ANCHORS else listed
    every = f" by {unit.step}" if len(frames) > 1 and unit.step > 1 else ""
    return f"{frames[0]}-{frames[-1]}{every}"


def _start(unit: Unit) -> str:
    if not unit.chained:
        return "own content"
    if unit.after is not None:
        return f"frame {unit.after}"
    return "previous anchor" if unit.anchors else "previous frame"


def _cells(pairs: Sequence[tuple[Planned, Part]]) -> Table:
    table = Table("cell", "frames", "evaluations", box=None)
    for one, part in pairs:
        table.add_row(Text(one.label), str(one.plan.total), str(_evaluations(one.job, part)))
    return table


def _show_estimate(found: Estimate, console: Console) -> None:
    later = f"; if it starts from the one before: {found.later:.1f} s" if found.later else ""
    console.print(
        f"work on a frame, as tried on this machine: {found.first:.1f} s{later}", soft_wrap=True
    )
    table = Table("workers", "time", "speed-up", "memory", box=None)
    alone = last = found.seconds.get(1, 0.0)
    enough = 1
    for crew, seconds in found.seconds.items():
        gains = last >= seconds * GAIN
        if crew not in (1, found.here) and not gains:
            continue
        last = min(last, seconds)
        enough = crew if gains else enough
        mark = "  (this machine)" if crew == found.here else ""
        table.add_row(
            str(crew),
            clock(seconds),
            f"{alone / seconds:.1f}",
            f"{crew * found.memory / 1e9:.1f} GB{mark}",
        )
    if found.seconds:
        console.print(table)
        if enough < max(found.seconds):
            console.print(
                f"more than {_many(enough, 'worker')} would hardly be faster", soft_wrap=True
            )
    for warning in found.warnings:
        console.print(f"warning: {warning}", style="yellow", soft_wrap=True)


def _many(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
