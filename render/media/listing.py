"""Finding the pictures of a job: in a folder, in a list, or just one."""

from __future__ import annotations

import re
from pathlib import Path

from render.errors import SourceError

SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".jpe", ".webp", ".tif", ".tiff", ".avif", ".bmp", ".dib"}
)
"""Names that are taken from a folder; the content decides what they really are."""
LISTS = frozenset({".txt", ".lst"})
"""Names of files that list pictures, one path a line."""


def find_pictures(path: Path, pattern: str) -> tuple[Path, tuple[str, ...]]:
    """Folder that names are relative to, and the names.

    Args:
        path: a folder, a picture, or a text file with one path a line, relative to itself.
        pattern: names in the folder to take, as a glob; `**/*` takes subfolders too.

    Raises:
        SourceError: nothing there, or no picture in it.
    """
    if not path.exists():
        raise SourceError(f"{path}: no such file or folder; check the path of the input")
    if path.is_dir():
        return path, tuple(_in_folder(path, pattern))
    if path.suffix.lower() in LISTS:
        return path.parent, tuple(_in_list(path))
    return path.parent, (path.name,)


def _in_folder(folder: Path, pattern: str) -> list[str]:
    """Pictures whose names fit the pattern, in natural order; hidden files are left aside."""
    try:
        found = [
            file.relative_to(folder).as_posix()
            for file in folder.glob(pattern)
            if file.suffix.lower() in SUFFIXES and file.is_file() and not file.name.startswith(".")
        ]
    except (ValueError, NotImplementedError) as error:
        raise SourceError(f"{folder}: pattern {pattern!r} cannot be used: {error}") from error
    if not found:
        holds = "is empty" if next(folder.iterdir(), None) is None else "has no picture in it"
        raise SourceError(
            f"{folder}: the folder {holds} (pattern {pattern!r}; pictures are "
            f"{', '.join(sorted(SUFFIXES))})"
        )
    return sorted(found, key=natural)


def _in_list(path: Path) -> list[str]:
    """Pictures that a text file names, in its order; empty lines and `#` lines are left aside."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path}: the list cannot be read: {error}") from error
    found = []
    for number, line in enumerate(lines, start=1):
        name = line.strip()
        if not name or name.startswith("#"):
            continue
        if not (path.parent / name).is_file():
            raise SourceError(f"{path}:{number}: no such picture: {name}")
        found.append(name)
    if not found:
        raise SourceError(f"{path}: the list names no picture")
    return found


def natural(text: str) -> tuple[tuple[tuple[int, int, str], ...], str]:
    """Sort key that puts `frame2` before `frame10`, folder by folder."""
    parts = re.split(r"(\d+)", text.casefold().replace("/", "\0"))
    return tuple((0, int(p), "") if p.isdigit() else (1, 0, p) for p in parts), text
