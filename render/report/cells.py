"""The page of a study: its cells under one slider, then side by side, with the way to their pages."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from render import storage
from render.errors import RenderError
from render.report.facts import Facts, read_facts
from render.report.pace import Pace
from render.report.page import PAGES, REFRESH, address, as_bytes
from render.report.pictures import Gallery, Pair
from render.spec.url import AnyPath

MOST_COMPARED = 24
"""Cells under the slider: each has its picture at full size, and the original too."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CellView:
    """A cell as the page shows it.

    Attributes:
        picture: its first finished frame, small, as the address of itself; empty before there is one.
        report: address of its own page, relative to this one; empty where that is not known.
        remark: what is known of the picture.
    """

    label: str
    picture: str
    report: str
    remark: str


class CellsPage:
    """Writes `report.html` of a study at most every `every` seconds, and once more at the end.

    Args:
        folder: of the study.
        cells: label and `.render` folder of each.
        every: seconds; a page that takes long to make is made less often.
    """

    def __init__(
        self, folder: AnyPath, cells: Sequence[tuple[str, Path]], every: float = 5.0
    ) -> None:
        self._folder = folder
        self._cells = cells
        self._pace = Pace(every)
        self._galleries: dict[tuple[Path, str], Gallery] = {}

    def update(self) -> None:
        """Write the page with what is finished by now, if it is time to."""
        self._pace.update(lambda: self._write(live=True))

    def finish(self) -> None:
        """Write the final page."""
        self._write(live=False)

    def _write(self, *, live: bool) -> None:
        """Write the page; if it cannot be, that ends no study."""
        try:
            storage.write(self._folder / "report.html", as_bytes(self._page(live=live)))
        except Exception as error:
            log.warning("the report of the study cannot be written: %s", error)

    def _page(self, *, live: bool) -> str:
        cells = [(label, _facts(place)) for label, place in self._cells]
        finished = sum(facts is not None and _whole(facts) for _, facts in cells)
        shown = [(label, facts) for label, facts in cells if facts is not None and facts.frames]
        return PAGES.get_template("study.html.j2").render(
            title=self._folder.name,
            live=live,
            refresh=REFRESH,
            written=time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()),
            status="rendering" if live else _status(finished, len(cells)),
            done=finished,
            total=len(cells),
            numbers={
                "cells": f"{finished} of {len(cells)}",
                "evaluations": f"{sum(_evaluations(facts) for _, facts in shown):,}",
            },
            pairs=[self._pair(*one) for one in shown[:MOST_COMPARED]],
            left_out=len(shown) - MOST_COMPARED,
            cells=[self._view(label, facts) for label, facts in cells],
        )

    def _gallery(self, facts: Facts) -> Gallery:
        """That of a cell's first picture as it is now: a run with --fresh paints it anew."""
        picture = facts.folder, facts.records[facts.frames[0]].sha256
        return self._galleries.setdefault(picture, Gallery())

    def _pair(self, label: str, facts: Facts) -> Pair:
        return replace(self._gallery(facts).pairs(facts, facts.frames[:1])[0], name=label)

    def _view(self, label: str, facts: Facts | None) -> CellView:
        if facts is None or not facts.frames:
            return CellView(label, "", "", "not finished yet")
        report = facts.folder / "report.html"
        way = ""
        if isinstance(self._folder, Path) and report.is_file():
            way = address(report, self._folder)
        info = facts.records[facts.frames[0]].info
        losses = [f"{name} {value:.3g}" for name, value in info.get("loss", {}).items()]
        remark = ", ".join([f"{info.get('evaluations', 0)} evaluations", *losses])
        picture = self._gallery(facts).thumbnail(facts, facts.frames[0])
        return CellView(label, picture, way, remark)


def _facts(place: Path) -> Facts | None:
    try:
        return read_facts(place)
    except RenderError:  # not begun yet
        return None


def _whole(facts: Facts) -> bool:
    return len(facts.frames) == facts.plan.total


def _status(finished: int, cells: int) -> str:
    return "finished" if finished == cells else "incomplete"


def _evaluations(facts: Facts) -> int:
    steps = (step for frame in facts.frames for step in facts.steps(frame))
    return sum(step.get("evaluations", 0) for step in steps)
