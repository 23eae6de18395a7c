"""The list of a job's pictures, on disk: a million names, sizes and dates are too many for memory.

A folder of shards, each of some thousand lines in the order of the pictures, and `index.json`, which is
written last. It never changes once it is there.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import tempfile
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any, overload

from render.errors import SourceError
from render.files import write_atomically
from render.media.listing import natural
from render.storage import Entry

SHARD = 4096
"""Pictures of a shard."""
SHARDS_KEPT = 8
"""Shards in memory, as the lines that they are on disk."""
READERS = 8
"""Headers that are read side by side: a disk on the network takes its time."""
PART = 128
"""Pictures whose headers one of them reads in a row."""

Size = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of the list.

    Attributes:
        name: its path below the input folder.
        width: in pixels, upright, as its file says; 0 if that is not known.
        height: likewise.
        bytes: of the file.
        stamp: text that changes when the file does.
    """

    name: str
    width: int
    height: int
    bytes: int
    stamp: str


class Manifest(Sequence[Picture]):
    """A list on disk.

    Args:
        folder: where it is.
        passing: delete it when nobody has it any more.

    Attributes:
        about: what it was made for.
        content: hexadecimal text that changes when names or sizes of files do.
        dates: likewise when their stamps do.

    Raises:
        SourceError: it is not there, not whole, or damaged.
    """

    def __init__(self, folder: Path, *, passing: bool = False) -> None:
        self.folder = folder
        try:
            index = json.loads((folder / "index.json").read_bytes())
            self._count = int(index["pictures"])
            self.about: Mapping[str, Any] = dict(index["about"])
            self.content, self.dates = str(index["content"]), str(index["dates"])
        except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
            raise SourceError(f"{folder}: no list of pictures: {error}") from error
        self._shards: OrderedDict[int, list[bytes]] = OrderedDict()
        self._end = weakref.finalize(self, shutil.rmtree, folder, True) if passing else None

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, place: int) -> Picture: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[Picture]: ...

    def __getitem__(self, place: int | slice) -> Picture | Sequence[Picture]:
        if isinstance(place, slice):
            return [self[each] for each in range(*place.indices(self._count))]
        if not 0 <= place < self._count:
            raise IndexError(place)
        return _parse(self._lines(place // SHARD)[place % SHARD])

    def __iter__(self) -> Iterator[Picture]:
        for shard in range(-(-self._count // SHARD)):
            yield from map(_parse, self._read(shard))

    def move(self, folder: Path) -> Manifest:
        """The same list in another folder, for good; what was there is replaced, but by itself."""
        if folder.exists():
            if folder.samefile(self.folder):
                return self
            shutil.rmtree(folder)
        shutil.copytree(self.folder, folder, ignore=shutil.ignore_patterns("index.json"))
        write_atomically(folder / "index.json", (self.folder / "index.json").read_bytes())
        return Manifest(folder)

    def _lines(self, shard: int) -> list[bytes]:
        lines = self._shards.get(shard)
        if lines is None:
            lines = self._shards[shard] = self._read(shard)
            if len(self._shards) > SHARDS_KEPT:
                self._shards.popitem(last=False)
        else:
            self._shards.move_to_end(shard)
        return lines

    def _read(self, shard: int) -> list[bytes]:
        path = self.folder / _name(shard)
        try:
            lines = path.read_bytes().splitlines()
        except OSError as error:
            raise SourceError(f"{path}: cannot be read: {error.strerror}") from error
        if len(lines) != min(SHARD, self._count - shard * SHARD):
            raise SourceError(f"{path}: damaged; start over with --fresh")
        return lines


def make_manifest(
    found: Iterable[Entry],
    look: Callable[[str], Size],
    about: Mapping[str, Any],
    *,
    ordered: bool = False,
    stamped: bool = False,
) -> Manifest:
    """Write the list of pictures, to a temporary folder, with memory for some thousand of them.

    Args:
        found: the pictures, in any order.
        look: size in pixels of the picture of a name; (0, 0): not known.
        about: what the list is made for.
        ordered: they are in their order; else they are put into that of `natural`.
        stamped: stamps follow the content, and count with it.
    """
    folder = Path(tempfile.mkdtemp(prefix="render-manifest-"))
    try:
        names, dates, count = hashlib.sha256(), hashlib.sha256(), 0
        entries = iter(found) if ordered else _sorted(found, folder / "listing.sqlite")
        with ThreadPoolExecutor(READERS) as readers:
            for shard, chunk in enumerate(iter(lambda: list(islice(entries, SHARD)), [])):
                parts = [chunk[first : first + PART] for first in range(0, len(chunk), PART)]
                sizes = readers.map(lambda part: [look(entry.name) for entry in part], parts)
                lines = []
                for entry, (width, height) in zip(chunk, chain.from_iterable(sizes), strict=True):
                    row = (entry.name, width, height, entry.size, entry.stamp)
                    lines.append(json.dumps(row, separators=(",", ":")).encode())
                    fact = f"{entry.size}\0{entry.stamp}" if stamped else str(entry.size)
                    names.update(f"{entry.name}\0{fact}\n".encode(errors="surrogateescape"))
                    dates.update(b"\n" if stamped else f"{entry.stamp}\n".encode())
                (folder / _name(shard)).write_bytes(b"\n".join(lines))
                count += len(chunk)
        (folder / "listing.sqlite").unlink(missing_ok=True)
        index = {
            "pictures": count,
            "about": dict(about),
            "content": names.hexdigest(),
            "dates": dates.hexdigest(),
        }
        write_atomically(folder / "index.json", json.dumps(index, indent=2).encode())
        return Manifest(folder, passing=True)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _sorted(found: Iterable[Entry], path: Path) -> Iterator[Entry]:
    """Entries by `natural`; SQLite sorts on disk what is too much for its cache."""
    database = sqlite3.connect(path)
    try:
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "temp_store = FILE"):
            database.execute(f"PRAGMA {pragma}")
        database.execute("CREATE TABLE entries (key BLOB, name BLOB, size INTEGER, stamp TEXT)")
        database.executemany(
            "INSERT INTO entries VALUES (?, ?, ?, ?)",
            ((natural(e.name), os.fsencode(e.name), e.size, e.stamp) for e in found),
        )
        database.commit()
        for name, size, stamp in database.execute(
            "SELECT name, size, stamp FROM entries ORDER BY key"
        ):
            yield Entry(os.fsdecode(name), size, stamp)
    finally:
        database.close()


def _name(shard: int) -> str:
    return f"{shard:06}.jsonl"


def _parse(line: bytes) -> Picture:
    try:
        return Picture(*json.loads(line))
    except (ValueError, TypeError) as error:
        raise SourceError(f"a line of the list of pictures is damaged: {error}") from error
