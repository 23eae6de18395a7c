"""The page: facts and pictures in, one HTML file out."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from render.files import write_atomically
from render.report.charts import line_chart, timeline
from render.report.facts import Facts, read_facts
from render.report.pictures import MOST_LARGE, MOST_SMALL, Gallery, spread
from render.spec.load import dump_job
from render.spec.media import VideoInput
from render.spec.url import AnyPath

REFRESH = 5
"""Seconds after which a page about a running job loads itself again."""
MOST_FAILURES = 200
MOST_BARS = 600
MOST_TRACES = 5
_JUMPS = (
    "a line jumps where a finer scale or the next stage begins: each has an objective of its own"
)
PLAYED = (".mp4", ".webm", ".mov")
"""Videos that browsers play; the page points to them and fetches them only when asked."""

PAGES = Environment(
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
    write_atomically(path, encoded(_page(facts, gallery or Gallery(), live=live)))
    return path


def _page(facts: Facts, gallery: Gallery, *, live: bool) -> str:
    frames = facts.frames
    sheet = spread(frames, MOST_SMALL)
    chosen = (frames[-1:] if live else spread(frames, MOST_LARGE)) if frames else []
    total = facts.plan.total
    failures = list(facts.failures.items())
    return PAGES.get_template("report.html.j2").render(
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
        reason=facts.summary.get("error", ""),
        mended=[
            (each["at"], each.get("worker", f"frame {each.get('frame')}"), each.get("reason", ""))
            for each in facts.mended
        ],
        versions=facts.versions,
        procedural=facts.job.model.weights == "procedural" and facts.job.engine == "vgg",
        settings=dump_job(facts.job),
    )


def _film(facts: Facts) -> str | None:
    """Address of the finished video, relative to the page, if a browser can play it."""
    path = facts.job.output.path
    if facts.summary.get("status") != "finished" or path.suffix.lower() not in PLAYED:
        return None
    there = isinstance(path, Path) and path.is_file()
    return address(path, facts.folder) if there else None


def address(path: AnyPath, folder: AnyPath) -> str:
    """The way from a page in the folder to a file."""
    return quote(os.fsencode(os.path.relpath(path, folder)))


def encoded(page: str) -> bytes:
    """A page as it is written: names of files may have bytes in them that are no text."""
    return page.encode(errors="backslashreplace")


def _numbers(facts: Facts) -> dict[str, str]:
    steps = {frame: facts.steps(frame) for frame in facts.frames}
    every = [step for each in steps.values() for step in each]
    seconds = [sum(step.get("seconds", 0.0) for step in each) for each in steps.values()]
    numbers = {"frames": f"{len(facts.frames)} of {facts.plan.total}"}
    if isinstance(facts.job.input, VideoInput):
        numbers["shots"] = str(len(facts.plan.shots))
    numbers["evaluations"] = f"{sum(step.get('evaluations', 0) for step in every):,}"
    numbers["workers"] = str(len({step.get("worker") for step in every}))
    if seconds:
        numbers["work on a frame"] = f"{sum(seconds) / len(seconds):.2f} s"
    if "seconds" in facts.summary:
        numbers["last run"] = f"{facts.summary['seconds']:.1f} s"
    return numbers


def _charts(facts: Facts) -> list[tuple[str, Markup, list[str], str]]:
    """Title, drawing, legend and remark of each chart that there is anything for."""
    losses: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for frame in facts.frames:
        for name, value in facts.records[frame].info.get("loss", {}).items():
            losses[name].append((frame, value))
    axis = "frame" if isinstance(facts.job.input, VideoInput) else "picture"
    seams = sorted(facts.plan.seams)
    remark = "dashed: seams, where a segment begins" if seams else ""
    found = [
        ("Loss over evaluations", _traces(facts), "evaluation", True, (), _JUMPS),
        (f"Loss over {axis}s", losses, axis, True, (), ""),
        ("Warping error over frames", _calm(facts), "frame", True, seams, remark),
    ]
    charts = [
        (title, line_chart(lines, title, x, logarithmic=log, marks=marks), list(lines), remark)
        for title, lines, x, log, marks, remark in found
    ]
    title = "Work by worker"
    charts.append((title, timeline(_work(facts), "Time of each frame by worker"), [], ""))
    return [chart for chart in charts if chart[1]]


def _traces(facts: Facts) -> dict[str, list[tuple[float, float]]]:
    """The loss on the way of some frames, through all their stages."""
    firsts = [shot[0] for shot in facts.plan.shots if shot[0] in facts.records]
    others = spread(facts.frames, MOST_TRACES)
    chosen = sorted({*spread(firsts, 2), *others[: MOST_TRACES - min(len(firsts), 2)]})
    traces = {}
    for frame in chosen:
        points, before = [], 0
        for step in facts.steps(frame):
            points += [(before + x, y) for x, y in step.get("trace", ())]
            before += step.get("evaluations", 0)
        traces[f"frame {frame}"] = points
    return {name: points for name, points in traces.items() if points}


def _calm(facts: Facts) -> Mapping[str, list[tuple[float, float]]]:
    """What the workers found while they painted, or what was measured afterwards."""
    found = {each["frame"]: each["back"].get("1") for each in facts.metrics}
    found |= {
        frame: facts.records[frame].info.get("warping")
        for frame in facts.frames
        if "warping" in facts.records[frame].info
    }
    compared = [(frame, one) for frame, one in sorted(found.items()) if one is not None]
    return {
        "result": [(frame, one["error"]) for frame, one in compared],
        "source (its floor)": [(frame, one["floor"]) for frame, one in compared],
    }


def _work(facts: Facts) -> dict[str, list[tuple[float, float, str]]]:
    """Begin, end and name of the last pieces of work, by worker."""
    done = [(frame, step) for frame, record in facts.records.items() for step in [record.info]]
    done += [(frame, step) for frame, each in facts.stages.items() for step in each.values()]
    timed = sorted((step["at"], frame, step) for frame, step in done if "at" in step)
    work: dict[str, list[tuple[float, float, str]]] = defaultdict(list)
    for at, frame, step in timed[-MOST_BARS:]:
        name = f"frame {frame}: {step['evaluations']} evaluations in {step['seconds']:.2f} s"
        work[step["worker"]].append((at - step["seconds"], at, name))
    return dict(sorted(work.items(), key=lambda item: (len(item[0]), item[0])))
