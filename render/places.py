"""Where what belongs to an output lies: in a folder `.render`, in it or beside it."""

from __future__ import annotations

from pathlib import Path

from render import storage
from render.errors import OutputError
from render.spec.job import Job
from render.spec.media import VideoInput
from render.spec.url import AnyPath, beside


def store_folder(job: Job) -> Path:
    """`out/clip.render` beside `out/clip.mp4`; `out/.render` in a folder of pictures `out`.

    Of an output in object storage, the folder on this machine's disk that is worked in.
    """
    place = store_place(job)
    return place if isinstance(place, Path) else storage.working_folder(place)


def store_place(job: Job) -> AnyPath:
    """Likewise, but where an output in object storage has it.

    Raises:
        OutputError: nothing can lie beside the output.
    """
    path = job.output.path
    if isinstance(job.input, VideoInput):
        return beside(path, ".render", folder=job.output.codec == "frames")
    return path / ".render"


def find_folder(output: Path) -> Path:
    """The `.render` folder of an output.

    Args:
        output: the result, a video or a folder of pictures, or the `.render` folder itself.

    Raises:
        OutputError: there is none.
    """
    named = output if output.name not in ("", "..") else output.resolve()
    folders = [named, named / ".render"]
    if named.name:
        folders.append(named.with_name(f"{named.name}.render"))
        if not named.is_dir():
            folders.append(named.with_suffix(".render"))
    for folder in folders:
        if (folder / "job.yaml").is_file():
            return folder
    raise OutputError(
        f"{output}: no output of render; name a finished video, a folder of pictures, or the "
        f".render folder of either; of a study, one of its cells"
    )
