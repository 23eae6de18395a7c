"""Pictures as a source of frames."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedReader, BytesIO
from pathlib import Path

from render import storage
from render.errors import SourceError
from render.media.frames import Fingerprint, Frame, FrameError, rendered_size
from render.media.listing import find_pictures
from render.media.manifest import Manifest, Picture, make_manifest
from render.media.stills import Still, read_still, resize_still, still_size
from render.spec.media import ImagesInput, Output
from render.spec.url import AnyPath, Url, inside


@dataclass(frozen=True)
class Opened:
    """A picture that was read to be painted.

    Attributes:
        still: it, as rendered.
        full: width and height that it had before.
        digest: of its file.
    """

    still: Still
    full: tuple[int, int]
    digest: str


@dataclass(frozen=True)
class Original:
    """A picture on its way to who paints it.

    Attributes:
        place: its file.
        data: what is in it; `None`: to be read there.
        long_side: pixels that the longer side is scaled down to, if it is longer.
        tallest: likewise for the height.
    """

    place: AnyPath
    data: bytes | None
    long_side: int | None
    tallest: int | None

    def read(self) -> Opened:
        """The picture.

        Raises:
            SourceError: it cannot be read.
        """
        data = storage.read(self.place) if self.data is None else self.data
        whole = read_still(self.place, data)
        height, width = whole.pixels.shape[:2]
        still = resize_still(whole, self.long_side, self.tallest)
        return Opened(still, (width, height), _digest(BytesIO(data)))


@dataclass(frozen=True)
class ImageSource:
    """Pictures in natural order, or in that of a list.

    Attributes:
        root: folder that their names are relative to.
        pictures: all of them.
        frames: the selected indices.
        long_side: pixels that the longer side is scaled down to, if it is longer.
        tallest: likewise for the height.
        pattern: glob that the pictures were found with in the folder `root`; `None`: they were named.
    """

    root: AnyPath
    pictures: Manifest
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
        return inside(self.root, self.name(frame))

    def name(self, frame: int) -> str:
        """Path of the picture below the input folder."""
        return self.pictures[frame].name

    def size(self, frame: int) -> tuple[int, int]:
        """Width and height as rendered; reads the header of the file.

        Raises:
            FrameError: the picture cannot be read.
        """
        try:
            return rendered_size(*still_size(self.path(frame)), self.long_side, self.tallest)
        except SourceError as error:
            raise FrameError(str(error), frame) from error

    def planned_sizes(self) -> Iterator[tuple[int, tuple[int, int]]]:
        """Index and size of all pictures, in order, as the list has it, which touches no file.

        The size is (0, 0) where it has none.
        """
        return (
            (frame, self._rendered(p)) for frame, p in zip(self.frames, self.pictures, strict=True)
        )

    def _rendered(self, picture: Picture) -> tuple[int, int]:
        if not picture.width:
            return 0, 0
        return rendered_size(picture.width, picture.height, self.long_side, self.tallest)

    def original(self, frame: int, *, read: bool) -> Original:
        """A picture to be sent away, with what is in its file if it is to be read here.

        Raises:
            FrameError: it cannot be read.
        """
        place = self.path(frame)
        try:
            data = storage.read(place) if read else None
        except SourceError as error:
            raise FrameError(str(error), frame) from error
        return Original(place, data, self.long_side, self.tallest)

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
        return Fingerprint(self.pictures.content, self.pictures.dates)

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
                return _digest(file)
        except OSError as error:
            raise FrameError(f"{path}: cannot be read: {error.strerror}", frame) from error


def open_images(
    spec: ImagesInput,
    output: Output | None = None,
    *,
    kept: Path | None = None,
    apart: AnyPath | None = None,
) -> ImageSource:
    """Find the pictures of a job, or take those that were found before.

    Args:
        spec: the job's input: a folder, one picture, or a list of pictures.
        output: says how large the pictures are rendered; what lies in its folder is no input. `None`:
            they are as they are.
        kept: a list that was made for the same input, to be trusted.
        apart: of a cell, the folder of its study, with the results of the others; `None`: that of
            `output`.

    Raises:
        SourceError: nothing there, no picture in it, or the one picture cannot be read.
    """
    if kept is not None:
        return _source(spec, Manifest(kept), output)
    if apart is None and output is not None:
        apart = output.path
    listing = find_pictures(spec.path, spec.pattern, apart)
    root = listing.root

    def look(name: str) -> tuple[int, int]:
        place = inside(root, name)
        try:  # in object storage, a header is the whole object
            return still_size(place) if isinstance(place, Path) else (0, 0)
        except SourceError:
            return 0, 0

    manifest = make_manifest(
        listing.entries,
        look,
        {"path": str(spec.path), "pattern": spec.pattern, "folder": root == spec.path},
        ordered=listing.ordered,
        stamped=isinstance(root, Url),
    )
    if len(manifest) == 1 and manifest[0].name == spec.path.name:
        still_size(spec.path)
    return _source(spec, manifest, output)


def _source(spec: ImagesInput, found: Manifest, output: Output | None) -> ImageSource:
    size, height = (None, None) if output is None else (output.size, output.height)
    frames = range(len(found))
    if found.about["folder"]:
        return ImageSource(spec.path, found, frames, size, height, spec.pattern)
    return ImageSource(spec.path.parent, found, frames, size, height)


def _digest(file: BytesIO | BufferedReader) -> str:
    return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
