"""The ledger and its lines: what is written down of a finished frame, and what is believed of a line."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from render.files import is_inside, sync_folder


@dataclass(frozen=True)
class Record:
    """One line of the ledger: a finished frame.

    Attributes:
        frame: index in the source.
        file: committed file, relative to the store's folder; of a picture that follows no other its
            own name below the output folder.
        sha256: digest of its bytes; empty for a picture that was found missing or damaged.
        info: what is known of its making: unit, worker, seconds, evaluations, loss.
        stage: after which stage the picture was taken; `None`: the finished frame.
    """

    frame: int
    file: str
    sha256: str
    info: Mapping[str, Any] = field(default_factory=dict)
    stage: int | None = None

    @property
    def lost(self) -> bool:
        """Whether this takes back what an earlier line says of the picture."""
        return not self.sha256


class Ledger:
    """The file, open behind its whole lines.

    Args:
        path: of the file, which need not exist.
        end: bytes of its whole lines; what is behind them is cut off.
    """

    def __init__(self, path: Path, end: int) -> None:
        path.parent.mkdir(exist_ok=True)
        self._file = path.open("ab", buffering=0)
        self._file.truncate(end)
        sync_folder(path.parent)

    def append(self, lines: bytes) -> None:
        """Add lines, whole or not at all, and durable.

        Raises:
            OSError: they were not added.
        """
        number = self._file.fileno()
        end = os.fstat(number).st_size
        try:
            if os.write(number, lines) != len(lines):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(number)
        except OSError:
            os.ftruncate(number, end)
            raise

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def write_record(record: Record) -> bytes:
    """The line of a record, with its line break."""
    return json.dumps(vars(record)).encode() + b"\n"


def parse_record(line: bytes, *, pictures: bool = False) -> Record | None:
    """The record in a line; `None` if the line is damaged: its frame is then rendered again.

    Args:
        line: of the ledger.
        pictures: it is that of pictures, which have names of their own.
    """
    try:
        data = json.loads(line)
    except (ValueError, RecursionError):
        return None
    match data:
        case {"frame": int(frame), "file": str(file), "sha256": str(sha256), "info": dict(info)}:
            stage = data.get("stage")
            # A ledger that somebody else wrote names no file outside the folder, nor another frame's.
            known = _is_index(frame) and (stage is None or _is_index(stage))
            if known and (is_inside(file) if pictures else file == _own_file(frame, stage)):
                return Record(frame, file, sha256, info, stage)
    return None


def _own_file(frame: int, stage: int | None) -> str:
    return f"frames/{frame:06}.png" if stage is None else f"stages/{frame:06}.{stage}.png"


def _is_index(value: object) -> bool:
    return type(value) is int and value >= 0
