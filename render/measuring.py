"""Measuring a finished output, offline: from its folder to its metrics."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from render.errors import OutputError
from render.files import write_atomically
from render.media.images import ImageSource
from render.media.source import MovingSource, open_source
from render.media.stills import decode_png
from render.metrics import Metrics, MotionOf, Shown, estimated_motion, measure
from render.mirror import open_store
from render.motion.paths import Motion
from render.plan import Plan
from render.sample.clip import SampleClip
from render.spec.load import load_job
from render.store import store_folder


@dataclass(frozen=True)
class Measured:
    """The metrics of an output, and where its folder is."""

    folder: Path
    metrics: Metrics


def measure_output(output: Path, *, true_flow: bool = False) -> Measured:
    """Measure a video's finished frames, and add the means to the folder's `summary.json`.

    Args:
        output: the video, or the folder beside it that holds its frames.
        true_flow: the source is the sample clip: measure along its exact motion.

    Raises:
        OutputError: there is no such output, none of its frames is finished, a run is writing to
            it, or it is one of pictures that do not follow each other.
        SourceError: its source cannot be read any more, or is not the sample clip.
    """
    folder = output if (output / "job.yaml").is_file() else output.with_suffix(".render")
    if not (folder / "job.yaml").is_file():
        raise OutputError(f"{output}: no output of render; name the video, or its .render folder")
    job = load_job(folder / "job.yaml")
    if folder.resolve() != store_folder(job).resolve():
        raise OutputError(
            f"{folder} was moved from {store_folder(job)}; move it back to measure it"
        )
    source = open_source(job.input, job.output)
    if isinstance(source, ImageSource):
        raise OutputError(f"{output}: pictures that do not follow each other have no such metrics")
    motion = _exact_motion(source) if true_flow else estimated_motion
    with open_store(job) as store:
        plan = store.plan()
        if plan is None or not store.records:
            raise OutputError(f"{folder} holds no finished frame yet")

        def shown() -> Iterator[Shown]:
            for frame in source.read(source.frames):
                record = store.records.get(frame.index)
                if record is None:
                    continue
                result = decode_png(store.read(frame.index)).pixels
                yield Shown(frame.index, frame.pixels, result, record.info.get("loss", {}))

        metrics = measure(shown(), plan.shots, seams(plan), motion)
        store.notes.add_to_summary({"metrics": metrics.to_data()})
        write_atomically(folder / "metrics.json", _per_frame(metrics))
    return Measured(folder, metrics)


def _per_frame(metrics: Metrics) -> bytes:
    """What a report draws."""
    return json.dumps({"per_frame": metrics.frames_to_data()}).encode()


def seams(plan: Plan) -> frozenset[int]:
    """Frames that another unit than that of the frame before them in the shot has painted.

    But for those that were started from that frame all the same.
    """
    starts = {unit.frames[0] for unit in plan.units if unit.chained and unit.after is None}
    led = {unit.towards for unit in plan.units if unit.towards is not None}
    inside = {frame for shot in plan.shots for frame in shot[1:]}
    return frozenset((starts | led) & inside)


def table(metrics: Metrics) -> list[tuple[str, str]]:
    """What people want to know, as names and values in words."""
    data: dict[str, Any] = metrics.to_data()

    def number(value: float | None, form: str = ".3g") -> str:
        return "-" if value is None else format(value, form)

    floor = number(data["warping_error_floor"])
    return [
        ("frames measured", str(data["frames"])),
        ("warping error", f"{number(data['warping_error'])} (the source's own: {floor})"),
        ("warping error over the source's", number(data["warping_error_over_floor"])),
        *(
            (f"warping error over its floor, {gap} frames apart", number(value))
            for gap, value in data["long_term_over_floor"].items()
        ),
        (
            "error at seams over that inside",
            "no seams" if data["seam_ratio"] is None else number(data["seam_ratio"]),
        ),
        ("share of a frame that was compared", number(data["coverage"], ".1%")),
        (
            "sharpness",
            f"{number(data['sharpness'])} (the source's: {number(data['source_sharpness'])})",
        ),
        ("style loss", number(data["style_loss"])),
        ("content loss", number(data["content_loss"])),
    ]


def _exact_motion(source: MovingSource) -> MotionOf:
    """The motion of the sample clip, as it was drawn."""
    width, height = source.size(source.frames[0])
    clip = SampleClip(width, height, source.count)

    def motion(now: Shown, before: Shown) -> Motion:
        flow = clip.flow(now.index, before.index)
        visible = clip.visible(now.index, before.index)
        return Motion(flow, visible.astype(np.float32))

    return motion
