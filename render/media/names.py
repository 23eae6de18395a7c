"""Names of finished pictures: where each goes, and that none takes another's place."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from functools import lru_cache
from itertools import chain
from pathlib import Path, PurePosixPath
from string import Formatter
from typing import Protocol

from render.errors import OutputError
from render.files import is_inside
from render.media.images import ImageSource
from render.media.listing import is_picture
from render.media.stills import EXTENSIONS, FORMAT_OF, still_format
from render.spec.media import Output
from render.spec.url import AnyPath


class Named(Protocol):
    """Pictures with names."""

    def name(self, frame: int) -> str:
        """Path of a picture below the input folder."""

    def path(self, frame: int) -> AnyPath:
        """File of a picture."""


def output_name(source: Named, frame: int, output: Output) -> PurePosixPath:
    """Path of an output picture below the output folder.

    Raises:
        OutputError: the template has a fault, or the name would leave the output folder.
    """
    given = PurePosixPath(source.name(frame))
    elsewhere = given.is_absolute() or ".." in given.parts  # a list may name any place
    known = {"stem": given.stem, "parent": "." if elsewhere else str(given.parent), "index": frame}
    text = _template(output.name).format(**known)
    name = PurePosixPath(text + _extension(source, frame, output))
    if not is_inside(str(name)):
        raise OutputError(f"output.name {output.name!r}: {name} would leave the output folder")
    return name


@lru_cache(maxsize=16)
def _template(text: str) -> str:
    """A template that can be filled in: what is wrong with it would be so for every picture."""
    known = {"stem": "", "parent": "", "index": 0}
    try:
        for _, field, _, _ in Formatter().parse(text):
            if field is not None and field not in known:
                raise ValueError(f"{{{field}}} is not known")
        text.format(**known)
    except ValueError as error:
        raise OutputError(
            f"output.name {text!r}: {error}; it may hold {{stem}}, {{parent}} and {{index:06}}"
        ) from error
    return text


def check_output_names(
    source: ImageSource, output: Output, named: Iterable[tuple[str, AnyPath]] = ()
) -> None:
    """Refuse a job whose pictures would overwrite each other or what is read, or be inputs next time.

    Names that differ only in case count as alike: many file systems keep only one of them.

    Args:
        source: the pictures.
        output: where results go, and under which names.
        named: files that are read beside the pictures, by their keys.

    Raises:
        OutputError: with both pictures and the name.
    """
    folder = real(output.path)
    among = source.pattern if folder == real(source.root) else None
    # On disk: a million names are too many for memory.
    with closing(sqlite3.connect("")) as seen:
        seen.execute("PRAGMA journal_mode = OFF")
        seen.execute("CREATE TABLE inputs (place BLOB PRIMARY KEY, key TEXT) WITHOUT ROWID")
        seen.execute("CREATE TABLE taken (name BLOB PRIMARY KEY, frame INTEGER) WITHOUT ROWID")
        inputs = (("input.path", source.path(frame)) for frame in source.frames)
        seen.executemany(
            "INSERT OR IGNORE INTO inputs VALUES (?, ?)",
            ((_key(real(path)), key) for key, path in chain(inputs, named)),
        )
        for frame in source.frames:
            name = output_name(source, frame, output)
            target = real(folder / name)
            if isinstance(target, Path) and not target.is_relative_to(str(folder)):
                raise OutputError(f"{folder / name}: a link there leads out of the output folder")
            read = seen.execute(
                "SELECT key FROM inputs WHERE place = ?", (_key(target),)
            ).fetchone()
            if read:
                raise OutputError(
                    f"{target}: the result would overwrite an input ({read[0]}); choose another "
                    "output.path or output.name"
                )
            if among is not None and is_picture(str(name), among):
                raise OutputError(
                    f"{target}: the result would lie among the inputs and be one of them the next "
                    "time; choose another output.path"
                )
            key = _key(str(name).casefold())
            taken = seen.execute("INSERT OR IGNORE INTO taken VALUES (?, ?)", (key, frame))
            if not taken.rowcount:
                row = seen.execute("SELECT frame FROM taken WHERE name = ?", (key,)).fetchone()
                raise OutputError(
                    f"{source.name(row[0])} and {source.name(frame)} would both be written as {name}; "
                    "set output.name to something like '{parent}/{stem}_{index:06}'"
                )


def check_sheet(
    sheet: AnyPath, source: ImageSource, named: Iterable[tuple[str, AnyPath]] = ()
) -> None:
    """Refuse a study whose sheet would overwrite what its cells read, or whose results be inputs.

    Raises:
        OutputError: with the sheet.
    """
    target = real(sheet)
    pattern = source.pattern if real(sheet.parent) == real(source.root) else None
    # Beside the inputs nothing tells the folders of cells from others.
    if pattern is not None and ("/" in pattern or is_picture(sheet.name, pattern)):
        raise OutputError(
            f"{sheet}: the study's results would lie among the inputs and be some of them the next "
            "time; choose another output.path"
        )
    inputs = (("input.path", source.path(frame)) for frame in range(len(source.pictures)))
    for key, path in chain(inputs, named):
        if real(path) == target:
            raise OutputError(
                f"{sheet}: the study's sheet would overwrite an input ({key}); choose another "
                "output.path"
            )


def _key(place: object) -> bytes:
    return os.fsencode(str(place))


def real(place: AnyPath) -> AnyPath:
    """A path with its links resolved; there are none in object storage."""
    if not isinstance(place, Path):
        return place
    # Of a million pictures few folders have to be looked at.
    return place.resolve() if place.is_symlink() else _real_folder(place.parent) / place.name


@lru_cache(maxsize=1024)
def _real_folder(folder: Path) -> Path:
    return folder.resolve()


def _extension(source: Named, frame: int, output: Output) -> str:
    """Extension of an output picture; with `same`, that of the source, whatever is in it."""
    if output.format != "same":
        return EXTENSIONS[output.format]
    suffix = PurePosixPath(source.name(frame)).suffix
    return suffix if suffix.lower() in FORMAT_OF else EXTENSIONS[still_format(source.path(frame))]
