"""A video written as numbered pictures."""

from __future__ import annotations

from collections.abc import Iterable

from render import storage
from render.errors import OutputError
from render.media.stills import EXTENSIONS, Still, encode_still, scale_still
from render.pixels import Pixels
from render.spec.media import Output
from render.spec.url import AnyPath


def frame_name(index: int, output: Output) -> str:
    """Name of the picture of a frame, such as `000012.png`; `format: same` means PNG."""
    return f"{index:06}{EXTENSIONS[_format(output)]}"


def _format(output: Output) -> str:
    return "png" if output.format == "same" else output.format


def write_folder(
    path: AnyPath,
    frames: Iterable[Pixels],
    output: Output,
    selected: range,
    enlarged: tuple[int, int] | None,
) -> int:
    """Write each frame as a picture named by its index in the source, such as `000012.png`.

    Args:
        path: the folder; pictures of the same names are replaced.
        frames: one H×W×3 picture for each of `selected`.
        output: format and quality.
        selected: indices of the frames in the source.
        enlarged: width and height to scale the finished frames to.

    Returns:
        The number of frames written.

    Raises:
        OutputError: a picture cannot be written, or their number is not that of `selected`.
    """
    form = _format(output)
    count = 0
    try:
        for index, pixels in zip(selected, frames, strict=True):
            if enlarged is not None:
                pixels = scale_still(Still(pixels, None, b"", form), enlarged).pixels  # noqa: PLW2901
            name = frame_name(index, output)
            data = encode_still(pixels, None, form, quality=output.quality, name=name)
            storage.write(path / name, data)
            count += 1
    except ValueError as error:
        raise OutputError(f"{path}: not one frame for each of {len(selected)}: {error}") from error
    return count
