"""The page: facts and pictures in, one HTML file out."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from render.report.charts import line_chart, timeline
from render.report.facts import Facts, read_facts
from render.report.pictures import MOST_LARGE, MOST_SMALL, Gallery, spread
from render.spec.load import dump_job
from render.spec.media import VideoInput
from render.store import write_atomically

REFRESH = 5
"""Seconds after which a page about a running job loads itself again."""
MOST_FAILURES = 200
MOST_BARS = 600
PLAYED = (".mp4", ".webm", ".mov")
"""Videos that browsers play; the page points to them and fetches them only when asked."""

_PAGES = Environment(
    loader=PackageLoader("render.report", "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def write_report(
    output: Path,
    *,
    live: bool = False,
    gallery: Gallery | None = None,
    failures: Mapping[int, str] | None = None,
) -> Path:
    """Write `report.html` into the `.render` folder of an output.

    Args:
        output: as for `read_facts`.
        live: whether the job is running: the page then loads itself again.
        gallery: keeps pictures from one writing to the next.
        failures: frames that the run has set aside by now; `None`: those of `summary.json`.

    Raises:
        OutputError: there is no output of render, or the page cannot be written.
    """
    facts = read_facts(output)
    if failures is not None:
        facts = replace(facts, failures=failures)
    path = facts.folder / "report.html"
    write_atomically(path, _page(facts, gallery or Gallery(), live=live).encode())
    return path


def _page(facts: Facts, gallery: Gallery, *, live: bool) -> str:
    frames = facts.frames
    sheet = spread(frames, MOST_SMALL)
    chosen = (frames[-1:] if live else spread(frames, MOST_LARGE)) if frames else []
    total = facts.plan.total
    failures = list(facts.failures.items())
    return _PAGES.get_template("report.html.j2").render(
        title=facts.job.output.path.name,
        live=live,
        refresh=REFRESH,
        written=time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()),
        done=len(frames),
        total=total,
        status="rendering" if live else facts.summary.get("status", "incomplete"),
        numbers=_numbers(facts),
        film=_film(facts),
        pairs=gallery.pairs(facts, chosen),
        shots=[
            (number, [(f, gallery.thumbnail(facts, f)) for f in sheet if f in shot], shot)
            for number, shot in enumerate(facts.plan.shots)
        ],
        left_out=len(frames) - len(sheet),
        charts=_charts(facts),
        failures=failures[:MOST_FAILURES],
        more_failures=max(0, len(failures) - MOST_FAILURES),
        versions=facts.versions,
        procedural=facts.job.model.weights == "procedural" and facts.job.engine == "vgg",
        settings=dump_job(facts.job),
    )


def _film(facts: Facts) -> str | None:
    """Address of the finished video, relative to the page, if a browser can play it."""
    path = facts.job.output.path
    if facts.summary.get("status") != "finished" or path.suffix.lower() not in PLAYED:
        return None
    return quote(os.path.relpath(path, facts.folder)) if path.is_file() else None


def _numbers(facts: Facts) -> dict[str, str]:
    info = [record.info for record in facts.records.values()]
    seconds = [each["seconds"] for each in info if "seconds" in each]
    numbers = {"frames": f"{len(facts.frames)} of {facts.plan.total}"}
    if isinstance(facts.job.input, VideoInput):
        numbers["shots"] = str(len(facts.plan.shots))
    numbers["evaluations"] = f"{sum(each.get('evaluations', 0) for each in info):,}"
    numbers["workers"] = str(len({each.get("worker") for each in info}))
    if seconds:
        numbers["a frame"] = f"{sum(seconds) / len(seconds):.2f} s"
    if "seconds" in facts.summary:
        numbers["last run"] = f"{facts.summary['seconds']:.1f} s"
    return numbers


def _charts(facts: Facts) -> list[tuple[str, Markup, list[str]]]:
    """Title, drawing and legend of each chart that there is anything for."""
    info = {frame: facts.records[frame].info for frame in facts.frames}
    losses: dict[str, list[tuple[float, float]]] = defaultdict(list)
    traces: dict[str, list[tuple[float, float]]] = {}
    for frame, each in info.items():
        for name, value in each.get("loss", {}).items():
            losses[name].append((frame, value))
        trace = each.get("trace")
        if trace and len(traces) < 5:
            traces[f"frame {frame}"] = [(x, y) for x, y in trace]
    moving = isinstance(facts.job.input, VideoInput)
    axis = "frame" if moving else "picture"
    found = [
        ("Loss over evaluations", traces, "evaluation", True, ()),
        (f"Loss over {axis}s", losses, axis, False, ()),
        ("Warping error over frames", _calm(facts), "frame", True, _seams(facts)),
    ]
    charts = [
        (title, line_chart(lines, title, x, logarithmic=log, marks=marks), list(lines))
        for title, lines, x, log, marks in found
    ]
    charts.append(("Work by worker", timeline(_work(info), "Time of each frame by worker"), []))
    return [chart for chart in charts if chart[1]]


def _calm(facts: Facts) -> Mapping[str, list[tuple[float, float]]]:
    lines: dict[str, list[tuple[float, float]]] = {"result": [], "source (its floor)": []}
    for each in facts.metrics:
        one = each["back"].get("1")
        if one is not None:
            lines["result"].append((each["frame"], one["error"]))
            lines["source (its floor)"].append((each["frame"], one["floor"]))
    return lines


def _seams(facts: Facts) -> list[float]:
    return [each["frame"] for each in facts.metrics if each.get("seam")]


def _work(info: Mapping[int, Mapping[str, Any]]) -> dict[str, list[tuple[float, float, str]]]:
    work: dict[str, list[tuple[float, float, str]]] = defaultdict(list)
    timed = [(each["at"], frame, each) for frame, each in info.items() if "at" in each]
    for at, frame, each in sorted(timed)[-MOST_BARS:]:
        name = f"frame {frame}: {each['seconds']:.2f} s"
        work[each["worker"]].append((at - each["seconds"], at, name))
    return dict(sorted(work.items()))
