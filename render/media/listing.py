"""Finding the pictures of a job: in a folder, in a list, or just one."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from fsspec.utils import glob_translate

from render import storage
from render.errors import SourceError
from render.spec.url import AnyPath, Url, inside
from render.storage import Entry

SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".jpe", ".webp", ".tif", ".tiff", ".avif", ".bmp", ".dib"}
)
"""Names that are taken from a folder; the content decides what they really are."""
LISTS = frozenset({".txt", ".lst"})
"""Names of files that list pictures, one path a line."""


@dataclass(frozen=True)
class Listing:
    """Pictures that were found.

    Attributes:
        root: what their names are relative to.
        entries: name, bytes and date of each, found while one goes through them.
        ordered: whether they come in their order; else in none.
    """

    root: AnyPath
    entries: Iterator[Entry]
    ordered: bool


def find_pictures(path: AnyPath, pattern: str, apart: AnyPath | None = None) -> Listing:
    """Find pictures.

    Args:
        path: a folder, a picture, or a text file with one path or URL a line, relative to itself.
        pattern: names in the folder to take, as a glob; `**/*` takes subfolders too.
        apart: a file or folder whose pictures are not taken from the folder, as they are results.

    Raises:
        SourceError: nothing there, or, while one goes through them, no picture in it.
    """
    if isinstance(path, Url):
        if storage.facts(path) is None:
            return Listing(path, _in_storage(path, pattern, apart), ordered=False)
    elif not path.exists():
        raise SourceError(f"{path}: no such file or folder; check the path of the input")
    elif path.is_dir():
        return Listing(path, _in_folder(path, pattern, apart), ordered=False)
    if path.suffix.lower() in LISTS:
        return Listing(path.parent, _in_list(path), ordered=True)
    found = storage.facts(path)
    assert found is not None
    return Listing(path.parent, iter([found]), ordered=True)


def is_picture(name: str, pattern: str) -> bool:
    """Whether a file of this name in a folder would be taken by the pattern."""
    return _shown(PurePosixPath(name)) and bool(re.match(glob_translate(pattern), name))


def _shown(name: PurePosixPath, results: PurePosixPath | None = None) -> bool:
    """Whether it is called a picture, is no result, and nothing of its path is hidden."""
    hidden = any(part.startswith(".") for part in name.parts)
    painted = results is not None and name.is_relative_to(results)
    return name.suffix.lower() in SUFFIXES and not hidden and not painted


def _results(folder: AnyPath, apart: AnyPath | None) -> PurePosixPath | None:
    """Where in the folder the results lie; `None`: elsewhere, or among the inputs."""
    if isinstance(folder, Path) and isinstance(apart, Path):
        folder, apart = folder.resolve(), apart.resolve()
        if apart != folder and apart.is_relative_to(folder):
            return PurePosixPath(apart.relative_to(folder))
    elif isinstance(folder, Url) and isinstance(apart, Url) and apart.startswith(f"{folder}/"):
        return PurePosixPath(apart.removeprefix(f"{folder}/"))
    return None


def _in_folder(folder: Path, pattern: str, apart: AnyPath | None) -> Iterator[Entry]:
    """Pictures whose names fit the pattern; what is hidden is left aside."""
    fits, results = _pattern(folder, pattern), _results(folder, apart)
    found = False
    for name, file in _walk(folder, "", deep="/" in pattern):
        if _shown(PurePosixPath(name), results) and fits(name) and _is(file.is_file, file):
            found = True
            about = file.stat()
            yield Entry(name, about.st_size, str(about.st_mtime_ns))
    if not found:
        holds = "is empty" if next(folder.iterdir(), None) is None else "has no picture in it"
        raise _none(folder, holds, pattern)


def _walk(folder: Path, above: str, *, deep: bool) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Names below a folder, each as it is read from the disk; what is hidden, and links, left aside."""
    try:
        with os.scandir(folder) as files:
            for file in files:
                if not _is(file.is_dir, file):
                    yield above + file.name, file
                elif deep and not file.is_symlink() and not file.name.startswith("."):
                    yield from _walk(folder / file.name, f"{above}{file.name}/", deep=True)
    except OSError as error:
        raise SourceError(f"{folder}: cannot be listed: {error.strerror}") from error


def _is(kind: Callable[[], bool], file: os.DirEntry[str]) -> bool:
    """Whether a name leads to something of a kind; a link in a circle does not, as one to nothing."""
    try:
        return kind()
    except OSError as error:
        if error.errno == errno.ELOOP:
            return False
        raise SourceError(f"{file.path}: cannot be looked at: {error.strerror}") from error


def _pattern(folder: AnyPath, pattern: str) -> Callable[[str], object]:
    try:
        if not pattern or pattern.startswith("/"):
            raise ValueError("it is for names below the folder")
        return re.compile(glob_translate(pattern)).match
    except (ValueError, re.error) as error:
        raise SourceError(f"{folder}: pattern {pattern!r} cannot be used: {error}") from error


def _in_storage(folder: Url, pattern: str, apart: AnyPath | None) -> Iterator[Entry]:
    """Likewise in object storage, where there are no folders, but names that begin alike."""
    fits, results = _pattern(folder, pattern), _results(folder, apart)
    found, some = False, False
    for entry in storage.listed(folder, deep="/" in pattern):
        some = True
        if _shown(PurePosixPath(entry.name), results) and fits(entry.name):
            found = True
            yield entry
    if not found:
        raise _none(folder, "has no picture in it" if some else "is empty or not there", pattern)


def _none(folder: AnyPath, holds: str, pattern: str) -> SourceError:
    kinds = ", ".join(sorted(SUFFIXES))
    return SourceError(f"{folder}: the folder {holds} (pattern {pattern!r}; pictures are {kinds})")


def _in_list(path: AnyPath) -> Iterator[Entry]:
    """Pictures that a text file names, in its order; empty lines and `#` lines are left aside."""
    found = False
    try:
        for number, line in enumerate(_lines(path), start=1):
            name = line.strip()
            if not name or name.startswith("#"):
                continue
            found = True
            place = inside(path.parent, name)
            # Asking object storage for each takes hours; what is not there is set aside when it is read.
            about = storage.facts(place) if isinstance(place, Path) else Entry(name, 0, "")
            if about is None:
                raise SourceError(f"{path}:{number}: no such picture: {name}")
            yield Entry(name, about.size, about.stamp)
    except UnicodeDecodeError as error:
        raise SourceError(f"{path}: the list cannot be read: {error}") from error
    if not found:
        raise SourceError(f"{path}: the list names no picture")


def _lines(path: AnyPath) -> Iterator[str]:
    if isinstance(path, Url):
        yield from storage.read(path).decode("utf-8-sig").splitlines()
        return
    try:
        with path.open(encoding="utf-8-sig") as file:
            yield from file
    except OSError as error:
        raise SourceError(f"{path}: the list cannot be read: {error.strerror}") from error


def natural(text: str) -> bytes:
    """Sort key that puts `frame2` before `frame10`, folder by folder, in the order of its bytes."""
    key = bytearray()
    for place, part in enumerate(re.split(r"(\d+)", text.casefold().replace("/", "\0"))):
        if place % 2:
            digits = str(int(part[-4000:])).encode()
            key += b"\1" + len(digits).to_bytes(2, "big") + digits
        else:
            # The end of a text sorts before all that it may go on with, and so does the end of all.
            raw = part.encode(errors="surrogateescape")
            key += raw.replace(b"\0", b"\0\1") + b"\0\0"
    return bytes(key) + b"\0" + text.encode(errors="surrogateescape")
