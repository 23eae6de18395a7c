"""Commands that paint what a job, or the line itself, says."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from render.cli.app import (
    FRAMES_FAILED,
    AsJson,
    JobFile,
    Overrides,
    app,
    reported,
    say,
    tell,
)
from render.ending import INTERRUPTED, last_line
from render.errors import RenderError
from render.spec.load import load_job

if TYPE_CHECKING:
    from render.farm.events import RunStarted
    from render.spec.job import Job

_SETTING = re.compile(r"[\w.]+=")
"""How an override begins; a file that is called like one can be named with `./` before it."""
MOST_FAILURES = 20
"""Failed frames that are listed at the end; all of them are in `summary.json`."""


@app.command()
def run(
    job_file: JobFile,
    overrides: Overrides = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Same as farm.workers=N.")] = None,
    fresh: Annotated[bool, typer.Option(help="Throw away what an earlier run made.")] = False,
    verify: Annotated[
        bool, typer.Option(help="Check finished pictures too, not only committed frames.")
    ] = False,
    max_failed: Annotated[
        str | None, typer.Option(metavar="N|P%", help="Same as farm.max_failed=N: when to stop.")
    ] = None,
    keep_going: Annotated[
        bool, typer.Option(help="Finish what can be finished, however many frames fail.")
    ] = False,
    quiet: Annotated[bool, typer.Option(help="Show errors and the outcome only.")] = False,
    as_json: AsJson = False,
) -> None:
    """Render a job, or finish it where an earlier run left off."""
    console = Console(stderr=True, quiet=quiet or as_json)
    failed: list[dict[str, Any]] = []
    outcome: dict[str, Any] = {"status": "failed", "frames_failed": failed}
    with last_line(outcome), reported(outcome):
        try:
            from render.farm.events import Event, FrameDone, FrameFailed, RunStarted  # noqa: PLC0415 - Ray and torch
            from render.progress import Display  # noqa: PLC0415 - take seconds to load
            from render.study import run as run_job  # noqa: PLC0415

            if keep_going and max_failed is not None:
                raise RenderError("--keep-going and --max-failed contradict each other; give one")
            settings = list(overrides or [])
            if workers is not None:
                settings.append(f"farm.workers={workers}")
            if max_failed is not None or keep_going:
                settings.append(f"farm.max_failed={'null' if keep_going else max_failed}")
            job = load_job(job_file, settings)
            with Display(console) as display:

                def watch(event: Event) -> None:
                    if isinstance(event, RunStarted):
                        outcome.update(_begun(job, event))
                    elif isinstance(event, FrameDone):
                        outcome["frames_done"] += 1
                    elif isinstance(event, FrameFailed):
                        failed.append({"frame": event.frame, "reason": event.reason})
                    display(event)

                summary = run_job(job, on_event=watch, fresh=fresh, verify=verify)
            outcome.update(summary.to_data())
        except KeyboardInterrupt:
            outcome["status"] = "incomplete"
            command = shlex.join(["render", "run", str(job_file), *(overrides or [])])
            say(f"Stopped; what is finished is kept. Go on with:\n  {command}")
            raise typer.Exit(INTERRUPTED) from None
        finally:
            _name(outcome["frames_failed"])
        if outcome["frames_failed"]:
            raise typer.Exit(FRAMES_FAILED)


def _begun(job: Job, started: RunStarted) -> dict[str, Any]:
    """What the last line says of a run that does not come to its end."""
    return {
        "output": str(job.output.path),
        "folder": str(started.folder),
        "frames_total": started.frames,
        "frames_done": started.reused,
        "frames_reused": started.reused,
    }


def _name(failures: Sequence[Mapping[str, Any]]) -> None:
    """Name the frames that failed, with their reasons."""
    for failure in failures[:MOST_FAILURES]:
        cell = f" of cell {failure['cell']}" if "cell" in failure else ""
        say(f"frame {failure['frame']}{cell} is missing: {failure['reason']}")
    if failures:
        say(f"{len(failures)} frames failed; the same command tries them again")


@app.command()
def preview(
    job_file: JobFile,
    overrides: Overrides = None,
    frame: Annotated[list[int] | None, typer.Option(min=0, help="Index; may be repeated.")] = None,
    size: Annotated[int, typer.Option(min=32, help="Long side in pixels.")] = 256,
    as_json: AsJson = False,
) -> None:
    """Paint single frames small, beside their originals; print the files' paths."""
    from render.single import preview as paint  # noqa: PLC0415

    with reported(as_json=as_json):
        job = load_job(job_file, list(overrides or []))
        paths = paint(job, frame or [], size, say=say)
    _show(paths, as_json=as_json)


@app.command()
def image(
    content: Annotated[Path, typer.Option(help="The picture to paint.")],
    styles: Annotated[list[Path], typer.Option(help="Style pictures, one or more.")],
    output: Annotated[Path, typer.Option(help="File to write: .png, .jpg, .webp, .tif ...")],
    more: Annotated[list[str] | None, typer.Argument(metavar="[STYLE ...] [key=value ...]")] = None,
    as_json: AsJson = False,
) -> None:
    """Paint one picture, without a job file."""
    from render.single import paint_image  # noqa: PLC0415

    rest = list(more or [])  # `--styles a b` leaves b here
    settings = [text for text in rest if _SETTING.match(text)]
    others = [text for text in rest if not _SETTING.match(text)]
    with reported(as_json=as_json):
        paint_image(content, [*styles, *map(Path, others)], output, settings, say=say)
    _show([output], as_json=as_json)


@app.command()
def sample(folder: Annotated[Path, typer.Argument(metavar="DIR")], as_json: AsJson = False) -> None:
    """Draw the sample clip, styles and pictures that the quickstart uses."""
    from render.sample import write_sample  # noqa: PLC0415

    with reported(as_json=as_json):
        paths = list(write_sample(folder))
    _show(paths, as_json=as_json)


def _show(paths: list[Path], *, as_json: bool) -> None:
    if as_json:
        tell({"files": [str(path) for path in paths]})
    else:
        print(*paths, sep="\n")


@app.command()
def submit(
    job_file: JobFile,
    overrides: Overrides = None,
    address: Annotated[
        str | None, typer.Option(help="Address of the cluster's dashboard; else $RAY_ADDRESS.")
    ] = None,
    working_dir: Annotated[Path, typer.Option(help="Folder that is sent along.")] = Path(),
    wait: Annotated[bool, typer.Option(help="Follow the log until the job ends.")] = True,
) -> None:
    """Hand a job to a Ray cluster through its Jobs API."""
    from render.farm.submit import submit as submit_job  # noqa: PLC0415

    with reported():
        code = submit_job(job_file, list(overrides or []), address, working_dir, wait=wait)
    raise typer.Exit(code)
