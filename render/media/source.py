"""Opening the input of a job."""

from __future__ import annotations

from pathlib import Path

from render import storage
from render.errors import SourceError
from render.media.frames import Frame, FrameError, Source
from render.media.images import ImageSource, open_images
from render.media.sequence import SequenceSource, open_sequence
from render.media.video import VideoSource, open_video
from render.spec.media import Input, Output, VideoInput
from render.spec.url import AnyPath

__all__ = ["Frame", "FrameError", "MovingSource", "Source", "open_source"]

MovingSource = VideoSource | SequenceSource
"""A source whose frames follow each other in time."""


def open_source(
    spec: Input,
    output: Output | None = None,
    *,
    kept: Path | None = None,
    apart: AnyPath | None = None,
) -> ImageSource | MovingSource:
    """Open what a job renders.

    Args:
        spec: the job's input.
        output: the job's output: says how large the frames are rendered, and what lies in the input's
            folder but is no input; `None`: frames are as they are.
        kept: see `open_images`.
        apart: likewise.

    Raises:
        SourceError: the input is missing, unreadable, or not what the job says.
    """
    if isinstance(spec, VideoInput):
        path = spec.path
        try:
            folder = path.is_dir() if isinstance(path, Path) else storage.facts(path) is None
        except OSError as error:
            raise SourceError(f"{path}: cannot be read: {error.strerror}") from error
        if folder:
            return open_sequence(spec, output)
        return open_video(spec, output)
    return open_images(spec, output, kept=kept, apart=apart)
