"""One picture at a time, without a farm: previews of a job, and pictures without a job file."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from render.errors import JobError, OutputError, Problem, SourceError
from render.files import write_atomically
from render.lock import refuse_links
from render.materials import named_files, read_masks, read_materials
from render.media.frames import Frame
from render.media.images import ImageSource
from render.media.names import real
from render.media.source import open_source
from render.media.stills import FORMATS, Still, encode_png, read_still
from render.painted import Below
from render.painter import Painter
from render.pixels import Pixels
from render.places import store_folder
from render.settle import settle
from render.spec.document import Document
from render.spec.job import Job
from render.spec.load import build_job
from render.spec.stages import stage_count
from render.store import PREVIEWS
from render.together import picture_file

PREVIEW_SIZE = 256
PREVIEW_EVALUATIONS = 100
"""Enough to see the look; a final picture is only finer."""
GAP = 8
"""Pixels between original and result."""


def _unsaid(_: str) -> None:
    """Say nothing."""


def preview(
    job: Job,
    frames: Sequence[int],
    size: int = PREVIEW_SIZE,
    *,
    say: Callable[[str], None] = _unsaid,
) -> list[Path]:
    """Paint single frames small, each beside its original.

    Weights mean the same at every size, so colours and the balance of style and content are those of
    the final. Every frame is painted as the first of a shot is: how it follows the one before, a
    preview cannot show. At the job's own size such a frame is, byte for byte, what a worker paints.

    Args:
        job: what to paint and how.
        frames: indices in the source; none: the first.
        size: long side of a painted frame; never more than the job's own.
        say: is told what is being painted.

    Returns:
        The PNG files, in the `preview` folder of the job's output folder.

    Raises:
        RenderError: something that the job reads is missing or wrong.
    """
    folder = store_folder(job) / PREVIEWS
    refuse_links([folder])
    source = open_source(job.input, job.output)
    there = source.frames
    frames = frames or there[:1]
    for frame in frames:
        if frame not in there:
            every = f", every {there.step}" if there.step > 1 else ""
            raise SourceError(f"--frame {frame}: the frames are {there[0]}-{there[-1]}{every}")
    if size < max(max(source.size(frame)) for frame in frames):
        job = _smaller(job, size)
        source = open_source(job.input, job.output)
    painter = _painter(job)
    written = []
    for index in frames:
        original = next(iter(source.read(range(index, index + 1))))
        say(f"frame {index}: {_effort(job, original)}")
        pair = beside(original.pixels, _paint(painter, original))
        path = folder / f"{index:06}.png"
        write_atomically(path, encode_png(pair))
        written.append(path)
    return written


def _smaller(job: Job, size: int) -> Job:
    """The job at a smaller size, with all of this machine: at another size no bytes are to be equal."""
    effort = min(job.optimize.evaluations, PREVIEW_EVALUATIONS)
    cpus = max(job.farm.cpus_per_worker, os.cpu_count() or 1)
    return job.model_copy(
        update={
            "output": job.output.model_copy(update={"size": size, "height": None}),
            "optimize": job.optimize.model_copy(update={"evaluations": effort}),
            "farm": job.farm.model_copy(update={"cpus_per_worker": cpus}),
        }
    )


def paint_image(
    content: Path,
    styles: Sequence[Path],
    output: Path,
    overrides: Sequence[str],
    *,
    say: Callable[[str], None] = _unsaid,
) -> Job:
    """Paint one picture into a file.

    Args:
        content: the picture.
        styles: one or more style pictures, in equal shares.
        output: the file to write; its extension says the format.
        overrides: `key=value` each, as in a job file.
        say: is told what is being painted.

    Returns:
        The job that this was.

    Raises:
        RenderError: a picture cannot be read, or a setting is wrong or of no use here.
    """
    form = {".jpg": "jpeg", ".tif": "tiff"}.get(output.suffix.lower(), output.suffix[1:].lower())
    if form not in FORMATS.values():
        raise OutputError(
            f"--output {output}: an extension of {', '.join(sorted(set(FORMATS.values())))}"
        )
    data = {
        "input": {"kind": "images", "path": str(content)},
        "output": {"path": str(output.parent), "format": form},
        "style": {"images": [{"path": str(path)} for path in styles]},
        "farm": {"cpus_per_worker": os.cpu_count() or 1},  # there is but one worker
    }
    job = build_job(Document("command line", data), overrides, Path.cwd())
    _refuse_other_places(job, build_job(Document("command line", data), (), Path.cwd()))
    source = open_source(job.input, job.output)
    assert isinstance(source, ImageSource)
    if len(source.frames) > 1:
        raise SourceError(
            f"--content {content}: holds {len(source.frames)} pictures, of which this paints but one; "
            "name that, or paint all with a job file and `render run`"
        )
    read = dict([("--content", source.path(0)), *named_files(job, range(1))])
    for key, path in read.items():
        if real(output) == real(path):
            raise OutputError(f"--output {output}: this would overwrite an input ({key})")
    frame = next(iter(source.read(range(1))))
    say(f"{content}: {_effort(job, frame)}")
    original = read_still(source.path(0))
    height, width = original.pixels.shape[:2]
    made = Still(_paint(_painter(job), frame), frame.alpha, original.exif, form)
    write_atomically(output, picture_file(job, made, (width, height), form, str(output)))
    return job


def _refuse_other_places(job: Job, plain: Job) -> None:
    """Refuse overrides of what options say, and of what takes more than one picture."""
    wrong = {
        "input": job.input != plain.input,
        "output.path": job.output.path != plain.output.path,
        "output.format": job.output.format != plain.output.format,
    }
    problems = [
        Problem("command line", key, "an override", "what --content and --output say")
        for key, differs in wrong.items()
        if differs
    ]
    if job.study:
        problems.append(Problem("command line", "study", "a grid", "one picture; see `render run`"))
    if problems:
        raise JobError(problems)


def beside(before: Pixels, after: Pixels) -> Pixels:
    """Two pictures of one size side by side on white, H×(2W+gap)×3."""
    gap = np.full((before.shape[0], GAP, 3), 255, np.uint8)
    return np.hstack([before, gap, after])


def _effort(job: Job, frame: Frame) -> str:
    height, width = frame.pixels.shape[:2]
    return f"{width}×{height}, {job.optimize.evaluations} evaluations"


def _painter(job: Job) -> Painter:
    device = settle(job.farm.cpus_per_worker, gpu=job.farm.gpus_per_worker != 0)
    materials = read_materials(job)
    return Painter(job, materials.styles, device, materials.extras)


def _paint(painter: Painter, frame: Frame) -> Pixels:
    """The frame after all its stages, as one that follows no other."""
    masks = read_masks(painter.job, frame.index)
    below: Below | None = None
    for stage in range(stage_count(painter.job)):
        painted = painter.paint(
            frame.pixels,
            index=frame.index,
            alpha=frame.alpha,
            masks=masks,
            stage=stage,
            below=below,
        )
        below = Below(painted.pixels, painted.curvature, painted.detail)
    assert below is not None
    return below.pixels
