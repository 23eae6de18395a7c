"""Records of a million finished pictures, without holding them in memory.

They are lines of the ledger, which is the truth: one write for all pictures of a batch. SQLite, on a
disk of this machine, says where in the ledger each is; it lags behind by some seconds, catches up by
parsing the rest, and is made anew where it does not fit the ledger, byte for byte, or is missing.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from render.ledger import Record, parse_record

COMMIT_EVERY = 20_000
"""Pictures after which SQLite is told what it has; what it had not is read from the ledger again."""

PIECE = 2**20
"""Bytes of the ledger that are read at once."""


def index_folder() -> Path:
    """Where indices lie on this machine: `render/index` in the user's cache."""
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "render" / "index"


class Index(Mapping[int, Record]):
    """The finished pictures of a ledger, by their number; one run at a time.

    Args:
        ledger: a file of lines; what another run appends is not seen.
        anew: trust no index that is there.
    """

    def __init__(self, ledger: Path, *, anew: bool = False) -> None:
        self.unreadable = 0
        self._ledger = ledger
        self._file: BinaryIO | None = None
        self._done = bytearray()  # a bit for each picture
        self._count = 0
        self._pending: list[tuple[int, int]] = []
        self._digest = hashlib.blake2b()  # the ledger up to where it is known
        self._database = _open(ledger, anew=anew)
        self._position = self._trusted()
        for (frame,) in self._database.execute("SELECT frame FROM pictures"):
            self._mark(frame, done=True)
        self._catch_up()

    def __len__(self) -> int:
        return self._count

    def __contains__(self, frame: object) -> bool:
        if not isinstance(frame, int) or frame < 0:
            return False
        place = frame >> 3
        return place < len(self._done) and bool(self._done[place] >> (frame & 7) & 1)

    def __iter__(self) -> Iterator[int]:
        for place, bits in enumerate(self._done):
            if bits:
                yield from (8 * place + bit for bit in range(8) if bits >> bit & 1)

    def __getitem__(self, frame: int) -> Record:
        if frame not in self:
            raise KeyError(frame)
        self._flush()
        row = self._database.execute("SELECT place FROM pictures WHERE frame = ?", (frame,))
        if self._file is None:
            self._file = self._ledger.open("rb")
        self._file.seek(row.fetchone()[0])
        record = parse_record(self._file.readline(), pictures=True)
        if record is None or record.frame != frame:
            raise KeyError(frame)  # somebody else has changed the ledger meanwhile
        return record

    def add(self, records: Sequence[Record], lines: Sequence[bytes]) -> None:
        """Take in pictures whose lines are in the ledger now, behind all others."""
        for record, line in zip(records, lines, strict=True):
            self._take(record, self._position)
            self._pass(line)
        if len(self._pending) >= COMMIT_EVERY:
            self._flush()

    @property
    def end(self) -> int:
        """Bytes of the ledger's whole lines."""
        return self._position

    def close(self) -> None:
        """Write down what SQLite has not yet; if it cannot, the next run reads it from the ledger."""
        with suppress(sqlite3.DatabaseError):
            self._write()
        self._database.close()
        if self._file is not None:
            self._file.close()

    def _take(self, record: Record, place: int) -> None:
        self._mark(record.frame, done=not record.lost)
        self._pending.append((record.frame, -1 if record.lost else place))

    def _pass(self, line: bytes) -> None:
        self._digest.update(line)
        self._position += len(line)

    def _mark(self, frame: int, *, done: bool) -> None:
        if (frame in self) == done:
            return
        place = frame >> 3
        if place >= len(self._done):
            self._done.extend(bytes(place + 1024 - len(self._done)))
        self._done[place] ^= 1 << (frame & 7)
        self._count += 1 if done else -1

    def _catch_up(self) -> None:
        """Read what was appended since the index was written."""
        with suppress(FileNotFoundError), self._ledger.open("rb") as file:
            file.seek(self._position)
            for line in file:
                if not line.endswith(b"\n"):
                    break  # cut short by a crash
                record = parse_record(line, pictures=True)
                if record is None:
                    self.unreadable += 1
                elif record.stage is None:
                    self._take(record, self._position)
                self._pass(line)
                if len(self._pending) >= COMMIT_EVERY:
                    self._flush()
        self._flush()

    def _flush(self) -> None:
        """Tell SQLite what it has not yet; a passing database if the disk of its own is full."""
        try:
            self._write()
        except sqlite3.DatabaseError:
            passing = sqlite3.connect("")
            self._database.backup(passing)
            self._database.close()
            self._database = passing
            self._write()

    def _write(self) -> None:
        if not self._pending:
            return
        with self._database as writing:
            writing.executemany("INSERT OR REPLACE INTO pictures VALUES (?, ?)", self._pending)
            writing.execute("DELETE FROM pictures WHERE place < 0")
            known = (self._position, self._digest.hexdigest())
            writing.execute("INSERT OR REPLACE INTO ledger VALUES (0, ?, ?)", known)
        self._pending.clear()

    def _trusted(self) -> int:
        """Up to where the index knows the ledger; 0, and it is emptied, where it knows another one."""
        row = self._database.execute("SELECT position, digest FROM ledger").fetchone()
        if row is not None:
            read = _read(self._ledger, row[0])
            if read.hexdigest() == row[1]:
                self._digest = read
                return int(row[0])
        with self._database as writing:
            writing.execute("DELETE FROM pictures")
            writing.execute("DELETE FROM ledger")
        return 0


def _open(ledger: Path, *, anew: bool) -> sqlite3.Connection:
    """The database of a ledger; a passing one where this machine's cache cannot be written."""
    name = hashlib.sha256(os.fsencode(ledger.resolve())).hexdigest()[:32] + ".sqlite"
    path = index_folder() / name
    for attempt in (0, 1):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if anew or attempt:
                path.unlink(missing_ok=True)
            return _with_tables(sqlite3.connect(path))
        except (OSError, sqlite3.DatabaseError):
            continue
    return _with_tables(sqlite3.connect(""))  # a temporary file


def _with_tables(database: sqlite3.Connection) -> sqlite3.Connection:
    try:
        # Losing it costs some seconds, as does half of it: nothing has to be flushed to the disk.
        database.execute("PRAGMA synchronous = OFF")
        database.execute("PRAGMA journal_mode = MEMORY")
        database.execute(
            "CREATE TABLE IF NOT EXISTS pictures (frame INTEGER PRIMARY KEY, place INTEGER)"
        )
        database.execute(
            "CREATE TABLE IF NOT EXISTS ledger (id INTEGER PRIMARY KEY, position INTEGER, digest TEXT)"
        )
        database.execute("SELECT count(*) FROM ledger")
        with database:  # refused if the file is another user's, though nothing is deleted
            database.execute("DELETE FROM ledger WHERE id < 0")
    except sqlite3.DatabaseError:
        database.close()
        raise
    return database


def _read(ledger: Path, end: int) -> hashlib.blake2b:
    """Digest of the ledger's first bytes, to be gone on with: a million lines take a second."""
    digest = hashlib.blake2b()
    with suppress(OSError), ledger.open("rb") as file:
        while end > 0 and (data := file.read(min(PIECE, end))):
            digest.update(data)
            end -= len(data)
    return digest
