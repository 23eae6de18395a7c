"""Pictures as a source of frames, and the names of what they become."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from string import Formatter

from render import storage
from render.errors import OutputError, SourceError
from render.media.frames import Fingerprint, Frame, FrameError, rendered_size
from render.media.listing import find_pictures, is_picture
from render.media.stills import (
    EXTENSIONS,
    FORMAT_OF,
    Still,
    read_still,
    resize_still,
    still_format,
    still_size,
)
from render.spec.media import ImagesInput, Output
from render.spec.url import AnyPath, Url, inside
from render.storage import Entry


@dataclass(frozen=True)
class ImageSource:
    """Pictures in natural order.

    Attributes:
        root: folder that `paths` are relative to.
        paths: the pictures.
        frames: the selected indices.
        long_side: pixels that the longer side is scaled down to, if it is longer.
        tallest: likewise for the height.
        pattern: glob that `paths` were found with in the folder `root`; `None`: they were named.
    """

    root: AnyPath
    paths: tuple[str, ...]
    frames: range
    long_side: int | None = None
    tallest: int | None = None
    pattern: str | None = None

    @property
    def rate(self) -> None:
        """Pictures have no rate."""
        return None

    def path(self, frame: int) -> AnyPath:
        """File of a picture."""
        return inside(self.root, self.paths[frame])

    def name(self, frame: int) -> str:
        """Path of the picture below the input folder."""
        return self.paths[frame]

    def size(self, frame: int) -> tuple[int, int]:
        """Width and height as rendered; reads the header of the file.

        Raises:
            FrameError: the picture cannot be read.
        """
        try:
            return rendered_size(*still_size(self.path(frame)), self.long_side, self.tallest)
        except SourceError as error:
            raise FrameError(str(error), frame) from error

    def still(self, frame: int) -> Still:
        """A picture as rendered, with what its file says beside the pixels.

        Raises:
            FrameError: the picture cannot be read.
        """
        try:
            return resize_still(read_still(self.path(frame)), self.long_side, self.tallest)
        except SourceError as error:
            raise FrameError(str(error), frame) from error

    def read(self, frames: range) -> Iterator[Frame]:
        """The pictures in order; a `FrameError` ends it, and a new call goes on behind."""
        for index in frames:
            still = self.still(index)
            yield Frame(index, still.pixels, still.alpha, self.digest(index))

    def fingerprint(self) -> Fingerprint:
        """Of names and sizes, and of dates: hashing the bytes of a million pictures takes hours.

        In object storage, stamps follow the content and count with the sizes.
        """
        listed: dict[str, Entry] = {}
        if isinstance(self.root, Url):  # asking for one after the other takes hours, too
            listed = {entry.name: entry for entry in storage.listed(self.root)}
        names, dates = hashlib.sha256(), hashlib.sha256()
        for index, name in enumerate(self.paths):
            path = self.path(index)
            facts = listed.get(name) or storage.facts(path)
            about = "is missing" if facts is None else str(facts.size)
            stamp = "" if facts is None else facts.stamp
            if isinstance(path, Url):
                about, stamp = f"{about}\0{stamp}", ""
            names.update(f"{name}\0{about}\n".encode(errors="surrogateescape"))
            dates.update(f"{stamp}\n".encode())
        return Fingerprint(names.hexdigest(), dates.hexdigest())

    def digest(self, frame: int) -> str | None:
        """Hash of a picture's file; `None` in object storage, whose stamps follow the content.

        Raises:
            FrameError: it cannot be read.
        """
        path = self.path(frame)
        if isinstance(path, Url):
            return None
        try:
            with path.open("rb") as file:
                made = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16))
        except OSError as error:
            raise FrameError(f"{path}: cannot be read: {error.strerror}", frame) from error
        return made.hexdigest()


def open_images(spec: ImagesInput, output: Output | None = None) -> ImageSource:
    """Find the pictures of a job.

    Args:
        spec: the job's input: a folder, one picture, or a list of pictures.
        output: says how large the pictures are rendered; what lies in its folder is no input. `None`:
            they are as they are.

    Raises:
        SourceError: nothing there, no picture in it, or the one picture cannot be read.
    """
    apart = None if output is None else output.path
    root, found = find_pictures(spec.path, spec.pattern, apart)
    if found == (spec.path.name,):
        still_size(spec.path)
    size, height = (None, None) if output is None else (output.size, output.height)
    pattern = spec.pattern if root == spec.path else None
    return ImageSource(root, found, range(len(found)), size, height, pattern)


def output_name(source: ImageSource, frame: int, output: Output) -> PurePosixPath:
    """Path of an output picture below the output folder.

    Raises:
        OutputError: the template has a fault, or the name would leave the output folder.
    """
    given = PurePosixPath(source.paths[frame])
    elsewhere = given.is_absolute() or ".." in given.parts  # a list may name any place
    known = {"stem": given.stem, "parent": "." if elsewhere else str(given.parent), "index": frame}
    try:
        for _, field, _, _ in Formatter().parse(output.name):
            if field is not None and field not in known:
                raise ValueError(f"{{{field}}} is not known")
        text = output.name.format(**known)
    except ValueError as error:
        raise OutputError(
            f"output.name {output.name!r}: {error}; it may hold {{stem}}, {{parent}} and {{index:06}}"
        ) from error
    name = PurePosixPath(text + _extension(source, frame, output))
    if name.is_absolute() or ".." in name.parts or not name.stem or "\0" in text:
        raise OutputError(f"output.name {output.name!r}: {name} would leave the output folder")
    return name


def check_output_names(source: ImageSource, output: Output) -> None:
    """Refuse a job whose pictures would overwrite each other or their inputs, or be inputs next time.

    Names that differ only in case count as alike: many file systems keep only one of them.

    Raises:
        OutputError: with both pictures and the name.
    """
    folder = _real(output.path)
    among = source.pattern is not None and folder == _real(source.root)
    taken: dict[str, int] = {}
    inputs = {_real(source.path(frame)) for frame in source.frames}
    for frame in source.frames:
        name = output_name(source, frame, output)
        target = _real(folder / name)
        if isinstance(target, Path) and not target.is_relative_to(str(folder)):
            raise OutputError(f"{folder / name}: a link there leads out of the output folder")
        if target in inputs:
            raise OutputError(
                f"{target}: the result would overwrite an input; choose another output.path or "
                "output.name"
            )
        if among and is_picture(str(name), source.pattern or ""):
            raise OutputError(
                f"{target}: the result would lie among the inputs and be one of them the next time; "
                "choose another output.path"
            )
        other = taken.setdefault(str(name).casefold(), frame)
        if other != frame:
            raise OutputError(
                f"{source.name(other)} and {source.name(frame)} would both be written as {name}; "
                "set output.name to something like '{parent}/{stem}_{index:06}'"
            )


def _real(place: AnyPath) -> AnyPath:
    """A path with its links resolved; there are none in object storage."""
    return place.resolve() if isinstance(place, Path) else place


def _extension(source: ImageSource, frame: int, output: Output) -> str:
    """Extension of an output picture; with `same`, that of the source, whatever is in it."""
    if output.format != "same":
        return EXTENSIONS[output.format]
    suffix = PurePosixPath(source.paths[frame]).suffix
    return suffix if suffix.lower() in FORMAT_OF else EXTENSIONS[still_format(source.path(frame))]
