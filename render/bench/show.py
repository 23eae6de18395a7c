"""The benchmark's figures for people and for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from render.bench.compare import Row
from render.bench.machine import Machine
from render.media.speed import MediaSpeed

_NONE = "not measured"
_WIDTH = 140
"""Characters that the table takes."""


def to_data(machine: Machine, rows: Sequence[Row], media: MediaSpeed | None) -> dict[str, Any]:
    """For JSON: `machine`, `rows`, and `media` if it was measured."""
    data: dict[str, Any] = {"machine": asdict(machine), "rows": [asdict(row) for row in rows]}
    return data if media is None else {**data, "media": asdict(media)}


def show(console: Console, machine: Machine, rows: Sequence[Row], media: MediaSpeed | None) -> None:
    """Print the machine, the table, and the speed of video files if it was measured."""
    facts = ", ".join(f"{name} {value}" for name, value in asdict(machine).items())
    console.print(facts, soft_wrap=True, highlight=False)
    console.width = max(console.width, _WIDTH)  # a terminal that is too narrow breaks whole lines
    console.print(_table(rows))
    if media is not None:
        console.print(
            f"{media.codec} at {media.width}×{media.height}: {media.encode:.0f} frames a second "
            f"written, {media.decode:.0f} read, {media.thumbnails:.0f} searched for cuts"
        )


def show_farm(console: Console, found: Mapping[str, Any]) -> None:
    """Print what was found out about the farm, one line each."""
    far, real = found["simulated"], found["simulated_over_real"]
    for name, value in (
        ("pictures through the scheduler", f"{found['images']:,}"),
        ("a second", f"{found['images_per_second']:,}"),
        ("memory of the driver over that at 10,000", f"{found['driver_growth_mb']} MB"),
        ("time of a picture over that at 10,000", f"{found['time_ratio']:.2f}"),
        ("listing and planning them", f"{found['seconds_to_list']} s"),
        ("going on with the finished job", f"{found['seconds_to_continue']} s"),
        ("what the farm costs beside the engine alone", f"{found['overhead']:+.1%}"),
        ("two workers over one", f"{found['speedup_2']:.2f}×"),
        ("simulated over real time, one worker and two", f"{real[1]:.2f}, {real[2]:.2f}"),
        (
            f"simulated: {far['workers']:,} workers, {far['images']:,} pictures, "
            f"{far['workers_lost']} workers lost",
            f"{far['of_ideal']:.1%} of the ideal, in {far['seconds']:,} s",
        ),
    ):
        console.print(f"{name}: {value}", soft_wrap=True, highlight=False)


def _table(rows: Sequence[Row]) -> Table:
    """One line a size: the engine beside the reference."""
    made = Table(
        "size",
        "precision",
        "an evaluation",
        "reference",
        "faster",
        "to its loss",
        "reference",
        "faster",
        "matrix share",
        "memory",
        "reference",
        "ratio",
        box=None,
    )
    for row in rows:
        made.add_row(
            f"{row.size} px",
            row.precision,
            f"{1000 * row.seconds_per_evaluation:.0f} ms",
            f"{1000 * row.reference_seconds_per_evaluation:.0f} ms",
            f"{row.speedup_per_evaluation:.2f}×",
            _to_loss(row.seconds_to_loss, row.evaluations_to_loss, row.loss),
            _to_loss(row.reference_seconds_to_loss, row.reference_evaluations_to_loss, row.loss),
            "" if row.speedup_to_loss is None else f"{row.speedup_to_loss:.1f}×",
            f"{100 * row.matrix_share:.0f}%",
            f"{row.memory / 2**20:.0f} MiB",
            f"{row.reference_memory / 2**20:.0f} MiB",
            f"{row.memory_ratio:.2f}",
        )
    return made


def _to_loss(seconds: float | None, evaluations: int | None, loss: float | None) -> str:
    if loss is None:
        return _NONE
    return "not reached" if seconds is None else f"{seconds:.1f} s, {evaluations} ev."
