"""Finding the pictures of a job: in a folder, in a list, or just one."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from fsspec.utils import glob_translate

from render import storage
from render.errors import SourceError
from render.spec.url import AnyPath, Url, inside

SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".jpe", ".webp", ".tif", ".tiff", ".avif", ".bmp", ".dib"}
)
"""Names that are taken from a folder; the content decides what they really are."""
LISTS = frozenset({".txt", ".lst"})
"""Names of files that list pictures, one path a line."""


def find_pictures(
    path: AnyPath, pattern: str, apart: AnyPath | None = None
) -> tuple[AnyPath, tuple[str, ...]]:
    """Folder that names are relative to, and the names.

    Args:
        path: a folder, a picture, or a text file with one path or URL a line, relative to itself.
        pattern: names in the folder to take, as a glob; `**/*` takes subfolders too.
        apart: a file or folder whose pictures are not taken from the folder, as they are results.

    Raises:
        SourceError: nothing there, or no picture in it.
    """
    if isinstance(path, Url):
        if storage.facts(path) is None:
            return path, tuple(_in_storage(path, pattern, apart))
    elif not path.exists():
        raise SourceError(f"{path}: no such file or folder; check the path of the input")
    elif path.is_dir():
        return path, tuple(_in_folder(path, pattern, apart))
    if path.suffix.lower() in LISTS:
        return path.parent, tuple(_in_list(path))
    return path.parent, (path.name,)


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


def _in_folder(folder: Path, pattern: str, apart: AnyPath | None) -> list[str]:
    """Pictures whose names fit the pattern, in natural order; what is hidden is left aside."""
    results = _results(folder, apart)
    try:
        found = [
            str(name)
            for file in folder.glob(pattern)
            if _shown(name := PurePosixPath(file.relative_to(folder)), results) and file.is_file()
        ]
    except (ValueError, NotImplementedError) as error:
        raise SourceError(f"{folder}: pattern {pattern!r} cannot be used: {error}") from error
    if not found:
        holds = "is empty" if next(folder.iterdir(), None) is None else "has no picture in it"
        raise _none(folder, holds, pattern)
    return sorted(found, key=natural)


def _in_storage(folder: Url, pattern: str, apart: AnyPath | None) -> list[str]:
    """Likewise in object storage, where there are no folders, but names that begin alike."""
    fits = re.compile(glob_translate(pattern)).match
    deep = "/" in pattern
    results = _results(folder, apart)
    found, some = [], False
    for entry in storage.listed(folder, deep=deep):
        some = True
        if _shown(PurePosixPath(entry.name), results) and fits(entry.name):
            found.append(entry.name)
    if not found:
        raise _none(folder, "has no picture in it" if some else "is empty or not there", pattern)
    return sorted(found, key=natural)


def _none(folder: AnyPath, holds: str, pattern: str) -> SourceError:
    kinds = ", ".join(sorted(SUFFIXES))
    return SourceError(f"{folder}: the folder {holds} (pattern {pattern!r}; pictures are {kinds})")


def _in_list(path: AnyPath) -> list[str]:
    """Pictures that a text file names, in its order; empty lines and `#` lines are left aside."""
    try:
        lines = storage.read(path).decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise SourceError(f"{path}: the list cannot be read: {error}") from error
    found = []
    for number, line in enumerate(lines, start=1):
        name = line.strip()
        if not name or name.startswith("#"):
            continue
        place = inside(path.parent, name)
        # Asking object storage for each takes hours; what is not there is set aside when it is read.
        if isinstance(place, Path) and not place.is_file():
            raise SourceError(f"{path}:{number}: no such picture: {name}")
        found.append(name)
    if not found:
        raise SourceError(f"{path}: the list names no picture")
    return found


def natural(text: str) -> tuple[tuple[tuple[int, int, str], ...], str]:
    """Sort key that puts `frame2` before `frame10`, folder by folder."""
    parts = re.split(r"(\d+)", text.casefold().replace("/", "\0"))
    return tuple((0, int(p), "") if p.isdigit() else (1, 0, p) for p in parts), text
