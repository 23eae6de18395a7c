"""Measuring a finished output, offline: from its folder to its metrics."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from render.errors import OutputError
from render.files import write_atomically
from render.media.frames import Frame, going_on
from render.media.images import ImageSource
from render.media.source import MovingSource, open_source
from render.media.stills import decode_png
from render.metrics import Metrics, MotionOf, Shown, estimated_motion, measure
from render.mirror import open_store
from render.motion.paths import Motion
from render.places import find_folder, store_folder
from render.sample.clip import SampleClip
from render.spec.load import load_job

DRAWN = 128
"""Pixels across at which the sample clip is drawn to be recognised."""
SAME = 16.0
"""Mean difference (0 to 255) below which a frame is taken for that of the sample clip. Drawn at other
sizes its own differ by 2 to 7, real pictures by 60 and more."""


@dataclass(frozen=True)
class Measured:
    """The metrics of an output.

    Attributes:
        folder: of the output.
        metrics: along the optical flow as it is measured in the source, by DIS.
        exact: along the true motion, if the source is the sample clip, whose motion is known.
    """

    folder: Path
    metrics: Metrics
    exact: Metrics | None

    def to_data(self) -> dict[str, Any]:
        """The means as plain data, for `summary.json`."""
        true_flow = {} if self.exact is None else {"true_flow": self.exact.calm_to_data()}
        return {**self.metrics.to_data(), **true_flow}


def measure_output(output: Path) -> Measured:
    """Measure a video's finished frames, and add the means to the folder's `summary.json`.

    Args:
        output: the video, or the folder beside it that holds its frames.

    Raises:
        OutputError: there is no such output, none of its frames is finished, a run is writing to
            it, or it is one of pictures that do not follow each other.
        SourceError: its source cannot be read any more.
    """
    folder = find_folder(output)
    job = load_job(folder / "job.yaml")
    if folder.resolve() != store_folder(job).resolve():
        raise OutputError(
            f"{folder} was moved from {store_folder(job)}; move it back to measure it"
        )
    source = open_source(job.input, job.output)
    if isinstance(source, ImageSource):
        raise OutputError(f"{output}: pictures that do not follow each other have no such metrics")
    with open_store(job) as store:
        plan = store.plan()
        if plan is None or not store.records:
            raise OutputError(f"{folder} holds no finished frame yet")

        def shown() -> Iterator[Shown]:
            for frame in going_on(source.read, source.frames):
                if frame is not None and (record := store.records.get(frame.index)) is not None:
                    result = decode_png(store.read(frame.index)).pixels
                    yield Shown(frame.index, frame.pixels, result, record.info.get("loss", {}))

        def measured(motion: MotionOf) -> Metrics:
            return measure(shown(), plan.shots, plan.seams, motion)

        motion = _exact_motion(source)
        found = Measured(
            folder, measured(estimated_motion), None if motion is None else measured(motion)
        )
        store.notes.add_to_summary({"metrics": found.to_data()})
        write_atomically(folder / "metrics.json", _per_frame(found.metrics))
    return found


def _per_frame(metrics: Metrics) -> bytes:
    """What a report draws."""
    return json.dumps({"per_frame": metrics.frames_to_data()}).encode()


def table(measured: Measured) -> list[tuple[str, str]]:
    """What people want to know, as names and values in words."""
    data: dict[str, Any] = measured.to_data()

    def number(value: float | None, form: str = ".3g") -> str:
        return "-" if value is None else format(value, form)

    def beside(name: str) -> tuple[str, str]:
        return name, f"{number(data[name])} (the source's: {number(data[f'source_{name}'])})"

    floor = number(data["warping_error_floor"])
    exact = data.get("true_flow")
    return [
        ("frames measured", str(data["frames"])),
        ("warping error", f"{number(data['warping_error'])} (the source's own: {floor})"),
        ("warping error over the source's", number(data["warping_error_over_floor"])),
        *(
            (f"over the source's, {gap} frames apart", number(value))
            for gap, value in data["long_term_over_floor"].items()
        ),
        (
            "error at seams over that inside",
            number(data["seam_ratio"]) if data["seams"] else "no seams",
        ),
        ("share of a frame that was compared", number(data["coverage"], ".1%")),
        *(
            []
            if exact is None
            else [
                ("over the source's, true motion", number(exact["warping_error_over_floor"])),
                ("share compared, true motion", number(exact["coverage"], ".1%")),
            ]
        ),
        beside("sharpness"),
        beside("brightness"),
        beside("contrast"),
        ("style loss", number(data["style_loss"])),
        ("content loss", number(data["content_loss"])),
    ]


def _exact_motion(source: MovingSource) -> MotionOf | None:
    """The motion of the sample clip, as it was drawn; `None` if the source is another."""
    width, height = source.size(source.frames[0])
    if min(width, height) < 32 or source.count < 4:
        return None
    clip = SampleClip(width, height, source.count)
    frame = next((one for one in going_on(source.read, source.frames) if one is not None), None)
    if frame is None or not _shows(frame, clip):
        return None

    def motion(now: Shown, before: Shown) -> Motion:
        if not any({now.index, before.index} <= {*shot} for shot in clip.shots):
            nowhere = np.zeros((height, width, 3), np.float32)
            return Motion(nowhere[..., :2], nowhere[..., 2])
        flow = clip.flow(now.index, before.index)
        visible = clip.visible(now.index, before.index)
        return Motion(flow, visible.astype(np.float32))

    return motion


def _shows(frame: Frame, clip: SampleClip) -> bool:
    """Whether a frame is that of the sample clip, by what is left of both at 16 pixels across."""
    height = max(32, round(DRAWN * clip.height / clip.width))
    drawn = replace(clip, width=DRAWN, height=height).frame(frame.index)
    views = [
        np.asarray(
            Image.fromarray(pixels).resize((16, max(1, height // 8)), Image.Resampling.BOX), float
        )
        for pixels in (frame.pixels, drawn)
    ]
    return float(np.abs(views[0] - views[1]).mean()) < SAME
