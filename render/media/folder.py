"""A video written as numbered pictures."""

from __future__ import annotations

from collections.abc import Iterable

from render import storage
from render.errors import OutputError
from render.media.frames import Pixels
from render.media.stills import EXTENSIONS, encode_still
from render.spec.media import Output
from render.spec.url import AnyPath


def write_folder(path: AnyPath, frames: Iterable[Pixels], output: Output, selected: range) -> int:
    """Write each frame as a picture named by its index in the source, such as `000012.png`.

    Args:
        path: the folder; pictures of the same names are replaced.
        frames: one H×W×3 picture for each of `selected`.
        output: format and quality; `format: same` means PNG.
        selected: indices of the frames in the source.

    Returns:
        The number of frames written.

    Raises:
        OutputError: a picture cannot be written, or their number is not that of `selected`.
    """
    form = "png" if output.format == "same" else output.format
    count = 0
    try:
        for index, pixels in zip(selected, frames, strict=True):
            name = f"{index:06}{EXTENSIONS[form]}"
            storage.write(path / name, encode_still(pixels, None, form, quality=output.quality))
            count += 1
    except ValueError as error:
        raise OutputError(f"{path}: not one frame for each of {len(selected)}: {error}") from error
    return count
