"""Lines of the ledger: what is written down of a finished frame, and what is believed of a line."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

_FRAME_FILE = re.compile(r"frames/[0-9]{6,20}\.png")


@dataclass(frozen=True)
class Record:
    """One line of the ledger: a finished frame.

    Attributes:
        frame: index in the source.
        file: committed file, relative to the store's folder.
        sha256: digest of its bytes.
        info: what is known of its making: unit, worker, seconds, evaluations, loss.
    """

    frame: int
    file: str
    sha256: str
    info: Mapping[str, Any] = field(default_factory=dict)


def write_record(record: Record) -> bytes:
    """The line of a record, with its line break."""
    return json.dumps(asdict(record)).encode() + b"\n"


def parse_record(line: bytes) -> Record | None:
    """The record in a line; `None` if the line is damaged: its frame is then rendered again."""
    try:
        data = json.loads(line)
    except (ValueError, RecursionError):
        return None
    match data:
        case {"frame": int(frame), "file": str(file), "sha256": str(sha256), "info": dict(info)}:
            # A ledger that somebody else wrote names no file outside the folder.
            inside = _FRAME_FILE.fullmatch(file) is not None and type(frame) is int and frame >= 0
            return Record(frame, file, sha256, info) if inside else None
    return None
