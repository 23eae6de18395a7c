"""The command line: arguments in, exit codes out.

Exit codes: 0 finished, 1 some frames failed, 2 the job or the command is wrong, 130 interrupted.
What people read goes to stderr; stdout carries what programs read, the last line of `run` always
being one JSON object with the outcome.
"""

from __future__ import annotations

import json
import shlex
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from render.ending import INTERRUPTED, last_line
from render.errors import JobError, RenderError
from render.spec.load import load_job
from render.spec.reference import settings_table
from render.spec.schema import job_schema

FRAMES_FAILED, WRONG = 1, 2
MOST_FAILURES = 20
"""Failed frames that are listed at the end; all of them are in `summary.json`."""

app = typer.Typer(
    help="Neural style transfer for videos and large image sets, on Ray.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
errors = Console(stderr=True)

JobFile = Annotated[Path, typer.Argument(metavar="JOB.yaml", help="The job file.")]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[key=value ...]", help="Settings that replace those of the file: output.size=256"
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


def main() -> None:
    """Entry point of the `render` command."""
    app()


@contextmanager
def _reported(outcome: dict[str, Any] | None = None) -> Iterator[None]:
    """Turn errors that people should read into lines and exit code 2; keep them in the outcome too."""
    try:
        yield
    except RenderError as error:
        for problem in error.problems if isinstance(error, JobError) else (error,):
            _say(f"error: {problem}")
        if outcome is not None:
            outcome["error"] = str(error)
        raise typer.Exit(WRONG) from None
    except Exception as error:
        if outcome is None or isinstance(error, typer.Exit):
            raise
        outcome["error"] = f"{type(error).__name__}: {error}"
        traceback.print_exc()  # a fault of this program; the outcome is to come behind it
        raise typer.Exit(FRAMES_FAILED) from None


def _say(text: str) -> None:
    """A line for people; long paths are not to be broken."""
    errors.print(text, style="red", markup=False, highlight=False, soft_wrap=True)


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
    with last_line(outcome), _reported(outcome):
        try:
            from render.farm.events import Event, FrameFailed  # noqa: PLC0415 - Ray and torch
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
                    if isinstance(event, FrameFailed):
                        failed.append({"frame": event.frame, "reason": event.reason})
                    display(event)

                summary = run_job(job, on_event=watch, fresh=fresh, verify=verify)
            outcome.update(summary.to_data())
        except KeyboardInterrupt:
            outcome["status"] = "incomplete"
            command = shlex.join(["render", "run", str(job_file), *(overrides or [])])
            _say(f"Stopped; what is finished is kept. Go on with:\n  {command}")
            raise typer.Exit(INTERRUPTED) from None
        finally:
            _tell(outcome["frames_failed"])
        if outcome["frames_failed"]:
            raise typer.Exit(FRAMES_FAILED)


def _tell(failures: Sequence[Mapping[str, Any]]) -> None:
    """Name the frames that failed, with their reasons."""
    for failure in failures[:MOST_FAILURES]:
        cell = f" of cell {failure['cell']}" if "cell" in failure else ""
        _say(f"frame {failure['frame']}{cell} is missing: {failure['reason']}")
    if failures:
        _say(f"{len(failures)} frames failed; the same command tries them again")


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
    from render.dryrun import dry_run  # noqa: PLC0415

    with _reported():
        found = dry_run(load_job(job_file, list(overrides or [])), measure=measure)
    if as_json:
        print(json.dumps(found.to_data()))
    else:
        found.show(Console())


@app.command()
def check(job_file: JobFile, overrides: Overrides = None) -> None:
    """Check a job file; open nothing that it names."""
    with _reported():
        load_job(job_file, list(overrides or []))
    print(f"{job_file}: ok")


@app.command()
def metrics(
    output: Annotated[
        Path, typer.Argument(metavar="OUTPUT", help="A video made by render, or its folder.")
    ],
    as_json: AsJson = False,
    true_flow: Annotated[
        bool,
        typer.Option("--true-flow", help="The source is the sample clip, whose motion is known."),
    ] = False,
) -> None:
    """Measure how calm, sharp and stylised a finished video is, against its source."""
    from render.measuring import measure_output, table  # noqa: PLC0415

    with _reported():
        measured = measure_output(output, true_flow=true_flow).metrics
    if as_json:
        print(json.dumps({**measured.to_data(), "per_frame": measured.frames_to_data()}))
        return
    rows = Table(show_header=False, box=None)
    for name, value in table(measured):
        rows.add_row(name, value)
    Console().print(rows)


@app.command()
def preview(
    job_file: JobFile,
    overrides: Overrides = None,
    frame: Annotated[list[int] | None, typer.Option(min=0, help="Index; may be repeated.")] = None,
    size: Annotated[int, typer.Option(min=32, help="Long side in pixels.")] = 256,
) -> None:
    """Paint single frames small, beside their originals; print the files' paths."""
    from render.single import preview as paint  # noqa: PLC0415

    with _reported():
        for path in paint(load_job(job_file, list(overrides or [])), frame or [], size):
            print(path)


@app.command()
def image(
    content: Annotated[Path, typer.Option(help="The picture to paint.")],
    styles: Annotated[list[Path], typer.Option(help="Style pictures, one or more.")],
    output: Annotated[Path, typer.Option(help="File to write: .png, .jpg, .webp, .tif ...")],
    more: Annotated[list[str] | None, typer.Argument(metavar="[STYLE ...] [key=value ...]")] = None,
) -> None:
    """Paint one picture, without a job file."""
    from render.single import paint_image  # noqa: PLC0415

    rest = list(more or [])  # `--styles a b` leaves b here
    others = [text for text in rest if "=" not in text or Path(text).is_file()]
    with _reported():
        settings = [text for text in rest if text not in others]
        paint_image(content, [*styles, *map(Path, others)], output, settings)
    print(output)


@app.command()
def doctor(
    address: Annotated[str | None, typer.Option(help="Ray cluster to look at.")] = None,
    as_json: AsJson = False,
) -> None:
    """Say what works on this machine, and what to do about what does not."""
    from render.doctor import examine  # noqa: PLC0415

    found = []
    for finding in examine(address):
        found.append(finding)
        if not as_json:
            print(f"{finding.state:8} {finding.what:9} {finding.found}")
            if finding.mend:
                print(f"{'':18} → {finding.mend}")
    if as_json:
        print(json.dumps([finding.to_data() for finding in found]))
    if any(finding.state == "broken" for finding in found):
        raise typer.Exit(WRONG)


@app.command()
def bench(
    sizes: Annotated[
        str, typer.Option(metavar="N,N,...", help="Sides of the square pictures, in pixels.")
    ] = "256,512,1024",
    evaluations: Annotated[
        int, typer.Option(min=2, help="Of the reference, whose loss then is the goal.")
    ] = 200,
    minutes: Annotated[
        float,
        typer.Option(
            min=0,
            help="Time to the loss is measured where the reference takes no longer; 0: nowhere.",
        ),
    ] = 6.0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 ...")] = "auto",
    precision: Annotated[str, typer.Option(help="auto, float32 or bfloat16.")] = "auto",
    media: Annotated[bool, typer.Option("--media", help="Measure video files too.")] = False,
    farm: Annotated[
        bool, typer.Option("--farm", help="Measure the farm instead of the engine.")
    ] = False,
    images: Annotated[
        int, typer.Option(min=10_000, help="Pictures that are only scheduled, with --farm.")
    ] = 100_000,
    as_json: AsJson = False,
) -> None:
    """Measure this machine: the engine beside a plain PyTorch loop, same job, same weights.

    On two CPU cores 256 takes about 2 minutes, 512 about 6, 1024 (without the time to the loss) about 4.

    With --farm: the farm beside the engine alone, what many pictures ask of the driver, and a large
    farm on a simulated clock. On two CPU cores about 4 minutes, and 8 more for a million pictures.
    """
    if farm:
        _bench_farm(images, as_json=as_json)
        return
    from render.bench import Settings, compare  # noqa: PLC0415
    from render.bench.show import show, to_data  # noqa: PLC0415
    from render.media.speed import measure  # noqa: PLC0415

    with _reported():
        sides = [int(side) if side.isdecimal() else 0 for side in sizes.split(",")]
        wanted = Settings(sides, device, precision, evaluations, minutes)
        machine, measured = compare(wanted, say=errors.print)
        rows = list(measured)
    speed = measure() if media else None
    if as_json:
        print(json.dumps(to_data(machine, rows, speed)))
    else:
        show(Console(), machine, rows, speed)


def _bench_farm(images: int, *, as_json: bool) -> None:
    from render.bench.farm import measure_farm  # noqa: PLC0415
    from render.bench.show import show_farm  # noqa: PLC0415

    with _reported():
        found = measure_farm(images, say=errors.print)
    if as_json:
        print(json.dumps({"farm": found}))
    else:
        show_farm(Console(), found)


@app.command()
def report(
    output: Annotated[
        Path, typer.Argument(metavar="OUTPUT", help="A video made by render, or its folder.")
    ],
) -> None:
    """Write the report of an output again, and print its path."""
    from render.report.page import write_report  # noqa: PLC0415

    with _reported():
        print(write_report(output))


@app.command()
def schema(
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print a table of all settings for people.")
    ] = False,
) -> None:
    """Print the JSON Schema of the job file, for editors."""
    if markdown:
        print(settings_table(), end="")
    else:
        print(json.dumps(job_schema(), indent=2))


@app.command()
def sample(folder: Annotated[Path, typer.Argument(metavar="DIR")]) -> None:
    """Draw the sample clip, styles and pictures that the quickstart uses."""
    from render.sample import write_sample  # noqa: PLC0415

    with _reported():
        for path in write_sample(folder):
            print(path)


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

    with _reported():
        code = submit_job(job_file, list(overrides or []), address, working_dir, wait=wait)
    sys.exit(code)
