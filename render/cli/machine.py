"""Commands about this machine and this program, apart from any job."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.console import Console

from render.cli.app import WRONG, AsJson, app, errors, reported, tell
from render.spec.reference import settings_table
from render.spec.schema import job_schema


@app.command()
def doctor(
    address: Annotated[str | None, typer.Option(help="Ray cluster to look at.")] = None,
    as_json: AsJson = False,
) -> None:
    """Say what works on this machine, and what to do about what does not."""
    from render.doctor import examine  # noqa: PLC0415 - Ray and torch take seconds to load

    found = []
    for finding in examine(address):
        found.append(finding)
        if not as_json:
            print(f"{finding.state:8} {finding.what:9} {finding.found}")
            if finding.mend:
                print(f"{'':18} → {finding.mend}")
    if as_json:
        tell([finding.to_data() for finding in found])
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
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
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

    with reported(as_json=as_json):
        sides = [int(side) if side.isdecimal() else 0 for side in sizes.split(",")]
        wanted = Settings(sides, device, precision, evaluations, minutes)
        machine, measured = compare(wanted, say=errors.print)
        rows = list(measured)
    speed = measure() if media else None
    if as_json:
        tell(to_data(machine, rows, speed))
    else:
        show(Console(), machine, rows, speed)


def _bench_farm(images: int, *, as_json: bool) -> None:
    from render.bench.farm import measure_farm  # noqa: PLC0415
    from render.bench.show import show_farm  # noqa: PLC0415

    with reported(as_json=as_json):
        found = measure_farm(images, say=errors.print)
    if as_json:
        tell({"farm": found})
    else:
        show_farm(Console(), found)


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
