"""Commands that look at a job before it is rendered, or at what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from render.cli.app import AsJson, JobFile, Output, Overrides, app, reported, say, tell
from render.media.codecs import refuse_misfit
from render.spec.job import Job
from render.spec.load import load_job
from render.spec.media import VideoInput
from render.spec.named import missing_files
from render.spec.study import Cell, expand_study


@app.command()
def plan(
    job_file: JobFile,
    overrides: Overrides = None,
    measure: Annotated[
        bool, typer.Option(help="Try a little painting, to estimate time and memory.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Show what a job would render, how long it takes and how much memory; render nothing."""
    from render.dryrun import dry_run  # noqa: PLC0415 - torch takes seconds to load

    with reported(as_json=as_json):
        found = dry_run(load_job(job_file, list(overrides or [])), measure=measure)
    if as_json:
        tell(found.to_data())
    else:
        found.show(Console())


@app.command()
def check(job_file: JobFile, overrides: Overrides = None, as_json: AsJson = False) -> None:
    """Check a job file, and say which files that it names are not there; open none of them."""
    with reported(as_json=as_json):
        job = load_job(job_file, list(overrides or []))
        cells = expand_study(job) if job.study else [Cell("", job)]
        for one in (cell.job for cell in cells):
            if isinstance(one.input, VideoInput):
                refuse_misfit(one.output, one.output.path)
        missing = _missing(job, cells)
    if as_json:
        tell({"problems": [], "missing": missing})
        return
    print(f"{job_file}: ok")
    for key, path in missing.items():
        say(f"{key}: {path} is not there (on this machine)")


def _missing(job: Job, cells: Sequence[Cell]) -> dict[str, str]:
    """Files that are not there, each once, by key; what only cells name, with the first of those."""
    of_all = missing_files(job).items()
    found: dict[tuple[str, str], str] = {}
    for cell in cells:
        for named in missing_files(cell.job).items():
            key = named[0] if named in of_all else f"cell {cell.label}: {named[0]}"
            found.setdefault(named, key)
    return {key: path for (_, path), key in found.items()}


@app.command()
def metrics(output: Output, as_json: AsJson = False) -> None:
    """Measure how calm, sharp and stylised a finished video is, against its source."""
    from render.measuring import measure_output, table  # noqa: PLC0415

    with reported(as_json=as_json):
        measured = measure_output(output)
    if as_json:
        tell({**measured.to_data(), "per_frame": measured.metrics.frames_to_data()})
        return
    rows = Table(show_header=False, box=None)
    for name, value in table(measured):
        rows.add_row(name, value)
    Console().print(rows)


@app.command()
def report(output: Output, as_json: AsJson = False) -> None:
    """Write the report of an output again, and print its path."""
    from render.report.page import write_report  # noqa: PLC0415

    with reported(as_json=as_json):
        path = write_report(output)
    if as_json:
        tell({"report": str(path)})
    else:
        print(path)
